"""Checkpoints that are damaged, or of another run or other code, are not used."""

import io
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from stablebert.training import checkpoint as checkpoint_module
from stablebert.training.checkpoint import RunCheckpoint
from stablebert.training.loggers import HistoryLogger

pytestmark = pytest.mark.slow


def is_used(run, tmp_path):
    """Return whether a run would resume from its checkpoint."""
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cpu")))
    history = HistoryLogger(tmp_path / "history.jsonl")
    path = RunCheckpoint(run, history).find(trainer)
    history.discard()
    return path is not None


def test_an_undamaged_checkpoint_of_the_run_is_used(copied, tmp_path):
    assert is_used(copied[0], tmp_path)


def flip_weights(content):
    """Return a content with another bit in the weights."""
    weights = torch.load(io.BytesIO(content), weights_only=True)["state_dict"]
    raw = max((w.numpy().tobytes() for w in weights.values()), key=len)
    return flip(content, content.index(raw) + len(raw) // 2)


def flip(content, position):
    """Return a content with another bit at a position."""
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGES = {
    "empty": lambda _: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "of another kind": lambda _: b"{}" * 1000,
    "of another weight": flip_weights,
    "of another history": lambda content: flip(content, content.index(b"train/lr")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_checkpoint_is_reported_in_one_line(name, copied, tmp_path, caplog):
    run, path = copied
    path.write_bytes(DAMAGES[name](path.read_bytes()))
    assert not is_used(run, tmp_path)
    (record,) = caplog.records
    assert record.message.startswith(f"{path}: not used, training starts over: damaged (")
    assert "\n" not in record.message


def test_a_file_of_torch_that_is_no_checkpoint_is_reported(copied, tmp_path, caplog):
    run, path = copied
    torch.save({"state_dict": {}}, path)
    assert not is_used(run, tmp_path)
    assert "training starts over: damaged (KeyError: 'run')" in caplog.text


def test_code_in_a_checkpoint_is_not_executed(copied, tmp_path, caplog):
    run, path = copied
    torch.save(Exploit(tmp_path / "executed"), path)
    assert not is_used(run, tmp_path)
    assert not (tmp_path / "executed").exists()


class Exploit:
    """Object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def change(run, **changes):
    """Return a run with other values of `trainer` or `monitor`."""
    cfg = run.cfg
    for group, values in changes.items():
        cfg = replace(cfg, **{group: replace(getattr(cfg, group), **values)})
    return replace(run, cfg=cfg)


OTHER_RUNS = {
    "config_id was": lambda run: replace(run, config_id="0123456789"),
    "seeds was 0 and is 1": lambda run: replace(run, cfg=replace(run.cfg, seed=1)),
    "monitor.bias_ratio was True and is False": lambda run: change(
        run, monitor={"bias_ratio": False}
    ),
}


@pytest.mark.parametrize("problem", OTHER_RUNS)
def test_a_checkpoint_of_another_run_is_reported(problem, copied, tmp_path, caplog):
    run, path = copied
    assert not is_used(OTHER_RUNS[problem](run), tmp_path)
    assert f"{path}: not used, training starts over: {problem}" in caplog.text


@pytest.mark.parametrize("package", ["torch", "lightning", "peft", "stablebert", "commit"])
def test_a_checkpoint_of_other_code_is_reported(package, copied, tmp_path, caplog, monkeypatch):
    run, _ = copied
    current = checkpoint_module.versions()
    monkeypatch.setattr(checkpoint_module, "versions", lambda: {**current, package: "9"})
    assert not is_used(run, tmp_path)
    assert f"training starts over: {package} was {current[package]} and is 9" in caplog.text


def test_a_checkpoint_of_another_number_of_threads_is_reported(
    copied, tmp_path, caplog, monkeypatch
):
    run, _ = copied
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert not is_used(run, tmp_path)
    assert "threads was 1 and is 3" in caplog.text
