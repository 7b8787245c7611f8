"""Pre-training of the demo's BERT, and the model in the package."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from stablebert.config.compose import compose
from stablebert.config.files import model_folder
from stablebert.demo import pretrain
from stablebert.demo.pretrain_batches import mask_tokens, packed_batches
from stablebert.hub import digest, model_files
from stablebert.models.loading import load_model
from stablebert.runs.locate import locate
from stablebert.tasks import DEMO
from tests.helpers.processes import descendants_of, wait_for_end


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """A small model, frequent saves and short validations."""
    sizes = {"LAYERS": 2, "HIDDEN": 16, "SAVE_EVERY": 2}
    for name, value in (sizes | {"VALIDATION_BATCHES": 1, "VALIDATION_PAIRS": 32}).items():
        monkeypatch.setattr(pretrain, name, value)


def copy_tokenizer(folder):
    folder.mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model_folder(DEMO) / name, folder)
    return folder


@pytest.fixture
def start(tmp_path):
    """Start, or resume, a pre-training in a folder of its own."""

    def start(name, *, steps, size=16):
        folder = copy_tokenizer(tmp_path / name)
        return pretrain.Pretraining(folder, steps=steps, size=size, lr=1e-3)

    return start


def test_predictions_equal_those_of_transformers(start):
    """The packed states and both heads equal BertForPreTraining on a padded batch."""
    training = start("same", steps=1)
    model, tokenizer = training.model, training.tokenizer
    batch = next(packed_batches(tokenizer, 8, "same"))
    ours = pretrain.predict(model, batch, tokenizer, np.random.default_rng(3))
    ids, indices, _ = mask_tokens(batch.input_ids, tokenizer, np.random.default_rng(3))
    rows, types = ids.split(batch.lengths), batch.token_type_ids.split(batch.lengths)
    pad = torch.nn.utils.rnn.pad_sequence
    mask = pad([torch.ones_like(row) for row in rows], batch_first=True)
    with torch.no_grad():
        theirs = model(
            input_ids=pad(rows, batch_first=True),
            token_type_ids=pad(types, batch_first=True),
            attention_mask=mask,
        )
    tokens = theirs.prediction_logits[mask.bool()][indices]
    close = {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(ours.token_logits.detach(), tokens, **close)
    torch.testing.assert_close(ours.pair_logits.detach(), theirs.seq_relationship_logits, **close)


@pytest.mark.slow
class TestInterruptedPretraining:
    """Six steps at once, against six steps interrupted in the fifth (the last save is at four)."""

    @pytest.fixture
    def folders(self, start, tmp_path, monkeypatch):
        start("whole", steps=6).run()
        interrupted = start("halves", steps=6)
        calls = iter(range(5))
        clip = torch.nn.utils.clip_grad_norm_

        def interrupt(*args):
            if next(calls) == 4:
                raise KeyboardInterrupt
            return clip(*args)

        with monkeypatch.context() as patch:
            patch.setattr(torch.nn.utils, "clip_grad_norm_", interrupt)
            with pytest.raises(KeyboardInterrupt):
                interrupted.run()
        start("halves", steps=6).run()
        return tmp_path / "whole", tmp_path / "halves"

    def test_resuming_gives_the_same_model_and_curve(self, folders):
        whole, halves = (AutoModel.from_pretrained(folder).state_dict() for folder in folders)
        assert all(torch.equal(whole[name], halves[name]) for name in whole)
        curves = [
            [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(lines)]
            for lines in ((folder / "loss.csv").read_text().splitlines() for folder in folders)
        ]
        assert curves[0] == curves[1]
        assert len(curves[0]) == 3

    def test_the_model_can_be_fine_tuned(self, folders):
        assert load_model(folders[0], num_labels=2, seed=0).config.num_hidden_layers == 2


@pytest.mark.slow
def test_two_processes_take_the_step_of_the_mean_gradient(tmp_path, monkeypatch):
    """Two forked processes of 4 pairs each, against the mean of both gradients computed here."""
    copy_tokenizer(tmp_path)

    def fork(*arguments, **settings):
        return torch.multiprocessing.start_processes(*arguments, start_method="fork", **settings)

    monkeypatch.setattr(pretrain, "spawn", fork)
    pretrain.main([str(tmp_path), "--steps", "1", "--size", "8", "--processes", "2"])
    weights = AutoModel.from_pretrained(tmp_path).state_dict()
    (tmp_path / "state.pt").unlink()

    gradients = []

    def average(training):
        gradients.append([p.grad.clone() for p in training.model.parameters()])
        if training.rank == 1:
            for p, *both in zip(training.model.parameters(), *gradients, strict=True):
                p.grad.copy_(sum(both) / 2)

    monkeypatch.setattr(pretrain.Pretraining, "_average_gradients", average)
    monkeypatch.setattr(pretrain.Pretraining, "save", lambda training: None)
    for rank in (0, 1):
        twin = pretrain.Pretraining(tmp_path, steps=1, size=8, lr=3e-3, rank=rank, processes=2)
        twin.run()
    expected = twin.model.bert.state_dict()
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], msg=name)


@pytest.mark.slow
def test_the_command_pretrains_in_two_processes(tmp_path):
    copy_tokenizer(tmp_path)
    command = [sys.executable, "-m", "stablebert.demo.pretrain", str(tmp_path)]
    subprocess.run([*command, "--steps", "1", "--size", "4"], check=True, capture_output=True)
    assert AutoModel.from_pretrained(tmp_path).config.num_hidden_layers == 12


def ignores_interrupts(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"SigIgn:\s+(\w+)", status)[1], 16) >> (signal.SIGINT - 1) & 1


@pytest.mark.slow
def test_ctrl_c_ends_the_command_with_one_line(tmp_path):
    copy_tokenizer(tmp_path)
    command = [sys.executable, "-m", "stablebert.demo.pretrain", str(tmp_path), "--size", "4"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    # both processes and multiprocessing's tracker; Ctrl-C is ignored while they are started
    while len(children := descendants_of(process.pid)) < 3 or ignores_interrupts(process.pid):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate()
    assert (process.returncode, error) == (
        130,
        "python -m stablebert.demo.pretrain: stopped by SIGINT\n",
    )
    wait_for_end(children)


@pytest.mark.slow
def test_resuming_with_other_settings_is_refused(start):
    start("settings", steps=2, size=4).run()
    with pytest.raises(SystemExit, match=r"state\.pt has .*'steps': 2.* not .*'steps': 3"):
        start("settings", steps=3, size=4)


# ---------------------------------------------------------------- the model in the package


def test_packaged_model_is_small():
    # state.pt is not in the package
    assert sum(file.stat().st_size for file in model_folder(DEMO).glob("[!s]*")) < 8e6


def test_packaged_model_is_deep_and_thin():
    model = AutoModel.from_pretrained(model_folder(DEMO))
    config = model.config
    assert type(model).__name__ == "BertModel"
    assert (config.num_hidden_layers, config.hidden_size) == (12, 64)


def test_packaged_model_is_identified_by_its_content():
    content = digest(model_files(model_folder(DEMO)))
    assert locate(compose([])).model_identity == f"demo sha256:{content}"
