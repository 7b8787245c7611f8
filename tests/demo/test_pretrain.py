"""Pre-training of the demo's BERT: what is hidden, and that a stop changes nothing."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertForPreTraining

from stablebert.config.compose import compose
from stablebert.config.files import model_folder
from stablebert.demo import demo_rows, pretrain
from stablebert.demo.grammar import Dice
from stablebert.demo.tasks import TASKS as DEMO_TASKS
from stablebert.hub import digest, model_files
from stablebert.models.loading import load_model
from stablebert.runs.locate import locate
from stablebert.tasks import DEMO, TASKS


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pretrain, "LAYERS", 2)
    monkeypatch.setattr(pretrain, "HIDDEN", 16)
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 2)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    return folder, pretrain.train_tokenizer(folder)


@pytest.fixture
def tokenizer(learnt):
    return learnt[1]


@pytest.fixture
def start(learnt, tmp_path):
    """Begins, or goes on with, a pre-training in a folder of its own."""

    def begin(name, *, steps, size=16):
        folder = tmp_path / name
        shutil.copytree(learnt[0], folder, dirs_exist_ok=True)
        return pretrain.Pretraining(folder, steps=steps, size=size, lr=1e-3)

    return begin


def test_false_sentences():
    dice, true, other = Dice("false"), "The dog chased Eve.", "Adam left."
    after = {"": ["A"], "The": ["cat"], "dog": ["saw"], "chased": ["Eve", "Amy"]}
    made = {pretrain.false(true, other, after, dice) for _ in range(500)}
    replaced = {
        "A dog chased Eve.",
        "The cat chased Eve.",
        "The dog saw Eve.",
        "The dog chased Amy.",
    }
    exchanged = {"dog The chased Eve.", "Eve dog chased The.", "The chased dog Eve."}
    assert made >= {other} | replaced | exchanged
    assert all(sorted(text.split()) != sorted(true.split()) or text != true for text in made)
    assert len(made) == 1 + len(replaced) + 6  # any two of four words


def test_hidden_tokens(tokenizer):
    batch = next(pretrain.batches(tokenizer, 512, "hidden"))
    ids, at, truth = pretrain.masked(batch.input_ids, tokenizer, np.random.default_rng(0))
    assert torch.equal(batch.input_ids[at], truth)
    untouched = torch.ones(len(ids), dtype=torch.bool)
    untouched[at] = False
    assert torch.equal(ids[untouched], batch.input_ids[untouched])
    assert not np.isin(truth, tokenizer.all_special_ids).any()
    share = len(at) / (~np.isin(batch.input_ids, tokenizer.all_special_ids)).sum()
    kept, hidden = (ids[at] == truth).float().mean(), (ids[at] == tokenizer.mask_token_id)
    assert share == pytest.approx(pretrain.MASKED, abs=0.02)
    assert hidden.float().mean() == pytest.approx(0.8, abs=0.04)
    assert kept == pytest.approx(0.1, abs=0.03)
    assert batch.labels.float().mean() == pytest.approx(pretrain.FALSE, abs=0.06)


def test_no_word_of_the_language_is_unknown(tokenizer):
    batch = next(pretrain.batches(tokenizer, 2000, "words"))
    assert tokenizer.unk_token_id not in batch.input_ids
    assert tokenizer.tokenize("Mary purchased xylophones.")[:3] == ["mary", "purchased", "x"]


def test_the_vocabulary_is_the_same_every_time(tokenizer, tmp_path):
    assert pretrain.train_tokenizer(tmp_path).get_vocab() == tokenizer.get_vocab()
    assert 1000 < len(tokenizer) < 1300


def test_guesses_equal_the_librarys(tokenizer, start):
    """The packed states and both heads, against BertForPreTraining on a padded batch."""
    model = start("same", steps=1).model
    batch = next(pretrain.batches(tokenizer, 8, "same"))
    made = pretrain.guess(model, batch, tokenizer, np.random.default_rng(3))
    ids, at, _ = pretrain.masked(batch.input_ids, tokenizer, np.random.default_rng(3))
    rows = ids.split(batch.lengths)
    types = batch.token_type_ids.split(batch.lengths)
    pad = torch.nn.utils.rnn.pad_sequence
    mask = pad([torch.ones_like(row) for row in rows], batch_first=True)
    with torch.no_grad():
        theirs = model(
            input_ids=pad(rows, batch_first=True),
            token_type_ids=pad(types, batch_first=True),
            attention_mask=mask,
        )
    flat = theirs.prediction_logits[mask.bool()]
    torch.testing.assert_close(made.tokens.detach(), flat[at], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        made.pairs.detach(), theirs.seq_relationship_logits, atol=1e-5, rtol=1e-4
    )
    assert isinstance(model, BertForPreTraining)


def test_a_stop_changes_nothing(start, tmp_path, monkeypatch):
    start("whole", steps=6).run()
    stopped = start("halves", steps=6)
    rounds = iter(range(5))  # steps 1 to 4, of which 2 and 4 are saved, and the fifth
    clip = torch.nn.utils.clip_grad_norm_

    def interrupted(*args):
        if next(rounds) == 4:
            raise KeyboardInterrupt
        return clip(*args)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    start("halves", steps=6).run()
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    ours, theirs = (AutoModel.from_pretrained(folder).state_dict() for folder in (whole, halves))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    curves = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file.open())]
        for file in (whole / "loss.csv", halves / "loss.csv")
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3
    assert load_model(whole, num_labels=2, seed=0).config.num_hidden_layers == 2


def test_processes_share_a_step(learnt, tmp_path, monkeypatch):
    """Two processes of 4 pairs each, against the mean of both gradients taken here."""
    shutil.copytree(learnt[0], tmp_path, dirs_exist_ok=True)
    module = "stablebert.demo.pretrain"
    plan = ("--steps", "1", "--size", "8", "--processes", "2")
    subprocess.run([sys.executable, "-m", module, str(tmp_path), *plan], check=True, timeout=120)
    made = AutoModel.from_pretrained(tmp_path).state_dict()
    (tmp_path / "state.pt").unlink()

    gradients = []

    def keep(of):
        gradients.append([p.grad.clone() for p in of.model.parameters()])
        if of.rank == 1:
            for p, *both in zip(of.model.parameters(), *gradients, strict=True):
                p.grad.copy_(sum(both) / 2)

    monkeypatch.undo()  # the whole model, as in the processes
    monkeypatch.setattr(pretrain.Pretraining, "_share_gradients", keep)
    monkeypatch.setattr(pretrain.Pretraining, "save", lambda of: None)
    for rank in (0, 1):
        twin = pretrain.Pretraining(tmp_path, steps=1, size=8, lr=3e-3, team=(rank, 2))
        twin.run()
    ours = twin.model.bert.state_dict()
    assert made.keys() == ours.keys()
    for name, weight in made.items():
        torch.testing.assert_close(weight, ours[name], msg=name)


def test_another_plan_is_refused(start):
    start("plan", steps=2, size=4).run()
    with pytest.raises(SystemExit, match=r"state.pt is of .*'steps': 2.* not of .*'steps': 3"):
        start("plan", steps=3, size=4)


# ---------------------------------------------------------------- what the package brings along


def test_the_vocabulary_in_the_package_is_the_languages(learnt):
    shipped = AutoTokenizer.from_pretrained(model_folder(DEMO))
    assert shipped.get_vocab() == learnt[1].get_vocab()


def test_the_model_in_the_package():
    folder = model_folder(DEMO)
    assert sum(file.stat().st_size for file in folder.glob("[!s]*")) < 8e6  # state.pt stays here
    model = AutoModel.from_pretrained(folder)
    assert type(model).__name__ == "BertModel"
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (12, 64)
    assert locate(compose([])).model_identity == f"demo sha256:{digest(model_files(folder))}"


@pytest.mark.parametrize("name", DEMO_TASKS)
def test_the_model_knows_every_word_of_the_tasks(name):
    tokenizer = AutoTokenizer.from_pretrained(model_folder(DEMO))
    rows = demo_rows(name, "train", n=500, seed=0, holds_out=TASKS[name].holds_out)
    tokens = {t for texts, _ in rows for text in texts for t in tokenizer.tokenize(text)}
    assert not {t for t in tokens if t.startswith("##") or t == tokenizer.unk_token}
