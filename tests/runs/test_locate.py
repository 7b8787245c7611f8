"""Where a run is stored depends on what it computes, and on nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stablebert.config.compose import compose
from stablebert.config.files import model_folder
from stablebert.errors import ActionableError
from stablebert.glue.rows import DataError
from stablebert.hub import HubError
from stablebert.runs import locate as locating
from stablebert.runs.locate import cache_folder, identify, locate
from tests.helpers.runs import join_arguments


def locate_demo(*overrides):
    """Locate a run on the demo's data and model, which come with the package."""
    return locate(compose(join_arguments({"scale": "demo", "task": "rte"}, overrides)))


def folder_of(*overrides):
    return locate_demo(*overrides).folder


@pytest.mark.parametrize(
    "override",
    ["method=bert_adam", "method=reinit", "length=longer", "optimizer.lr=3e-4", "task=cola",
     "data.source=demo:500:1", "seed=1", "seed_init=1"],
)  # fmt: skip
def test_what_changes_a_result_changes_the_folder(override):
    assert folder_of(override) != folder_of()


@pytest.mark.parametrize(
    "override",
    ["trainer.threads=2", "force=true", "wandb.mode=offline", "monitor.bias_ratio=false",
     "paths.cache=/elsewhere"],
)  # fmt: skip
def test_what_changes_no_result_keeps_the_folder(override):
    assert folder_of(override) == folder_of()


def test_a_copy_of_the_model_is_the_same_model(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(model_folder("demo"), model)
    copied = locate_demo("scale=mini", "data.source=demo", f"model.name={model}")
    assert copied.model_identity == locate_demo().model_identity


def test_a_copy_of_data_and_model_is_the_same_run(tiny_bert, tiny_glue, tmp_path):
    def folder(data, model):
        return folder_of("scale=mini", f"data.source={data}", f"model.name={model}")

    copies = shutil.copytree(tiny_glue, tmp_path / "d"), shutil.copytree(tiny_bert, tmp_path / "m")
    assert folder(*copies) == folder(tiny_glue, tiny_bert)


def test_two_equal_seeds_are_that_seed():
    assert folder_of("seed=5", "seed_init=0", "seed_data=0") == folder_of("seed=0")


def test_the_full_task_and_its_1k_version_are_different_runs(tiny_bert, tiny_glue):
    inputs = ("scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}")
    assert folder_of(*inputs, "task=rte_1k") != folder_of(*inputs)


@pytest.fixture
def intermediate():
    """Function that locates a run with an intermediate task."""
    return lambda *more: locate_demo("method=intermediate", *more)


def test_the_intermediate_run_is_one_for_all_seeds(intermediate):
    assert intermediate("seed=7").start.folder == intermediate("seed=0").start.folder


def test_another_intermediate_task_is_another_configuration(intermediate):
    assert intermediate("intermediate.task=qqp").config_id != intermediate().config_id


def test_another_configuration_of_the_start_is_another_run(intermediate):
    run, other = intermediate(), intermediate("trainer.eval_batch_size=32")
    assert other.start.config_id != run.start.config_id


def test_the_identity_of_the_start_is_part_of_the_identity(intermediate):
    run = intermediate()
    inputs = {"data": run.source.identity, "model": run.model_identity}
    other = replace(run.start, config_id="0123456789")
    assert identify(run.cfg, **inputs, start=run.start).config_id == run.config_id
    assert identify(run.cfg, **inputs, start=other).config_id != run.config_id


# ---------------------------------------------------------------- what is missing


def test_missing_data_are_reported(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        folder_of("scale=mini", f"data.source={tmp_path / 'absent'}")


def test_a_missing_split_is_reported(tiny_glue, tmp_path):
    folder = shutil.copytree(tiny_glue / "rte", tmp_path / "glue" / "rte")
    (folder / "validation-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError, match="rte lacks validation"):
        folder_of("scale=mini", f"data.source={folder.parent}")


def test_a_model_folder_without_weights_is_reported(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(HubError, match="a model folder must contain"):
        folder_of(f"model.name={tmp_path / 'model'}")


def test_the_cache_is_the_configured_folder():
    assert cache_folder("/somewhere") == Path("/somewhere")


def test_a_configured_cache_takes_no_home_folder(monkeypatch):
    def fail(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.setattr(Path, "expanduser", lambda path: path if path.parts[0] != "~" else fail())
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder("/somewhere") == Path("/somewhere")


def test_the_cache_is_below_the_user_s_cache_by_default(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder(None) == Path("/cache/stablebert")


def test_muon_is_refused_with_an_older_torch(monkeypatch):
    monkeypatch.setattr(locating, "version", lambda package: "2.8.1+cpu")
    with pytest.raises(ActionableError, match=r"muon needs torch 2\.9 or newer; .* 2\.8\.1"):
        locate_demo("method=muon")


def test_a_version_is_checked_for_methods_that_need_it_only(monkeypatch):
    monkeypatch.setattr(locating, "version", lambda package: "2.6.0")
    locate_demo()


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_adapters_are_refused_without_peft(method, monkeypatch):
    monkeypatch.setattr(locating, "find_spec", lambda package: None)
    message = rf"adapter\.kind={method} needs peft: pip install 'stablebert\[adapters\]'"
    with pytest.raises(ActionableError, match=message):
        locate_demo(f"method={method}")
