"""What may import what (DESIGN), and what must answer without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stablebert"

# from the command line down; a module may import those named after it
ALLOWED = {
    "cli": {
        *("config", "errors", "grid", "locate", "pruning", "report", "report.expected"),
        *("report.pick", "results", "schema", "select", "sweep", "tracking", "train"),
        *("agent", "dashboard", "doctor", "prefetch", "wandb_sweeps"),
    },
    "dashboard": {"errors", "report.paper", "sweep", "tracking"},
    "doctor": {
        *("config", "errors", "glue.sources", "glue.tasks", "grid", "hub", "locate", "schema"),
        "tracking",
    },
    "prefetch": {"config", "errors", "glue.sources", "glue.tasks", "hub", "schema"},
    "agent": {"grid", "wandb_sweeps"},
    "wandb_sweeps": {"errors", "locate", "results", "sweep", "tracking"},
    "train": {
        *("callbacks", "claims", "config", "glue.datamodule", "glue.metrics"),
        *("glue.tasks", "locate", "loggers", "memory", "model", "module", "optim", "outcome"),
        *("progress", "pruning", "results", "schema", "tracking", "version"),
    },
    "tracking": {"config", "locate", "results", "schema", "version"},
    "outcome": {"glue.metrics", "glue.tasks", "loggers", "module"},
    "grid": {"claims", "config", "errors", "locate", "pruning", "results", "schema", "worker"},
    "pruning": {"config", "locate", "results"},
    "worker": {"claims", "locate", "memory", "progress", "results", "train"},
    "memory": set(),
    "select": {"report", "report.cells", "results"},
    "report": {"report.cells", "report.data", "report.records", "report.tables"},
    "report.expected": {
        *("locate", "report.cells", "report.records", "results", "schema", "sweep"),
    },
    "report.pick": {"report.cells", "results", "sweep"},
    "report.tables": {
        *("glue.tasks", "report.cells", "report.paper", "report.reading", "report.records"),
        *("report.render", "report.stats", "results"),
    },
    "report.data": {
        *("glue.tasks", "report.cells", "report.paper", "report.records", "report.render"),
        "results",
    },
    "report.cells": {"glue.tasks", "report.records", "report.stats", "results"},
    "report.records": {"errors", "results"},
    "report.paper": set(),
    "report.reading": {"report.cells", "report.stats"},
    "report.render": set(),
    "report.stats": set(),
    "locate": {"config", "errors", "glue.sources", "glue.tasks", "hub", "results", "schema"},
    "module": {
        *("dropout", "glue.metrics", "loggers", "losses", "model", "optim", "packing", "seeds"),
    },
    "callbacks": {
        *("callbacks.best_weights", "callbacks.bias_ratio", "callbacks.linear_probe"),
        *("callbacks.mixout", "callbacks.reinit", "callbacks.train_part"),
        *("callbacks.training_loss", "callbacks.validation", "callbacks.weight_change"),
    },
    "callbacks.reading": {"loggers"},
    "callbacks.training_loss": {"callbacks.reading"},
    "callbacks.best_weights": set(),
    "callbacks.validation": set(),
    "callbacks.reinit": {"model", "seeds"},
    "callbacks.mixout": {"model"},
    "callbacks.train_part": {"callbacks.reinit", "model"},
    "callbacks.linear_probe": {"losses", "model"},
    "callbacks.bias_ratio": {"callbacks.reading", "model", "optim"},
    "callbacks.weight_change": {"callbacks.reading", "model"},
    "glue.datamodule": {"glue.splits", "glue.sources", "glue.tasks", "packing", "seeds"},
    "glue.sources": {"errors", "hub", "glue.demo", "glue.tasks"},
    "glue.demo": {"glue.demo.tasks"},
    "glue.demo.tasks": {
        *("glue.demo.broken", "glue.demo.grammar", "glue.demo.lexicon", "glue.demo.reviews"),
        "glue.demo.world",
    },
    "glue.demo.broken": {"glue.demo.grammar", "glue.demo.lexicon", "glue.demo.world"},
    "glue.demo.reviews": {"glue.demo.grammar"},
    "glue.demo.world": {"glue.demo.grammar", "glue.demo.lexicon"},
    "glue.demo.grammar": {"glue.demo.lexicon"},
    "glue.demo.lexicon": set(),
    "glue.demo.text": {
        *("glue.demo.grammar", "glue.demo.lexicon", "glue.demo.reviews", "glue.demo.tasks"),
        "glue.demo.world",
    },
    "glue.demo.pretrain": {
        *("dropout", "glue.demo.grammar", "glue.demo.text", "memory", "optim", "packed", "packing"),
    },
    "glue.splits": {"glue.sources", "glue.tasks"},
    "glue.metrics": set(),
    "glue.tasks": set(),
    "hub": {"errors", "glue.tasks"},
    "sweep": {"config", "schema"},
    "config": {"glue.tasks", "schema"},
    "schema": set(),
    "claims": {"errors"},
    "results": {"errors"},
    "errors": set(),
    "loggers": set(),
    "losses": set(),
    "model": {"packed", "seeds"},
    "packed": {"attention", "dropout", "packing"},
    "attention": {"dropout", "packing"},
    "packing": set(),
    "dropout": set(),
    "seeds": set(),
    "optim": set(),
    "progress": set(),
    "version": set(),
}
TORCH_FREE = [
    *("cli", "claims", "config", "glue.sources", "glue.tasks", "grid", "hub", "locate", "report"),
    *("pruning", "report.expected", "report.pick", "results", "schema", "select", "sweep"),
    *("doctor", "prefetch", "version", "worker"),
]


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__")
        if (name := name.rstrip(".")) not in ("", "__main__"):
            yield name, ast.parse(path.read_text())


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
            yield from (
                n.name.removeprefix("stablebert.") for n in node.names if "stablebert" in n.name
            )


def test_imports_point_one_way():
    found = {name: set(imports(tree)) for name, tree in modules()}
    assert set(found) - {"glue"} == set(ALLOWED)
    for name, used in found.items():
        assert used <= ALLOWED.get(name, set()), name


def test_only_the_schema_imports_omegaconf():
    users = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.module == "omegaconf")
        or (isinstance(node, ast.Import) and any(n.name == "omegaconf" for n in node.names))
    }
    assert users == {"schema"}


@pytest.mark.parametrize("module", TORCH_FREE)
def test_no_torch_in(module):
    code = f"import sys, stablebert.{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_bare_assert_in_the_package():
    """An assert vanishes under python -O; a user's mistake deserves a sentence."""
    assert [n for n, tree in modules() for x in ast.walk(tree) if isinstance(x, ast.Assert)] == []
