"""The checkpoint of a run: an interrupted run that resumes equals one that was not interrupted."""

import io
import json
import os
import random
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback

from stablebert.config.compose import compose
from stablebert.config.files import load_conf
from stablebert.runs.files import CHECKPOINT
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.runs.weights import read_weights
from stablebert.training import checkpoint as checkpoint_module
from stablebert.training.checkpoint import RunCheckpoint
from stablebert.training.fit import fit
from stablebert.training.lifecycle import train_run
from stablebert.training.loggers import HistoryLogger, MirrorLogger
from stablebert.training.module import GlueClassifier
from stablebert.training.stopwatch import Stopwatch
from tests.helpers.disk import full_disk
from tests.helpers.fork_server import call_in_fork, call_program
from tests.helpers.runs import FINISHED, join_arguments, names_in, outcome_of

pytestmark = pytest.mark.slow

EVERY_STEP = "trainer.checkpoint_minutes=1e-9"
STEPS = 10
"""Steps of a run, with four batches per epoch and validations after 3, 6, 9 and 10 steps."""
VARIANTS = {
    "standard": [],
    "padded": ["trainer.packing=padded"],
    "accumulated": ["trainer.accumulate=2"],
    "epochs": ["trainer.max_steps=", "trainer.epochs=2"],
    "bf16": ["trainer.precision=bf16-mixed", "method=pretrained_wd"],
    "mixout": ["method=mixout"],
    "ema": ["method=ema", "ema.decay=0.9", "monitor.representation_change=true"],
    "swa": ["method=swa"],
    "sam": ["method=sam", "trainer.packing=padded"],
    "muon": ["method=muon"],
    "lora": ["method=lora"],
    "lp_ft": ["method=lp_ft"],
}
"""Settings with different state."""
METHODS = [name for name in load_conf("methods") if name != "longer"]  # a length


@pytest.fixture(scope="module")
def make(tiny_bert, small_glue, tmp_path_factory):
    """Function that returns a run of ten steps in a folder of its own, and its arguments."""
    root = tmp_path_factory.mktemp("checkpoints")
    defaults = {
        **{"scale": "mini", "task": "rte", "model.name": tiny_bert, "data.source": small_glue},
        **{"trainer.max_steps": STEPS, "trainer.evaluations": 3, "trainer.threads": 1},
        **{"optimizer.lr": 1e-3, "trainer.keep_weights": "true", "paths.cache": root / "cache"},
    }

    def make(*overrides):
        runs = root / f"runs{len(list(root.iterdir()))}"
        runs.mkdir()
        arguments = join_arguments({**defaults, "paths.runs": runs}, overrides)
        return locate(compose(arguments)), arguments

    return make


@pytest.fixture(scope="module")
def uninterrupted(make):
    """Function that returns what a variant leaves without checkpoints and interruptions."""
    outcomes = {}

    def uninterrupted(*overrides):
        if overrides not in outcomes:
            run, _ = make(*overrides)
            train_run(run)
            outcomes[overrides] = left_by(run)
        return outcomes[overrides]

    return uninterrupted


def left_by(run):
    """Return everything that a finished run leaves, without clock times."""
    assert names_in(run.folder) == FINISHED | {"weights.safetensors"}
    record = read_record(run.folder)
    weights = {name: w.tobytes() for name, w in read_weights(run.folder, record)}
    files = [(run.folder / name).read_bytes() for name in ("history.jsonl", "predictions.parquet")]
    return outcome_of(record), weights, files


def train_and_signal(place, number, step, *argv):
    """Train, and send this process a signal when a method of the module is called after a step."""
    original = getattr(GlueClassifier, place)

    def method(module, *args, **kwargs):
        if module.trainer.global_step >= step:
            os.kill(os.getpid(), number)
        return original(module, *args, **kwargs)

    setattr(GlueClassifier, place, method)
    return call_program("train", *argv)


def interrupt(run, arguments, place, number, step):
    """Interrupt a run in a process of its own; return the process's exit code and output."""
    output = run.folder.parent / "output.txt"
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = [*arguments, EVERY_STEP]
    return call_in_fork(train_and_signal, place, number, step, *arguments, output=output)


class Copies(Callback):
    """Callback that copies the checkpoint after each step, which must be listed last."""

    def __init__(self, run, folder):
        self._path, self._folder = run.folder / CHECKPOINT, folder

    def on_train_batch_start(self, trainer, *args):
        if self._path.exists():
            shutil.copy(self._path, self._folder / f"{trainer.global_step}")


# ---------------------------------------------------------------- resuming

BEFORE_A_STEP, IN_A_STEP = "training_step", "configure_gradient_clipping"
IN_A_VALIDATION, AT_THE_END, IN_THE_TEST = "validation_step", "on_train_end", "test_step"
_random = random.Random(21)
INTERRUPTIONS = [
    ("standard", BEFORE_A_STEP, _random.randint(1, 9)),
    ("padded", IN_A_VALIDATION, _random.choice([3, 6, 9])),
    ("epochs", IN_A_STEP, _random.randint(1, 7)),
    ("accumulated", IN_A_STEP, _random.randint(1, 9)),
    ("mixout", AT_THE_END, STEPS),
    ("ema", IN_A_VALIDATION, STEPS),
    ("muon", IN_THE_TEST, STEPS),
]


@pytest.mark.parametrize(("name", "place", "step"), INTERRUPTIONS)
def test_a_run_that_was_stopped_resumes_bit_for_bit(name, place, step, make, uninterrupted, caplog):
    run, arguments = make(*VARIANTS[name])
    exit_code, output = interrupt(run, arguments, place, signal.SIGTERM, step)
    assert exit_code == 143, output
    assert CHECKPOINT in names_in(run.folder)
    train_run(run)
    assert "resuming from step " in caplog.text
    assert left_by(run) == uninterrupted(*VARIANTS[name])


def test_a_run_that_is_stopped_again_and_again_resumes_each_time(make, uninterrupted):
    run, arguments = make()
    for step in (2, 5, 8):
        exit_code, output = interrupt(run, arguments, BEFORE_A_STEP, signal.SIGTERM, step)
        assert exit_code == 143, output
    train_run(run)
    assert left_by(run) == uninterrupted()


class SignalingFile:
    """File that sends this process a signal after its first bytes are written."""

    def __init__(self, file, number):
        self._file, self._number = file, number

    def write(self, data):
        count = self._file.write(data)
        self._file.flush()
        os.kill(os.getpid(), self._number)
        return count


def train_and_signal_in_the_writing(number, step, *argv):
    """Train, and send this process a signal while the checkpoint of a step is written."""
    save = torch.save

    def save_with_signal(content, file):
        save(content, SignalingFile(file, number) if content["global_step"] == step else file)

    torch.save = save_with_signal
    return call_program("train", *argv)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_signal_in_the_writing_of_a_checkpoint_leaves_the_one_before(
    number, status, make, uninterrupted, tmp_path, caplog
):
    run, arguments = make()
    arguments = [*arguments, EVERY_STEP]
    exit_code, output = call_in_fork(
        train_and_signal_in_the_writing, number, 5, *arguments, output=tmp_path / "output"
    )
    assert exit_code == status, output
    assert "crash.json" not in names_in(run.folder)
    train_run(run)
    assert "resuming from step 4 of 10, checkpoint of 20" in caplog.text
    assert left_by(run) == uninterrupted()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("changes", [[], ["trainer.packing=padded", "trainer.accumulate=2"]])
@pytest.mark.stress
def test_every_method_resumes_from_every_step(method, changes, make, uninterrupted, tmp_path):
    check_every_step([f"method={method}", *changes], make, uninterrupted, tmp_path)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.stress
def test_every_variant_resumes_from_every_step(name, make, uninterrupted, tmp_path):
    check_every_step(VARIANTS[name], make, uninterrupted, tmp_path)


def check_every_step(changes, make, uninterrupted, folder):
    """Check that saving changes nothing, and that each checkpoint leads to the same end."""
    run, _ = make(*changes, EVERY_STEP)
    train_run(run, [Copies(run, folder)])
    assert left_by(run) == uninterrupted(*changes)
    copies = list(folder.iterdir())
    assert len(copies) == left_by(run)[0]["steps"] - 1
    for copy in copies:
        run, _ = make(*changes)
        run.folder.mkdir(parents=True)
        shutil.copy(copy, run.folder / CHECKPOINT)
        train_run(run)
        assert left_by(run) == uninterrupted(*changes), f"from step {copy.name}"


# ---------------------------------------------------------------- checkpoints that cannot be used


@pytest.fixture(scope="module")
def interrupted(make):
    """A run with a checkpoint after step 4."""
    run, arguments = make()
    exit_code, output = interrupt(run, arguments, BEFORE_A_STEP, signal.SIGTERM, 4)
    assert exit_code == 143, output
    return run


@pytest.fixture
def copied(interrupted, make):
    """Another copy of that run, and its checkpoint."""
    run, _ = make()
    path = run.folder / CHECKPOINT
    path.parent.mkdir(parents=True)
    shutil.copy(interrupted.folder / CHECKPOINT, path)
    return run, path


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


def test_a_run_with_a_damaged_checkpoint_starts_over(copied, uninterrupted, caplog):
    run, path = copied
    path.write_bytes(path.read_bytes()[:-1])
    train_run(run)
    assert "training starts over" in caplog.text
    assert left_by(run) == uninterrupted()


# ---------------------------------------------------------------- life of the file


def test_without_the_setting_there_is_no_checkpoint(make, tmp_path):
    run, _ = make()
    train_run(run, [Copies(run, tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_saved_only_after_the_interval(make, tmp_path):
    run, _ = make("trainer.checkpoint_minutes=1000")
    train_run(run, [Copies(run, tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_a_forced_run_starts_over(copied, uninterrupted, caplog):
    run, _ = copied
    train_run(replace(run, cfg=replace(run.cfg, force=True)))
    assert "resuming" not in caplog.text
    assert left_by(run) == uninterrupted()


def test_a_run_that_crashed_resumes(copied, uninterrupted):
    run, _ = copied
    (run.folder / "crash.json").write_text("{}")
    train_run(run)
    assert left_by(run) == uninterrupted()


def test_a_checkpoint_that_cannot_be_saved_is_reported_and_the_run_continues(
    make, uninterrupted, caplog
):
    run, _ = make(EVERY_STEP)
    with full_disk(room=100_000):  # enough for the other files
        train_run(run)
    path = run.folder / CHECKPOINT
    assert f"{path}: cannot be saved, the run continues: [Errno 27] File too large" in caplog.text
    assert left_by(run) == uninterrupted()


def test_the_seconds_of_all_attempts_add_up(interrupted, make):
    content = torch.load(interrupted.folder / CHECKPOINT, weights_only=True)
    run, _ = make()
    run.folder.mkdir(parents=True)
    earlier = content["callbacks"]["Stopwatch"]["seconds"]
    earlier |= {"load": 1e3, "train": 2e3, "validate": 3e3}
    torch.save(content, run.folder / CHECKPOINT)
    seconds = train_run(run).seconds
    assert {name: seconds[name] // 1e3 for name in seconds} == {
        **{"load": 1, "train": 2, "validate": 3, "test": 0}
    }


def test_metrics_before_the_checkpoint_reach_every_logger_again(copied, tmp_path):
    run, _ = copied
    logs = []
    sink = SimpleNamespace(log=lambda metrics, step: logs.append((step, metrics)))
    history = HistoryLogger(tmp_path / "history.jsonl")
    fit(run, [history, MirrorLogger(sink)], [], Stopwatch(), RunCheckpoint(run, history))
    history.complete()
    lines = [json.loads(line) for line in history.path.read_text().splitlines()]
    by_step = {}
    for step, metrics in logs:
        by_step.setdefault(step, {"step": step}).update(metrics)
    assert list(by_step.values()) == lines
    assert lines[0]["step"] == 1
