"""The order of imports, and packages that load without torch: one row per package.

A package imports only from itself and from packages in rows above its own; `docs/architecture.md`
explains the order.
"""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stablebert"

# Rows from the bottom up; packages of one row do not import each other.
ORDER = [
    # leaves: each does one thing
    [
        "drafts",
        "errors",
        "filesystem",
        "losses",
        "machine",
        "seeds",
        "signals",
        "tasks",
        "text",
        "timeouts",
        "version",
        "yaml_files",
        "hub",
        "torch_internals",
    ],
    # the library half: usable in any Lightning project
    ["packed", "optim"],
    ["models", "config", "demo"],
    ["glue", "callbacks"],
    # the suite half
    ["runs"],
    ["report"],
    ["tracking"],
    ["training", "ops"],
    ["grid"],
    ["cli"],
]
# Beyond the rule: leaves that use other leaves, and neighbors in a row.
ALSO = {
    "filesystem": {"errors"},
    "machine": {"errors", "text", "timeouts"},
    "tasks": {"errors", "filesystem", "yaml_files"},
    "yaml_files": {"errors", "filesystem"},
    "hub": {"errors", "filesystem", "tasks", "timeouts"},
}
LIBRARY = {"packed", "optim", "models", "callbacks"}
SUITE_ONLY = {"config", "runs", "report", "tracking", "training", "ops", "grid", "cli"}
TORCH_FREE = [
    *(leaf for leaf in ORDER[0] if leaf not in ("losses", "seeds", "torch_internals")),
    *("config", "demo"),
    *("glue.sources", "models.files", "models.folder", "models.formats", "models.weights"),
    *("runs", "report", "tracking", "ops", "cli", "grid"),
]
LOADS_TORCH = {"demo.pretrain", "demo.pretrain_batches", "tasks.metric_classes"}
"""Modules of torch-free packages that may load torch."""


@cache
def modules():
    """Dotted name below `stablebert` and syntax tree of every module."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__")
        if (name := name.rstrip(".")) not in ("", "__main__"):
            found.append((name, ast.parse(path.read_text("utf-8"))))
    return found


def files():
    """Name and path of every module of the package and the benchmarks."""
    for folder in (PACKAGE, PACKAGE.parent / "benchmarks"):
        for path in sorted(folder.rglob("*.py")):
            yield str(path.relative_to(PACKAGE.parent)), path


def imports(tree):
    """Modules of ours that a file imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stablebert":
            inside = node.module.removeprefix("stablebert").lstrip(".")
            for name in node.names:
                whole = f"{inside}.{name.name}".lstrip(".")
                is_module = (PACKAGE / whole.replace(".", "/")).with_suffix(".py").exists()
                yield whole if is_module or not inside else inside
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "stablebert":
                    yield name.name.removeprefix("stablebert").lstrip(".")


def row_of(package):
    return next(i for i, row in enumerate(ORDER) if package in row)


def test_every_package_has_a_row():
    assert {name.partition(".")[0] for name, _ in modules()} == {p for row in ORDER for p in row}


@pytest.mark.parametrize("package", [p for row in ORDER for p in row])
def test_package_imports_only_from_rows_below(package):
    wrong = set()
    for name, tree in modules():
        if name.partition(".")[0] != package:
            continue
        for used in {u.partition(".")[0] for u in imports(tree)} - {package, ""}:
            if row_of(used) >= row_of(package) and used not in ALSO.get(package, ()):
                wrong.add(f"{name} -> {used}")
    assert not wrong


def test_library_half_does_not_import_the_suite_half():
    wrong = {
        f"{name} -> {used}"
        for name, tree in modules()
        if name.partition(".")[0] in LIBRARY
        for used in imports(tree)
        if used.partition(".")[0] in SUITE_ONLY
    }
    assert not wrong


def test_no_import_cycle_between_modules():
    names = {name for name, _ in modules()}
    found = {name: set(imports(tree)) & names for name, tree in modules()}
    ready = set()
    while free := {n for n, used in found.items() if n not in ready and used <= ready | {n}}:
        ready |= free
    assert not found.keys() - ready


@pytest.mark.slow
@pytest.mark.parametrize("package", TORCH_FREE)
def test_package_loads_without_torch(package):
    names = [n for n, _ in modules() if n == package or n.startswith(f"{package}.")]
    loads = "; ".join(f"import stablebert.{name}" for name in names if name not in LOADS_TORCH)
    code = f"import sys; {loads}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_bare_assert_in_the_package():
    """An assert vanishes under python -O; a user's mistake deserves a sentence."""
    assert [n for n, tree in modules() for x in ast.walk(tree) if isinstance(x, ast.Assert)] == []


@cache
def calls():
    """File, function and syntax tree of every call in the package and the benchmarks."""
    return [
        (file, name_of(node.func), node)
        for file, path in files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]


def name_of(function):
    """Dotted name of a called function; nothing in place of what has no name."""
    if isinstance(function, ast.Attribute):
        return f"{name_of(function.value)}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


@cache
def loaders():
    """Place and arguments, by name, of every call that loads a model, tokenizer or config."""
    return [
        (
            f"{file}:{call.lineno}: {name}",
            {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords},
        )
        for file, name, call in calls()
        if re.search(r"\bAuto\w*\.from_(pretrained|config)$", name)
    ]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("trust_remote_code", "False"),  # otherwise the library asks whether to run a model's code
        ("local_files_only", "True"),  # `hub.fetch` is what downloads, with limits and checks
    ],
)
def test_every_model_is_loaded_from_files_without_its_code(argument, value):
    assert len(loaders()) >= 5
    assert [place for place, arguments in loaders() if arguments.get(argument) != value] == []


def test_nothing_that_asks_on_a_terminal_is_called():
    asking = {"wandb.login", "wandb.sweep", "wandb.agent", "input", "getpass", "load_dataset"}
    asking |= {"getpass.getpass", "datasets.load_dataset", "hf.login", "hf.notebook_login"}
    assert [(file, name) for file, name, _ in calls() if name in asking] == []


def test_wandb_is_used_only_where_the_login_is_checked_first():
    """Without a key, these calls ask for one on a terminal."""
    users = {file for file, name, _ in calls() if name in ("wandb.init", "wandb.Api")}
    checked = {file for file, name, _ in calls() if name == "usage_problem"}
    assert len(users) >= 3
    assert users <= checked


def test_no_child_process_reads_the_terminal():
    """A child that must not ask gets no terminal: agents, which log in to W&B."""
    starts = [
        (f"{file}:{call.lineno}", {keyword.arg for keyword in call.keywords})
        for file, name, call in calls()
        if name == "subprocess.Popen"
    ]
    assert starts
    assert [place for place, arguments in starts if "stdin" not in arguments] == []


def own_names(tree):
    """Names that a module defines itself: functions, classes, attributes and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def is_self(attribute):
    return isinstance(attribute.value, ast.Name) and attribute.value.id in ("self", "cls")


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name != "_"


def foreign_private_names(tree):
    """Private attributes and imports that do not belong to the module itself."""
    own = set(own_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if not is_self(node) and node.attr not in own:
                yield node.attr
        elif isinstance(node, ast.ImportFrom):
            module = [part for part in (node.module or "").split(".") if is_private(part)]
            yield from module + [name.name for name in node.names if is_private(name.name)]


def test_private_names_are_used_only_in_adapters():
    """Private names of another package are confined to one `*_internals` module for it."""
    wrong = {
        f"{name}: {private}"
        for name, tree in modules()
        if not name.endswith("_internals")
        for private in foreign_private_names(tree)
    }
    assert not wrong


@pytest.mark.parametrize(
    ("code", "private"),
    [
        ("x._hidden", ["_hidden"]),
        ("from torch._C import x", ["_C"]),
        ("from torch import _C", ["_C"]),
        ("self._x = 1\nother._x", []),
        ("x.__class__", []),
    ],
)
def test_private_names_are_recognized(code, private):
    assert list(foreign_private_names(ast.parse(code))) == private


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_has_more_than_400_lines():
    sizes = {name: len(path.read_text("utf-8").splitlines()) for name, path in files()}
    assert not {name: size for name, size in sizes.items() if size > 400}


def test_no_function_has_more_than_60_lines():
    sizes = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1
        for name, path in files()
        for node in functions(ast.parse(path.read_text("utf-8")))
    }
    assert not {name: size for name, size in sizes.items() if size > 60}


def test_no_mock_and_no_program_in_a_string_in_the_package():
    wrong = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any("unittest" in n.name for n in node.names))
        or (isinstance(node, ast.Constant) and node.value == "-c")
    }
    assert not wrong
