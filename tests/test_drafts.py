"""Drafts: complete when renamed, and deleted by others only if their writer has died."""

import fcntl
import os

import pytest

from stablebert import drafts
from stablebert.drafts import draft_folder, open_draft, remove_leftovers

DEAD = f"result.json.{'0' * 32}"


@pytest.fixture
def dead_folder(tmp_path):
    """Folder in progress that a killed process has left."""
    (tmp_path / f"{DEAD}.part").touch()
    folder = tmp_path / f"{DEAD}.folder"
    folder.mkdir()
    (folder / "weights").write_text("1")
    return folder


def test_the_drafts_of_a_dead_process_are_deleted(dead_folder):
    remove_leftovers(dead_folder.parent)
    assert list(dead_folder.parent.iterdir()) == []


def test_a_new_draft_replaces_those_of_dead_processes(dead_folder):
    draft, file = open_draft(dead_folder.with_name("report.md"))
    with file:
        assert list(draft.parent.iterdir()) == [draft]


@pytest.mark.parametrize("name", ["film.mkv.part", "result.json", f"{DEAD}.part.before"])
def test_other_files_are_left_alone(tmp_path, name):
    (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_file_of_a_living_process_is_left_alone(tmp_path):
    draft, file = open_draft(tmp_path / "result.json")
    with file:
        remove_leftovers(tmp_path)
        assert draft.exists()


def test_the_folder_of_a_living_process_is_left_alone(tmp_path):
    with draft_folder(tmp_path / "encoder") as folder:
        remove_leftovers(tmp_path)
        assert folder.exists()


def test_a_folder_is_deleted_when_its_block_ends(tmp_path):
    with draft_folder(tmp_path / "encoder") as folder:
        (folder / "old").mkdir()
        (folder / "new").mkdir()
        (folder / "new").rename(tmp_path / "encoder")
    assert list(tmp_path.iterdir()) == [tmp_path / "encoder"]


def test_a_file_that_is_deleted_before_it_is_locked_is_created_again(tmp_path, monkeypatch):
    try_lock = drafts.try_lock

    def lock_late(descriptor):
        monkeypatch.setattr(drafts, "try_lock", try_lock)
        remove_leftovers(tmp_path)
        return try_lock(descriptor)

    monkeypatch.setattr(drafts, "try_lock", lock_late)
    draft, file = open_draft(tmp_path / "result.json")
    with file:
        assert draft.exists()


def test_a_file_that_another_process_is_deleting_is_created_again(tmp_path, monkeypatch):
    try_lock = drafts.try_lock

    def lock_late(descriptor):
        monkeypatch.setattr(drafts, "try_lock", try_lock)
        (draft,) = tmp_path.iterdir()
        with draft.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            is_locked = try_lock(descriptor)
        draft.unlink()
        return is_locked

    monkeypatch.setattr(drafts, "try_lock", lock_late)
    draft, file = open_draft(tmp_path / "result.json")
    with file:
        assert draft.exists()


def test_without_locks_nothing_is_deleted(dead_folder, monkeypatch):
    def refuse(*_):
        raise OSError("Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    remove_leftovers(dead_folder.parent)
    with draft_folder(dead_folder.parent / "encoder"):
        pass
    assert {path.name for path in dead_folder.parent.iterdir()} == {
        f"{DEAD}.part",
        dead_folder.name,
    }


def test_a_folder_that_cannot_be_deleted_is_kept_for_a_later_try(dead_folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(drafts.shutil, "rmtree", lambda folder, **_: None)
        remove_leftovers(dead_folder.parent)
    assert len(os.listdir(dead_folder.parent)) == 2
    remove_leftovers(dead_folder.parent)
    assert os.listdir(dead_folder.parent) == []


def test_a_folder_that_does_not_exist_has_no_leftovers(tmp_path):
    remove_leftovers(tmp_path / "missing")
