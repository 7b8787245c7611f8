"""Damaged model folders: each trains with the same numbers, or is refused by the name of a file."""

import shutil

import pytest

from stablebert.config.compose import compose
from stablebert.errors import ActionableError
from stablebert.runs.files import CRASH
from stablebert.runs.inputs import check_inputs
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from tests.helpers.damage import damage_model

FILES = ("config.json", "tokenizer", "vocab", "special_tokens_map.json", "model", "safetensors")
"""Parts of the names of files in a model folder."""


@pytest.fixture(scope="session")
def model(tiny_bert, tmp_path_factory):
    """A BERT with every file that a repository on the hub has."""
    folder = tmp_path_factory.mktemp("whole") / "bert"
    shutil.copytree(tiny_bert, folder)
    return folder


@pytest.fixture(scope="session")
def train(small_glue, tmp_path_factory):
    """Function that trains a model folder for two steps, and returns its run and record."""
    runs, cache = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("cache")

    def train(folder):
        run = locate(
            compose(
                [
                    *("scale=mini", "task=rte", f"model.name={folder}"),
                    *(f"data.source={small_glue}", f"paths.runs={runs}", f"paths.cache={cache}"),
                    *("trainer.max_steps=2", "trainer.threads=1", "trainer.evaluations=1"),
                ]
            )
        )
        check_inputs([run])
        try:
            return run, train_run(run)
        finally:
            assert not (run.folder / CRASH).exists()

    return train


@pytest.fixture(scope="session")
def undamaged(model, train):
    return train(model)


def check_outcome(damage, folder, train, undamaged):
    """Check that a damaged model is refused by name, or trains as its content says."""
    run, record = undamaged
    try:
        damaged_run, damaged_record = train(folder)
    except ActionableError as error:
        message = str(error)
        assert str(folder) in message, damage
        assert any(name in message.replace(str(folder), "") for name in FILES), damage
        return f"{damage}: {message}"
    if damaged_run.config_id == run.config_id:
        assert damaged_record.metrics == record.metrics, damage
        return f"{damage}: trains as before"
    return f"{damage}: another model"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(12))
def test_a_damaged_model_is_refused_or_trains(number, model, train, undamaged, tmp_path):
    damage = damage_model(model, tmp_path / "model", number)
    check_outcome(damage, tmp_path / "model", train, undamaged)


@pytest.mark.stress
def test_no_damaged_model_ends_in_a_traceback(model, train, undamaged, tmp_path, capsys):
    outcomes, faults = [], []
    for number in range(200):
        folder = tmp_path / f"model{number}"
        damage = damage_model(model, folder, number)
        try:
            outcomes.append(check_outcome(damage, folder, train, undamaged))
        except Exception as error:
            faults.append(f"{damage}: {type(error).__name__}: {error}")
    with capsys.disabled():
        print("\n".join(["", *outcomes, f"{len(outcomes)} as expected, {len(faults)} not"]))
    assert not faults, "\n".join(faults)
