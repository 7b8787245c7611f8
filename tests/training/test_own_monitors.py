"""Monitors in a file of the user's."""

import sys

import pytest

from stablebert.errors import InputError
from stablebert.training.own_monitors import load_own_monitors

IMPORT = "from stablebert.callbacks.step_monitor import StepMonitor\n"


def load(folder, text, name="measures.py"):
    (folder / name).write_text(text)
    return load_own_monitors(str(folder / name))


def test_every_monitor_that_the_file_defines_is_loaded(tmp_path):
    monitors = load(tmp_path, IMPORT + "class A(StepMonitor): pass\nclass B(A): pass\nx = A\n")
    assert [type(monitor).__name__ for monitor in monitors] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "defines no class that inherits from .*StepMonitor"),
        (IMPORT, "defines no class that inherits from .*StepMonitor"),
        ("import absent", "ModuleNotFoundError: No module named 'absent'"),
        ("class A(", "SyntaxError"),
        (IMPORT + "class A(StepMonitor):\n  def __init__(self, x): pass", "TypeError: .*'x'"),
    ],
)
def test_a_file_without_monitors_is_refused(tmp_path, text, problem):
    with pytest.raises(InputError, match=rf"monitor\.file=.*measures\.py: {problem}"):
        load(tmp_path, text)


def test_a_file_may_define_a_dataclass_with_postponed_annotations(tmp_path):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + IMPORT
    (monitor,) = load(tmp_path, text + "@dataclass\nclass A(StepMonitor):\n    x: int = 3\n")
    assert monitor.x == 3
    assert sys.modules[type(monitor).__module__].A is type(monitor)


def test_a_file_that_fails_leaves_no_module(tmp_path):
    with pytest.raises(InputError):
        load(tmp_path, "class A(", "faulty.py")
    assert not [name for name in sys.modules if name.endswith("faulty")]


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a Python file, ending in \.py"):
        load(tmp_path, "", "measures.txt")
