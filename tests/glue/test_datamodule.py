"""Batches, and the cache of tokens."""

import errno
import functools
import json
import multiprocessing
import os
import re
import shutil
from itertools import chain

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
from tests.helpers.disk import full_disk
from tests.helpers.tiny import write_tiny_task

PARTS = ("train", "val", "test")
KEYS = ["input_ids", "attention_mask", "token_type_ids", "labels"]


@pytest.fixture(scope="module")
def batches_of(make):
    """Data module and padded batches of each part of a task."""

    @functools.cache
    def batches_of(name):
        data = make(name, batch_size=16)
        loaders = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
        return data, dict(zip(PARTS, map(list, loaders), strict=True))

    return batches_of


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", TASKS)
def test_batches_hold_every_row_once(name, part, batches_of):
    data, batches = batches_of(name)
    rows = sum(len(batch["labels"]) for batch in batches[part])
    assert rows == data.splits[part]["rows"]


@pytest.mark.parametrize("name", TASKS)
def test_batches_have_int64_inputs_and_labels_of_the_task(name, batches_of):
    label = torch.float32 if TASKS[name].regression else torch.int64
    expected = dict.fromkeys(KEYS[:3], torch.int64) | {"labels": label}
    for batch in chain.from_iterable(batches_of(name)[1].values()):
        assert list(batch) == KEYS
        assert {key: batch[key].dtype for key in KEYS} == expected


@pytest.mark.parametrize("name", TASKS)
def test_batches_are_padded_to_the_longest_row(name, batches_of):
    for batch in chain.from_iterable(batches_of(name)[1].values()):
        assert len({batch[key].shape for key in KEYS[:3]}) == 1
        assert batch["attention_mask"].any(0).all()


@pytest.mark.parametrize("name", TASKS)
def test_padding_has_the_id_of_the_padding_token(name, batches_of):
    for batch in chain.from_iterable(batches_of(name)[1].values()):
        assert batch["input_ids"][batch["attention_mask"] == 0].eq(0).all()


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("name", TASKS)
def test_labels_are_in_the_order_of_the_batches(name, part, batches_of):
    data, batches = batches_of(name)
    labels = torch.cat([batch["labels"] for batch in batches[part]])
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


def test_unknown_task_is_reported():
    with pytest.raises(
        ValueError, match=r"task='rta' has no entry in conf/glue.yaml, .*; allowed: rte, mrpc"
    ):
        data_module("rta")


def test_source_of_another_task_is_refused(tiny_glue, tiny_bert, cache):
    source = sources.resolve(tiny_glue, TASKS["cola"])
    with pytest.raises(ValueError, match="source holds 'cola', but 'rte' is needed"):
        RTEDataModule(source=source, tokenizer=tiny_bert, cache=cache)


@pytest.mark.parametrize(("name", "max_length"), [("mrpc", 128), ("cola", 128), ("mrpc", 9)])
def test_tokens_equal_those_of_the_tokenizer(name, max_length, make, tiny_bert):
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


def sample_of(data, rows):
    """Return the batches of a validation sample as plain lists."""
    loader = data.sample_dataloader("val", rows)
    return [{name: x.tolist() for name, x in batch.items()} for batch in loader]


@pytest.mark.parametrize("more", [{"seed": 7}, {"packed": True}, {"batch_size": 4}])
def test_a_sample_is_the_same_for_every_run_of_a_task(make, more):
    assert sample_of(make("mrpc", **more), 10) == sample_of(make("mrpc"), 10)


@pytest.mark.parametrize(("rows", "size"), [(10, 10), (256, 29)])
def test_a_sample_has_at_most_all_rows(make, rows, size):
    data = make("mrpc")
    assert data.splits["val"]["rows"] == 29
    assert sum(len(batch["labels"]) for batch in sample_of(data, rows)) == size


@pytest.mark.parametrize("name", ["mrpc", "sst2"])
def test_every_class_has_its_share_of_a_sample(make, name):
    data = make(name)
    (batch,) = sample_of(data, 10)
    share, expected = (np.mean(labels) for labels in (batch["labels"], data.labels("val")))
    assert abs(share - expected) < 0.1


def test_vocabulary_is_that_of_the_training_rows(make):
    data = make("mrpc", packed=True)
    tokens = {int(i) for batch in data.train_dataloader() for i in batch.input_ids}
    assert data.vocabulary().tolist() == sorted(tokens)


@pytest.fixture
def left_tokenizer(tiny_bert, tmp_path):
    """A tokenizer without segments that pads on the left."""
    folder = tmp_path / "no-segments"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"model_input_names": ["input_ids", "attention_mask"], "padding_side": "left"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert "token_type_ids" not in AutoTokenizer.from_pretrained(folder)("a")
    return folder


def test_tokenizer_without_segments_gets_zeros(make, left_tokenizer):
    batch = next(iter(make(tokenizer=left_tokenizer).train_dataloader()))
    assert not batch["token_type_ids"].any()


def test_rows_are_padded_on_the_tokenizers_side(make, left_tokenizer):
    batch = next(iter(make(tokenizer=left_tokenizer).train_dataloader()))
    assert batch["attention_mask"][:, -1].all()


def test_tokenizer_without_padding_token_is_refused(make, tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "unpadded")
    with pytest.raises(ValueError, match=r"unpadded: the tokenizer \(.*\) has no pad token"):
        make("rte", tokenizer=tmp_path / "unpadded").prepare_data()


def test_padding_efficiency_is_the_share_of_real_tokens_in_the_first_epoch(make):
    data = make()
    data.setup("fit")
    masks = [batch["attention_mask"] for batch in data.train_dataloader()]
    share = sum(int(m.sum()) for m in masks) / sum(m.numel() for m in masks)
    assert data.padding_efficiency() == pytest.approx(share, abs=1e-12)
    assert 0 < share < 1


@pytest.mark.parametrize("seed", range(3))
def test_the_captured_shape_fits_every_complete_batch_of_the_first_epoch(make, seed):
    data = make(packed=True, seed=seed)
    shape = data.captured_shape()
    *complete, last = data.train_dataloader()
    assert len(complete) > 1
    assert all(shape.fits(batch) for batch in complete)
    assert shape.fits(last) == (len(last.labels) == data.batch_size)


def test_splits_have_sizes_sources_and_fingerprints(make):
    data = make("sst2_1k")
    assert {name: (part["rows"], part["source"]) for name, part in data.splits.items()} == {
        "train": (1000, "train"),
        "val": (1000, "train"),
        "test": (60, "validation"),
    }
    assert all(len(part["fingerprint"]) == 16 for part in data.splits.values())


def test_a_full_disk_is_reported_under_the_folder_of_the_cache(make, tmp_path):
    with full_disk(1000), pytest.raises(OSError, match=re.escape(f"'{tmp_path}")) as error:
        make(cache=tmp_path).prepare_data()
    assert error.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_cached_rows_are_not_tokenized_again(make, tmp_path, monkeypatch):
    cold = make(cache=tmp_path)
    cold.setup("fit")
    monkeypatch.setattr(token_cache.TokenCache, "_tokenize", None)
    monkeypatch.setattr(sources.Source, "read", None)
    warm = make("rte_1k", cache=tmp_path)  # the 1k version uses the cache of the full task
    warm.prepare_data()
    warm.setup("fit")
    assert len(os.listdir(tmp_path)) == 1
    assert make(cache=tmp_path).splits == cold.splits


def test_cache_is_named_after_everything_that_determines_the_tokens(make, tiny_bert, tmp_path):
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


def sum_of_tokens(source, tokenizer, cache, barrier, results):
    """Start together with the other processes, tokenize and report what was read."""
    barrier.wait()
    data = data_module("mnli")(source=source, tokenizer=tokenizer, cache=cache)
    data.prepare_data()
    data.setup("fit")
    total = sum(int(batch["input_ids"].sum()) for batch in data.train_dataloader())
    results.put((total, data.splits["train"]["fingerprint"]))


@pytest.mark.slow
def test_four_processes_share_one_cache(tiny_glue, tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    cache = tmp_path / "cache"
    (cache / ".mnli-0123-killed" / "train").mkdir(parents=True)  # left by a killed process
    source = sources.resolve(tiny_glue, TASKS["mnli"])
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.SimpleQueue()
    arguments = (source, tiny_bert, cache, barrier, results)
    processes = [context.Process(target=sum_of_tokens, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len({results.get() for _ in processes}) == 1
    assert len(os.listdir(cache)) == 2, "the winner's folder and the killed process's"
