import subprocess

import pytest

from stablebert.version import _commit, versions


def test_packages_that_can_change_results_are_listed():
    assert {"torch", "lightning", "transformers", "python", "commit"} <= versions().keys()


def test_an_installed_wheel_has_no_commit(tmp_path):
    assert _commit(tmp_path) is None


@pytest.mark.slow
def test_a_checkout_with_local_changes_is_dirty(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "file").write_text("a")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *command], check=True)
    clean = _commit(tmp_path)
    (tmp_path / "file").write_text("b")
    assert _commit(tmp_path) == f"{clean}-dirty"
