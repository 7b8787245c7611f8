"""Finding a task's files, and the identity of their content."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from stablebert.demo import DEMO_TASKS, DIGESTS
from stablebert.glue import sources
from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import TASKS
from tests.helpers.official_glue import read_splits, write_tsv


def test_repeated_rows_are_kept(shared):
    """docs/pitfalls.md, 31."""
    rows = resolve(shared / "glue", TASKS["sst2"]).read("train")["sentence"]
    assert (len(rows), len(rows.unique())) == (67349, 66978)


@pytest.fixture
def tsv_folder(tiny_glue, tmp_path):
    """RTE of `tiny_glue` in the layout of the official download."""
    task = TASKS["rte"]
    write_tsv(tmp_path / "tsv", task, read_splits(resolve(tiny_glue, task), task))
    return tmp_path / "tsv"


def test_folder_has_a_digest_and_no_address(tiny_glue):
    source = resolve(tiny_glue, TASKS["rte"])
    assert source.identity.startswith("sha256:")
    assert source.content.address is None


def test_copied_folder_has_the_same_identity(tiny_glue, tmp_path):
    shutil.copytree(tiny_glue / "rte", tmp_path / "rte")
    (tmp_path / "rte" / "test-00000-of-00001.parquet").write_bytes(b"never read")
    task = TASKS["rte"]
    assert resolve(tmp_path, task).identity == resolve(tiny_glue, task).identity


def test_a_source_holds_out_as_many_rows_as_the_entry_says(tiny_glue):
    assert resolve(tiny_glue, replace(TASKS["sst2"], held_out=10)).held_out == 10


def test_few_sample_version_has_the_identity_of_the_full_task(tiny_glue):
    identities = {resolve(tiny_glue, TASKS[name]).identity for name in ("rte", "rte_1k")}
    assert len(identities) == 1


def test_other_layout_has_another_identity(tiny_glue, tsv_folder):
    task = TASKS["rte"]
    assert resolve(tsv_folder, task).identity != resolve(tiny_glue, task).identity


def test_edited_file_changes_the_identity(tsv_folder):
    before = resolve(tsv_folder, TASKS["rte"]).identity
    dev = tsv_folder / "RTE" / "dev.tsv"
    dev.write_text(dev.read_text().replace("w1", "w2", 1))
    assert resolve(tsv_folder, TASKS["rte"]).identity != before


@pytest.fixture
def first_shard(tiny_glue, tmp_path):
    """A folder with the first of two shards, and the rows of the second one."""
    whole = pq.read_table(tiny_glue / "rte" / "train-00000-of-00001.parquet")
    shutil.copytree(tiny_glue / "rte", tmp_path / "rte")
    (tmp_path / "rte" / "train-00000-of-00001.parquet").unlink()
    pq.write_table(whole.slice(0, 700), tmp_path / "rte" / "train-00000-of-00002.parquet")
    return tmp_path, whole.slice(700)


def test_missing_shard_is_reported(first_shard):
    with pytest.raises(DataError, match="lacks train, or a shard"):
        resolve(first_shard[0], TASKS["rte"])


def test_shards_are_read_in_order(first_shard, tiny_glue):
    folder, rest = first_shard
    pq.write_table(rest, folder / "rte" / "train-00001-of-00002.parquet")
    table = resolve(folder, TASKS["rte"]).read("train")
    assert table.equals(resolve(tiny_glue, TASKS["rte"]).read("train"))


def test_missing_folder_is_reported():
    message = r"data\.source='/no/such' is not a folder; allowed: hub, demo or a folder"
    with pytest.raises(DataError, match=message):
        resolve("/no/such", TASKS["mnli"])


def test_folder_without_the_task_is_reported_with_both_layouts(tmp_path):
    message = r"found nothing, looked for mnli/train-\*\.parquet.*MNLI/dev_matched\.tsv"
    with pytest.raises(DataError, match=message):
        resolve(tmp_path, TASKS["mnli"])


def test_missing_split_is_reported_with_the_files_that_exist(tmp_path):
    (tmp_path / "MNLI").mkdir()
    (tmp_path / "MNLI" / "train.tsv").write_text("x\n")
    with pytest.raises(DataError, match=r"lacks validation_matched.*found \['train\.tsv'\]"):
        resolve(tmp_path, TASKS["mnli"])


@pytest.mark.parametrize("name", DEMO_TASKS)
def test_packaged_digest_is_that_of_the_default_demo(name):
    source = resolve("demo", TASKS[name])
    assert source.content == source.identify()


def test_default_demo_is_identified_without_its_rows(monkeypatch):
    monkeypatch.setattr(sources.DemoSource, "generate", None)
    assert resolve("demo", TASKS["rte"]).identity == f"demo sha256:{DIGESTS['rte']}"


@pytest.mark.parametrize("source", ["demo:499", "demo:500:1"])
def test_other_demo_rows_have_another_identity(source):
    assert resolve(source, TASKS["rte"]).identity != resolve("demo", TASKS["rte"]).identity


def test_demo_rows_without_their_digest_are_refused(monkeypatch):
    monkeypatch.setitem(DIGESTS, "rte", "0" * 32)
    with pytest.raises(DataError, match="the demo's rows of rte are not those of DIGESTS"):
        resolve("demo", TASKS["rte"]).read("train")


@pytest.mark.slow
def test_sources_and_splits_load_no_heavy_library():
    heavy = "{'torch', 'lightning', 'transformers', 'datasets', 'pyarrow', 'huggingface_hub'}"
    imports = "import sys; from stablebert.glue import sources, splits"
    code = f"{imports}; sys.exit(len({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
