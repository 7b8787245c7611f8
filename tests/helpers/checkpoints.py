"""Runs that are interrupted after they have saved a checkpoint, and what they leave."""

import os

from stablebert.runs.record import read_record
from stablebert.runs.weights import read_weights
from stablebert.training.module import GlueClassifier
from tests.helpers.fork_server import call_in_fork, call_program
from tests.helpers.runs import FINISHED, names_in, outcome_of

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
BEFORE_A_STEP, IN_A_STEP = "training_step", "configure_gradient_clipping"
IN_A_VALIDATION, AT_THE_END, IN_THE_TEST = "validation_step", "on_train_end", "test_step"
"""Methods of the module that a run is interrupted in."""


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
