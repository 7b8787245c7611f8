"""A new task of GLUE needs an entry in `conf/glue.yaml` and two in `conf/tasks.yaml`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stablebert.glue.datamodule import GlueDataModule, data_module
from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import TASKS, Task, with_few_sample_versions
from stablebert.tasks.metrics import METRICS
from tests.helpers.tiny import write_tiny_task

ROOT = Path(__file__).parents[2]
COLUMNS, LABELS = ("sentence1", "sentence2"), ("not_entailment", "entailment")
pytestmark = pytest.mark.skipif("wnli" in TASKS, reason="WNLI is a task already")
WNLI = Task("wnli", "wnli", "WNLI", COLUMNS, LABELS, (METRICS["accuracy"],))
ENTRY = f"  wnli: {{title: WNLI, text: [{', '.join(COLUMNS)}], labels: [{', '.join(LABELS)}]}}\n"
ENTRIES = "\nwnli: {}\nwnli_1k: {}\n"


@pytest.fixture(scope="module")
def wnli_folder(tmp_path_factory):
    """A folder with WNLI in the hub's parquet layout."""
    folder = tmp_path_factory.mktemp("wnli")
    write_tiny_task(folder, "wnli", shape=(COLUMNS, LABELS, 1600, 60))
    return folder


@pytest.fixture
def added(monkeypatch):
    """WNLI among the tasks."""
    for name, task in with_few_sample_versions([WNLI]).items():
        monkeypatch.setitem(TASKS, name, task)


@pytest.mark.usefixtures("added")
class TestAddedTask:
    def test_data_module_reads_a_parquet_folder(self, wnli_folder, tiny_bert, tmp_path):
        data = data_module("wnli")(
            source=resolve(wnli_folder, WNLI), tokenizer=tiny_bert, cache=tmp_path
        )
        assert {name: part["rows"] for name, part in data.splits.items()} == {
            "train": 1600,
            **{"val": 30, "test": 30},
        }

    def test_few_sample_version_has_1000_rows(self, wnli_folder, tiny_bert, tmp_path):
        data = data_module("wnli_1k")(
            source=resolve(wnli_folder, WNLI), tokenizer=tiny_bert, cache=tmp_path
        )
        assert data.splits["train"]["rows"] == 1000

    def test_data_module_refuses_a_source_of_another_task(self, tiny_glue, tiny_bert, tmp_path):
        source = resolve(tiny_glue, TASKS["rte"])
        with pytest.raises(ValueError, match="source holds 'rte', but 'wnli' is needed"):
            data_module("wnli")(source=source, tokenizer=tiny_bert, cache=tmp_path)

    def test_data_module_class_is_derived(self):
        derived = data_module("wnli").func
        assert issubclass(derived, GlueDataModule)
        assert derived.__name__ == "WNLIDataModule"

    def test_demo_refuses_the_task_by_name(self):
        with pytest.raises(DataError, match=r"the demo does not generate wnli, only .*rte"):
            resolve("demo", WNLI)

    def test_tsv_folder_refuses_the_task_by_name(self, tmp_path):
        (tmp_path / "WNLI").mkdir()
        (tmp_path / "WNLI" / "train.tsv").write_text("index\tsentence1\tsentence2\tlabel\n")
        with pytest.raises(
            DataError, match=r"looked for wnli/train-.*tsv\.py declares no TSV files of wnli"
        ):
            resolve(tmp_path, WNLI)


@pytest.mark.slow
def test_training_works_after_the_documented_edits(wnli_folder, tiny_bert, tmp_path):
    """Make the edits in a copy of the repository and train on a parquet folder."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("stablebert", "conf", "sweeps", "results"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name, text in (("glue", ENTRY), ("tasks", ENTRIES)):
        conf = tmp_path / f"conf/{name}.yaml"
        conf.write_text(conf.read_text(encoding="utf-8") + text, encoding="utf-8")
    overrides = [
        *("task=wnli", "scale=mini", f"data.source={wnli_folder}", f"model.name={tiny_bert}"),
        *("trainer.max_steps=2", "trainer.accelerator=cpu", f"paths.runs={tmp_path}/runs"),
        f"paths.cache={tmp_path}/cache",
    ]
    subprocess.run(
        [sys.executable, "-m", "stablebert", "train", *overrides],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    (path,) = (tmp_path / "runs").rglob("result.json")
    assert json.loads(path.read_text())["task"] == "wnli"
