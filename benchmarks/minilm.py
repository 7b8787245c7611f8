"""Tables of docs/results.md about the second model, MiniLM, and the cells that they show."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.demo import bold, depth_table, markdown_table
from benchmarks.result_cells import CPU, SELECTION, complete_cells, unlabeled
from benchmarks.result_parts import effect, rate_choice, rate_of
from stablebert.report.join import CellResult
from stablebert.report.tables import format_mean_sd

TASKS = ("stsb_1k", "sst2_1k")
"""Tasks that `standard` learns with MiniLM."""
RATES = "optimizer.lr=2.5e-5,5e-5,1e-4,2e-4,4e-4,8e-4"
RATE = "optimizer.lr=2e-4"
DEPTHS = {"stsb_1k": 1, "sst2_1k": 1}
"""Numbers of re-initialized layers that validation selected."""
BERT_ADAM_RATES = "optimizer.lr=6.25e-6,1.25e-5,2.5e-5,5e-5,1e-4,2e-4"
BERT_ADAM_RATE = "optimizer.lr=2.5e-5"
"""Rate of BERTAdam on STS-B that validation selected."""
HALF_RATE = "optimizer.lr=1e-4"
SEEDS = "seed=0..19"


# ---------------------------------------------------------------- tables


def rates(folder: Path) -> str:
    """Return a table of validation scores by learning rate."""
    fixed = ("method=standard", SELECTION)
    return rate_choice(_cells(folder, "bias_correction", TASKS, RATES, *fixed), TASKS)


def depths(folder: Path) -> str:
    """Return a table of validation scores by task and depth of re-initialization."""
    standard = _cells(folder, "bias_correction", TASKS, RATE, "method=standard", SELECTION)
    return depth_table(_cells(folder, "reinit_depth", TASKS, RATE, SELECTION), standard)


def bias_correction(folder: Path) -> str:
    """Return the report on BERTAdam and Adam at one learning rate."""
    return effect(fixed_rate_cells(folder), "bias_correction")


def reinit(folder: Path) -> str:
    """Return the report on Re-init at the depths that validation selected."""
    return effect([*standard_cells(folder), *reinit_cells(folder)], "table1")


def optimizers(folder: Path) -> str:
    """Return validation scores of BERTAdam and Adam on STS-B by learning rate."""
    fixed = ("stsb_1k",), SELECTION
    arms = {
        "bert_adam": _cells(folder, "rate_optimizer", *fixed, BERT_ADAM_RATES, "method=bert_adam"),
        "standard": _cells(folder, "bias_correction", *fixed, RATES, "method=standard"),
    }
    scores = {
        name: {rate_of(result): result.val for result in cells} for name, cells in arms.items()
    }
    every_rate = sorted({rate for own in scores.values() for rate in own})
    rows = []
    for name, own in scores.items():
        best = max(own, key=lambda rate: own[rate].mean())
        texts = [bold(format_mean_sd(own[x]), x == best) if x in own else "-" for x in every_rate]
        rows.append([name, *texts])
    return markdown_table(["validation", *(f"{rate:g}" for rate in every_rate)], rows)


def best_rates(folder: Path) -> str:
    """Return the report on BERTAdam and Adam on STS-B, each at its own rate."""
    arms = ("bert_adam", BERT_ADAM_RATE), ("standard", RATE)
    cells = [_stsb(folder, method, rate) for method, rate in arms]
    return effect(unlabeled(cells), "bias_correction")


def spread(folder: Path) -> str:
    """Return the lowest, median and highest test score on STS-B by method, length and rate."""
    cells = [
        _stsb(folder, "bert_adam", RATE),
        _stsb(folder, "bert_adam", BERT_ADAM_RATE),
        _stsb(folder, "standard", HALF_RATE),
        _stsb(folder, "standard", RATE),
        *_reinit(folder, "stsb_1k", "length=3epochs", SEEDS),
    ]
    rows = []
    for result in cells:
        names = result.cell.method, result.cell.length, f"{rate_of(result):g}", str(result.n)
        quantiles = (f"{x:.1f}" for x in np.quantile(result.test, [0, 0.5, 1]))
        rows.append([*names, format_mean_sd(result.test), *quantiles])
    head = ["method", "length", "learning rate", "seeds", "test", "lowest", "median", "highest"]
    return markdown_table(head, rows)


# ---------------------------------------------------------------- cells


def fixed_rate_cells(folder: Path) -> list[CellResult]:
    """Return BERTAdam and Adam at the rate of `standard`."""
    return unlabeled(_cells(folder, "bias_correction", TASKS, RATE, SEEDS))


def standard_cells(folder: Path) -> list[CellResult]:
    """Return `standard` with three epochs."""
    cells = _cells(folder, "bias_correction", TASKS, RATE, "method=standard", SEEDS)
    return unlabeled(cells)


def reinit_cells(folder: Path) -> list[CellResult]:
    """Return Re-init with three epochs, each task at its own depth."""
    fixed = ("length=3epochs", SEEDS)
    return unlabeled(x for task in TASKS for x in _reinit(folder, task, *fixed))


def _stsb(folder: Path, method: str, rate: str) -> CellResult:
    """Return a method without Re-init on STS-B with three epochs at one learning rate."""
    task = ["stsb_1k"]
    (result,) = _cells(folder, "bias_correction", task, f"method={method}", rate, SEEDS)
    return result


def _reinit(folder: Path, task: str, *overrides: str) -> list[CellResult]:
    """Return Re-init of one task at its own depth."""
    fixed = ("method=reinit", RATE, f"reinit.num_layers={DEPTHS[task]}")
    return _cells(folder, "table1", [task], *fixed, *overrides)


def _cells(folder: Path, sweep: str, tasks: Iterable[str], *overrides: str) -> list[CellResult]:
    files = (folder / "mini" / "minilm.jsonl",)
    return complete_cells(files, sweep, f"task={','.join(tasks)}", *overrides, CPU)
