"""Model and data are checked once for all runs, before any starts."""

import shutil

import pytest

from stablebert.config.compose import compose
from stablebert.errors import InputError
from stablebert.runs import inputs
from stablebert.runs.inputs import check_inputs
from stablebert.runs.locate import locate


@pytest.fixture
def make(tiny_bert, tiny_glue, tmp_path):
    """Function that locates a tiny run."""

    def make(*overrides, task="rte", data=tiny_glue, model=tiny_bert):
        arguments = ["scale=mini", f"task={task}", f"data.source={data}", f"model.name={model}"]
        paths = [f"paths.cache={tmp_path}/cache", f"paths.runs={tmp_path}/runs"]
        return locate(compose([*arguments, *paths, *overrides]))

    return make


def test_inputs_without_problems_are_accepted(make):
    check_inputs([make(), make("seed=1", task="cola"), make("method=intermediate")])


def test_a_model_is_checked_once_with_the_longest_rows(make, monkeypatch, tiny_bert):
    checks = []
    monkeypatch.setattr(inputs, "check_folder", lambda *args, **options: checks.append(options))
    check_inputs([make(f"seed={seed}", f"data.max_length={64 + seed}") for seed in range(3)])
    assert checks == [{"max_length": 66}]


def test_a_damaged_model_is_named(make, tiny_bert, tmp_path):
    folder = shutil.copytree(tiny_bert, tmp_path / "model")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.safetensors: truncated"):
        check_inputs([make(model=folder)])


def test_damaged_data_are_named(make, tiny_glue, tmp_path):
    folder = tmp_path / "glue"
    shutil.copytree(tiny_glue / "rte", folder / "rte")
    (file,) = (folder / "rte").glob("validation-*")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=file.name):
        check_inputs([make(data=folder)])


def test_rows_that_are_tokenized_are_not_read_again(make, monkeypatch):
    run = make()
    cache = inputs.TokenCache(inputs.cache_folder(run.cfg.paths.cache), run.source, run.model, 128)
    cache.folder.mkdir(parents=True)
    monkeypatch.setattr(type(run.source), "read", lambda *args: pytest.fail("read"))
    check_inputs([run])
