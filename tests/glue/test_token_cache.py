"""The cache of tokens is never read when it is damaged."""

import errno
import os
import random
import shutil

import numpy as np
import pytest

from stablebert.glue import token_cache
from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.glue.token_cache import TokenCache
from stablebert.tasks import TASKS
from tests.helpers.campaign import run_campaign


@pytest.fixture
def cache(tiny_glue, tiny_bert, tmp_path):
    """A cache that has been built."""
    cache = TokenCache(tmp_path / "cache", resolve(tiny_glue, TASKS["rte"]), tiny_bert, 128)
    cache.build()
    return cache


def describe(loaded):
    """Everything that a cache holds, comparable."""
    arrays, padding = loaded
    names = ("input_ids", "token_type_ids", "offsets", "labels")
    return padding, {
        (split, name): np.array(getattr(values, name)).tolist()
        for split, values in arrays.items()
        for name in names
    }


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def edit(file, dice):
    """Damage a file, as a failing disk or a killed copy does."""
    content = bytearray(file.read_bytes())
    place = dice.randrange(len(content))
    kind = dice.choice(["bit", "byte", "zeros", "truncate", "insert", "delete"])
    if kind == "bit":
        content[place] ^= 1 << dice.randrange(8)
    elif kind == "byte":
        content[place] = (content[place] + dice.randrange(1, 256)) % 256
    elif kind == "zeros":
        content[place : place + 64] = bytes(64) if any(content[place : place + 64]) else b"\1" * 64
    elif kind == "truncate":
        del content[place:]
    elif kind == "insert":
        content[place:place] = dice.randbytes(4)
    if kind == "delete":
        file.unlink()
    else:
        file.write_bytes(content)


@pytest.mark.parametrize("edits", [range(8), pytest.param(range(8, 408), marks=pytest.mark.stress)])
def test_a_damaged_cache_is_tokenized_again(cache, caplog, capsys, edits):
    expected = describe(cache.load())

    def check(number):
        dice = random.Random(number)
        file = dice.choice(files_of(cache.folder))
        edit(file, dice)
        caplog.clear()
        assert describe(cache.load()) == expected, file
        assert f"{cache.folder} is damaged, tokenizing again" in caplog.text, file

    run_campaign(capsys, check, edits)


@pytest.mark.parametrize(("name", "label"), [("rte", "int64"), ("stsb", "float32")])
def test_arrays_have_compact_types(tiny_glue, tiny_bert, tmp_path, name, label):
    cache = TokenCache(tmp_path, resolve(tiny_glue, TASKS[name]), tiny_bert, 128)
    arrays = cache.load()[0]["train"]
    fields = (arrays.input_ids, arrays.token_type_ids, arrays.labels)
    assert [str(field.dtype) for field in fields] == ["int32", "int8", label]


def test_offsets_delimit_every_row(cache):
    arrays = cache.load()[0]["train"]
    first_tokens = arrays.input_ids[arrays.offsets[:-1]]
    assert arrays.offsets[0] == 0
    assert len(arrays.offsets) == len(arrays.labels) + 1
    assert arrays.offsets[-1] == len(arrays.input_ids) == len(arrays.token_type_ids)
    assert len(set(first_tokens.tolist())) == 1, "every row starts with [CLS]"


def test_padding_is_that_of_the_tokenizer_and_rows_are_counted(cache):
    arrays, padding = cache.load()
    assert padding == {
        "input_ids": 0,
        "token_type_ids": 0,
        "side": "right",
        "rows": {split: len(values.labels) for split, values in arrays.items()},
    }


def test_a_cache_can_be_read_by_everyone(cache):
    assert cache.folder.stat().st_mode & 0o777 == 0o755


def test_every_file_of_a_cache_is_covered(cache, caplog):
    expected = describe(cache.load())
    for name in [file.relative_to(cache.folder) for file in files_of(cache.folder)]:
        (cache.folder / name).write_bytes(b"{}")
        assert describe(cache.load()) == expected, name


def test_an_intact_cache_is_read_without_a_warning(cache, caplog):
    cache.load()
    assert caplog.text == ""


def test_a_hidden_file_is_no_damage(cache, caplog):
    (cache.folder / "train" / ".nfs0001").write_bytes(b"open elsewhere")
    cache.load()
    assert caplog.text == ""


def test_a_damaged_cache_leaves_no_other_folder(cache):
    (cache.folder / "padding.json").unlink()
    cache.load()
    assert os.listdir(cache.root) == [cache.folder.name]


def test_what_a_killed_process_left_is_deleted(cache):
    (cache.root / f"rte.{'0' * 32}.part").touch()
    (cache.root / f"rte.{'0' * 32}.folder").mkdir()
    cache.build()
    assert os.listdir(cache.root) == [cache.folder.name]


def test_a_cache_that_another_process_removes_is_built_again(cache, monkeypatch):
    expected, read = describe(cache.load()), token_cache._read

    def remove_first(folder):
        monkeypatch.setattr(token_cache, "_read", read)
        shutil.rmtree(folder)
        return read(folder)

    monkeypatch.setattr(token_cache, "_read", remove_first)
    assert describe(cache.load()) == expected


def test_a_disk_that_damages_every_cache_is_reported(cache, monkeypatch):
    monkeypatch.setattr(token_cache, "_checksum", lambda folder: os.urandom(4).hex())
    with pytest.raises(DataError, match="damaged again after it was written"):
        cache.load()


def test_a_cache_that_cannot_be_read_for_lack_of_descriptors_is_kept(cache, monkeypatch):
    def fail(_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(token_cache, "_read", fail)
    with pytest.raises(OSError, match="Too many open files"):
        cache.load()
    assert cache.folder.is_dir()


def test_a_damaged_cache_that_cannot_be_replaced_is_reported(cache, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    (cache.folder / "padding.json").write_text("{}")
    monkeypatch.setattr(type(cache.folder), "rename", refuse)
    with pytest.raises(DataError, match=r"rte-.*: damaged; delete the folder: read-only"):
        cache.load()
