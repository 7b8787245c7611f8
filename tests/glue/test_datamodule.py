"""Batches, their order, and the cache of tokens."""

import json
import os
import shutil
import subprocess
import sys

import lightning as L
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoTokenizer

from stablebert.glue import sources, token_cache
from stablebert.glue.datamodule import DATA_MODULES, RTEDataModule, data_module
from stablebert.glue.rows import DataError
from stablebert.tasks import TASKS
from tests.helpers.tiny import write_tiny_task


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def all_glue(tiny_glue, tmp_path_factory):
    """`tiny_glue` with enough rows of each class for every 1k version."""
    folder = tmp_path_factory.mktemp("glue")
    shutil.copytree(tiny_glue, folder, dirs_exist_ok=True)
    for config in ("rte", "mrpc", "cola"):
        write_tiny_task(folder, config, train_rows=1800)
    return folder


@pytest.fixture
def make(all_glue, tiny_bert, cache):
    def make(name="rte", glue=all_glue, **more):
        source = sources.resolve(glue, TASKS[name])
        return data_module(name)(
            **{"source": source, "tokenizer": tiny_bert, "cache": cache} | more
        )

    return make


def rows(loader):
    """The batches as plain lists, to compare orders."""
    return [batch["input_ids"].tolist() for batch in loader]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gives_batches(name, make):
    data = make(name, batch_size=16)
    data.prepare_data()
    data.setup("fit")
    task, sizes = TASKS[name], {part: value["rows"] for part, value in data.splits.items()}
    for part, loader in (
        ("train", data.train_dataloader()),
        ("val", data.val_dataloader()),
        ("test", data.test_dataloader()),
    ):
        batches = list(loader)
        assert sum(len(batch["labels"]) for batch in batches) == sizes[part]
        kind = torch.float32 if task.regression else torch.int64
        for batch in batches:
            names = ["input_ids", "attention_mask", "token_type_ids", "labels"]
            assert list(batch) == names
            assert batch["labels"].dtype == kind
            assert {batch[n].dtype for n in names[:3]} == {torch.int64}
            assert len({batch[n].shape for n in names[:3]}) == 1
            assert batch["attention_mask"].any(0).all(), "padded beyond the longest row"
            assert batch["input_ids"][batch["attention_mask"] == 0].eq(0).all()
        if part != "train":
            labels = torch.cat([batch["labels"] for batch in batches])
            assert labels.tolist() == data.labels(part).tolist()


def test_every_full_task_has_a_named_class():
    assert {name: cls.__name__ for name, cls in DATA_MODULES.items()} == {
        "rte": "RTEDataModule",
        "mrpc": "MRPCDataModule",
        "stsb": "STSBDataModule",
        "cola": "CoLADataModule",
        "sst2": "SST2DataModule",
        "qnli": "QNLIDataModule",
        "qqp": "QQPDataModule",
        "mnli": "MNLIDataModule",
    }


def test_wrong_names(make, tiny_glue, tiny_bert, cache):
    with pytest.raises(ValueError, match="task='rta'; allowed: rte, mrpc"):
        data_module("rta")(source=None, tokenizer=tiny_bert, cache=cache)
    source = sources.resolve(tiny_glue, TASKS["cola"])
    with pytest.raises(ValueError, match="source holds 'cola', 'rte' is needed"):
        RTEDataModule(source=source, tokenizer=tiny_bert, cache=cache)


@pytest.mark.parametrize(("name", "max_length"), [("mrpc", 128), ("cola", 128), ("mrpc", 9)])
def test_tokens_equal_the_tokenizers_own(name, max_length, make, tiny_bert):
    data = make(name, max_length=max_length, eval_batch_size=7)
    data.setup("test")
    task, tokenizer = TASKS[name], AutoTokenizer.from_pretrained(tiny_bert)
    dev = data.source.read(task.dev_split).to_pylist()
    part, at = data.sets["test"], 0
    assert sorted(part.rows) == sorted(data.parts["test"].rows)
    assert (np.diff(part.lengths()) <= 0).all(), "longest first"
    for batch in data.test_dataloader():
        here = [dev[row] for row in part.rows[at : at + 7]]
        texts = [[row[column] for row in here] for column in task.columns]
        own = tokenizer(
            *texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt"
        )
        for key in ("input_ids", "attention_mask", "token_type_ids"):
            assert batch[key].tolist() == own[key].tolist()
        assert batch["labels"].tolist() == [row["label"] for row in here]
        assert batch["input_ids"].shape[1] <= max_length
        at += len(here)
    assert at == len(part.rows)


@pytest.mark.parametrize("name", ["mrpc", "stsb"])
def test_packed_batches_hold_the_rows_of_padded_ones(name, make):
    packed, padded = make(name, packed=True), make(name)
    for part in ("train_dataloader", "test_dataloader"):
        loaders = [getattr(data, part)() for data in (packed, padded)]
        for batch, other in zip(*loaders, strict=True):
            lengths = other["attention_mask"].sum(1)
            order = lengths.argsort(descending=True, stable=True)
            assert batch.lengths == tuple(lengths[order].tolist())
            assert batch.labels.tolist() == other["labels"][order].tolist()
            for key in ("input_ids", "token_type_ids"):
                rows = [other[key][i, : lengths[i]] for i in order]
                assert getattr(batch, key).tolist() == torch.cat(rows).tolist()
    words = {int(i) for batch in packed.train_dataloader() for i in batch.input_ids}
    assert packed.vocabulary().tolist() == sorted(words)


def test_a_tokenizer_without_segments_gets_zeros(make, tiny_bert, tmp_path):
    folder = tmp_path / "no-segments"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"model_input_names": ["input_ids", "attention_mask"], "padding_side": "left"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert "token_type_ids" not in AutoTokenizer.from_pretrained(folder)("a")
    data = make("rte", tokenizer=folder)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert not batch["token_type_ids"].any()
    assert batch["attention_mask"][:, -1].all(), "padded on the tokenizer's side"


def test_a_tokenizer_without_padding_is_refused(make, tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "unpadded")
    with pytest.raises(
        ValueError, match=r"model\.name='.*unpadded': the tokenizer has no pad token"
    ):
        make("rte", tokenizer=tmp_path / "unpadded").prepare_data()


def test_the_seed_decides_the_order(make):
    def order(seed):
        data = make(seed=seed)
        data.setup("fit")
        loader = data.train_dataloader()
        return [rows(loader), rows(loader)]

    first, second = order(0)
    assert first != second, "every epoch has its own order"
    assert order(0) == [first, second]
    assert order(1)[0] != first
    flat = [sorted(str(row[:3]) for batch in epoch for row in batch) for epoch in (first, second)]
    assert flat[0] == flat[1]


def test_validating_changes_neither_the_order_nor_the_global_generator(make):
    data = make(batch_size=64)
    data.setup("fit")
    expected = rows(data.train_dataloader())
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1]
    loader, val, found = data.train_dataloader(), data.val_dataloader(), []
    for batch in loader:
        found.append(batch["input_ids"].tolist())
        assert rows(val) == rows(data.val_dataloader())
        rows(data.test_dataloader())
        data.padding_efficiency()
    assert found == expected
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_lightning_can_use_it(make, tmp_path):
    class Nothing(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.seen = []

        def training_step(self, batch):
            self.seen.append(batch["input_ids"].tolist())

        def validation_step(self, batch):
            pass

        def test_step(self, batch):
            pass

        def configure_optimizers(self):
            return None

    data, orders = make(batch_size=200, seed=3), []
    for every in (1, 8):
        trainer = L.Trainer(
            max_epochs=2,
            val_check_interval=every,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        model = Nothing()
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data, verbose=False)
        orders.append(model.seen)
    assert orders[0] == orders[1]
    assert len(orders[0]) == 18


def test_padding_efficiency_is_that_of_the_first_epoch(make):
    data = make()
    data.setup("fit")
    masks = [batch["attention_mask"] for batch in data.train_dataloader()]
    share = sum(int(m.sum()) for m in masks) / sum(m.numel() for m in masks)
    assert data.padding_efficiency() == pytest.approx(share, abs=1e-12)
    assert 0 < share < 1


def test_the_record_of_the_splits(make):
    data = make("sst2_1k")
    assert {name: (part["rows"], part["source"]) for name, part in data.splits.items()} == {
        "train": (1000, "train"),
        "val": (1000, "train"),
        "test": (60, "validation"),
    }
    assert all(len(part["fingerprint"]) == 16 for part in data.splits.values())


def test_a_warm_start_does_not_tokenise(make, tmp_path, monkeypatch):
    cold = make(cache=tmp_path)
    cold.setup("fit")
    monkeypatch.setattr(token_cache.TokenCache, "_tokenize", None)
    monkeypatch.setattr(sources.Source, "read", None)
    warm = make("rte_1k", cache=tmp_path)  # the 1k version shares the full task's tokens
    warm.prepare_data()
    warm.setup("fit")
    assert len(os.listdir(tmp_path)) == 1
    assert make(cache=tmp_path).splits == cold.splits


def test_what_shapes_the_tokens_names_the_cache(make, tiny_bert, tmp_path):
    write_tiny_task(tmp_path, "rte", seed=1)
    tokenizer = tmp_path / "tokenizer"
    AutoTokenizer.from_pretrained(tiny_bert, model_max_length=32).save_pretrained(tokenizer)
    names = [
        make().cache.folder,
        make(max_length=32).cache.folder,
        make(tokenizer=tokenizer).cache.folder,
        make(glue=tmp_path).cache.folder,
    ]
    assert len(set(names)) == 4
    assert make("rte_1k", batch_size=5, seed=9).cache.folder == names[0]


def test_malformed_rows_leave_no_cache(make, tiny_glue, tmp_path):
    shutil.copytree(tiny_glue / "cola", tmp_path / "glue" / "cola")
    dev = tmp_path / "glue" / "cola" / "validation-00000-of-00001.parquet"
    pq.write_table(pa.table({"sentence": ["fine"], "label": [9]}), dev)
    with pytest.raises(DataError, match="label 9"):
        make("cola", glue=tmp_path / "glue", cache=tmp_path / "cache").prepare_data()
    assert os.listdir(tmp_path / "cache") == []


def test_a_damaged_cache_is_named(make, tmp_path):
    data = make(cache=tmp_path)
    data.prepare_data()
    (data.cache.folder / "padding.json").unlink()
    with pytest.raises(DataError, match="damaged, delete the folder"):
        data.setup("fit")


FOUR = """
import os, sys
from stablebert import tasks
from stablebert.glue import sources
from stablebert.glue.datamodule import data_module
import datasets, transformers
glue, bert, cache = sys.argv[1:]
source = sources.resolve(glue, tasks.TASKS["mnli"])
gate, opened = os.pipe()
children = []
for _ in range(4):
    children.append(os.fork())
    if children[-1] == 0:
        os.close(opened)
        os.read(gate, 1)
        data = data_module("mnli")(source=source, tokenizer=bert, cache=cache)
        data.prepare_data()
        data.setup("fit")
        total = sum(int(batch["input_ids"].sum()) for batch in data.train_dataloader())
        os.write(1, f"{total} {data.splits['train']['fingerprint']}\\n".encode())
        os._exit(0)
os.close(opened)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""


def test_four_processes_start_together(tiny_glue, tiny_bert, tmp_path):
    cache = tmp_path / "cache"
    (cache / ".mnli-0123-killed" / "train").mkdir(parents=True)  # what a killed process leaves
    command = [sys.executable, "-c", FOUR, tiny_glue, tiny_bert, cache]
    env = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len(os.listdir(cache)) == 2, "the winner's folder and the killed one's"
