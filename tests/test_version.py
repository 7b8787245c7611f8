import os
import subprocess

import pytest

from stablebert.version import _commit, _version, versions


def test_packages_that_can_change_results_are_listed():
    assert {"torch", "lightning", "transformers", "python", "commit"} <= versions().keys()
    assert {"tokenizers", "peft"} <= versions().keys()  # of token ids, and of adapters


def test_a_package_that_is_not_installed_has_no_version():
    assert _version("no-such-package") is None


def test_an_installed_wheel_has_no_commit(tmp_path):
    assert _commit(tmp_path) is None


@pytest.fixture
def checkout(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("a")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


@pytest.mark.slow
def test_a_checkout_with_local_changes_is_dirty(checkout):
    clean = _commit(checkout)
    (checkout / "file").write_text("b")
    assert _commit(checkout) == f"{clean}-dirty"


@pytest.mark.slow
def test_asking_for_the_commit_leaves_the_index_of_the_user_alone(checkout):
    index = (checkout / ".git/index").read_bytes()
    os.utime(checkout / "file", (0, 0))  # git would store the new time in its index
    assert not _commit(checkout).endswith("-dirty")
    assert (checkout / ".git/index").read_bytes() == index
