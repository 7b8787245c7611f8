"""Damaged model folders: each trains with the same numbers, or is refused by the name of a file."""

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout

import pytest

from stablebert.cli.main import main
from tests.helpers.campaign import run_campaign
from tests.helpers.damage import damage_model, write_vocabulary
from tests.helpers.runs import record_of

FILES = ("config", "token", "vocab", "model.safetensors", "model-0000", "pytorch_model")
"""Parts of the names of files in a model folder."""


@pytest.fixture(scope="session")
def models(tiny_bert, tmp_path_factory):
    """The same BERT with the tokenizer as a whole, and as its vocabulary only."""
    folder = tmp_path_factory.mktemp("whole") / "vocabulary"
    shutil.copytree(tiny_bert, folder)
    write_vocabulary(folder)
    return tiny_bert, folder


@pytest.fixture(scope="session")
def train(small_glue, tmp_path_factory):
    """Function that trains a model folder for two steps: its record or None, and the errors."""
    runs, cache = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("cache")

    def train(folder):
        arguments = [
            *("scale=mini", "task=rte", f"model.name={folder}", f"data.source={small_glue}"),
            *(f"paths.runs={runs}", f"paths.cache={cache}", "trainer.accelerator=cpu"),
            *("trainer.max_steps=2", "trainer.threads=1", "trainer.evaluations=1"),
        ]
        errors = io.StringIO()
        with redirect_stdout(io.StringIO()), redirect_stderr(errors):
            status = main(["train", *arguments])
        assert list(runs.rglob("crash.json")) == []
        return (record_of(arguments) if status == 0 else None), errors.getvalue()

    return train


@pytest.fixture(scope="session")
def undamaged(models, train):
    """The records of both models."""
    return [train(model)[0] for model in models]


def check_outcome(number, folder, models, train, undamaged):
    """Damage a model, check that it is refused by name or trains, and describe the outcome."""
    model, original = models[number % 2], undamaged[number % 2]
    damage = damage_model(model, folder, number)
    record, errors = train(folder)
    if record is None:
        (message,) = [line for line in errors.splitlines() if line.startswith("stablebert train:")]
        assert "Traceback" not in errors, f"{damage}: {errors}"
        assert any(name in message.replace(str(folder), "") for name in FILES), damage
        return f"{damage}: {message}"
    if record.config_id != original.config_id:
        return f"{damage}: another model"
    assert record.metrics == original.metrics, damage
    return f"{damage}: trains as before"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
def test_a_damaged_model_is_refused_or_trains(number, models, train, undamaged, tmp_path):
    check_outcome(number, tmp_path / "model", models, train, undamaged)


@pytest.mark.stress
def test_no_damaged_model_ends_in_a_traceback(models, train, undamaged, tmp_path, capsys):
    def check(number):
        return check_outcome(number, tmp_path / f"model{number}", models, train, undamaged)

    run_campaign(capsys, check, range(400))
