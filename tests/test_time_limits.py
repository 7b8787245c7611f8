"""No test fails because a machine is slow: whatever a test waits for has ten minutes.

Waits that are the subject of a test, such as the patience with a silent server, are shorter; the
comment `# short on purpose` on the line says so.
"""

import ast
from pathlib import Path

import pytest

LEAST_SECONDS = 600
PURPOSE = "# short on purpose"
TESTS = Path(__file__).parent
WAITS = {"communicate", "join", "result", "run_with_timeout", "select", "wait"}
"""Functions whose first argument may be a number of seconds."""
CLOCKS = {"monotonic", "perf_counter", "time"}


def is_limit(name):
    return str(name).endswith("_SECONDS") and not str(name).startswith(("POLL", "REPEAT"))


def seconds_in(node):
    """Yield the numbers of seconds that a node waits at most."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        yield from (word.value for word in node.keywords if word.arg == "timeout")
        if name in WAITS:
            yield from node.args[:1]
        if name == "setattr" and isinstance(node.args[-1], ast.Constant):
            names = [arg.value for arg in node.args[:-1] if isinstance(arg, ast.Constant)]
            if any(map(is_limit, names)):
                yield node.args[-1]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        call = node.left
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in CLOCKS:
            yield node.right
    elif isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if any(map(is_limit, names)):
            yield node.value


def short_limits(text):
    """Return the lines of a test file with a limit below ten minutes and no purpose."""
    lines = text.splitlines()
    limits = [
        (node.lineno, node.end_lineno)
        for node in ast.walk(ast.parse(text))
        for value in seconds_in(node)
        if isinstance(value, ast.Constant)
        and isinstance(value.value, int | float)
        and value.value < LEAST_SECONDS
    ]
    return sorted(
        {first for first, last in limits if PURPOSE not in "".join(lines[first - 1 : last])}
    )


@pytest.mark.parametrize(
    ("code", "is_short"),
    [
        ("child.communicate(timeout=60)", True),
        ("child.wait(60)", True),
        ("deadline = time.monotonic() + 60", True),
        ("HANG_SECONDS = 60", True),
        ("monkeypatch.setattr(client, 'PROBE_SECONDS', 0.2)", True),
        ("urlopen(url, timeout=5)", True),
        ("process.join(0)", True),
        ("urlopen(url, timeout=5)  # short on purpose", False),
        ("child.communicate(timeout=600)", False),
        ("child.communicate()", False),
        ("HANG_SECONDS = 600", False),
        ("', '.join(names)", False),
    ],
)
def test_limits_are_recognized(code, is_short):
    assert bool(short_limits(code)) == is_short


def test_nothing_is_waited_for_for_less_than_ten_minutes():
    lines = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in short_limits(path.read_text("utf-8"))
        if path != Path(__file__)
    ]
    assert lines == []
