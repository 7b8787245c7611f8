"""Comparisons of docs/results.md that no report makes: machines, baselines, both remedies, cost."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np

from benchmarks.demo import markdown_table
from benchmarks.result_cells import (
    both_remedies,
    control_pairs,
    longer_cells,
    machine_pairs,
    position_cells,
    reinit_cells,
    standard_cells,
)
from stablebert.report.analyses.base import Basis, Request
from stablebert.report.cell_predictions import CellPredictions
from stablebert.report.cells import Cell, task_title
from stablebert.report.compare import adjust_p_values, analyze_cells
from stablebert.report.histories import load_histories
from stablebert.report.join import CellResult
from stablebert.report.paper import paper_score
from stablebert.report.statistics.disagreement import score_ensemble
from stablebert.report.statistics.scores import FloatArray, mean_difference, welch_test
from stablebert.report.tables import format_interval, format_mean_sd, format_p

_CKA = ["cka/embeddings", *(f"cka/layer_{i:02d}" for i in range(6))]
"""Quantities in the history of a run, from the bottom up."""
GROUP = 8
"""Runs of three epochs whose 768 steps are compared with the 800 steps of a longer run."""


def sensitivity(folder: Path) -> str:
    """Return effects on the same seeds, against all seeds of `standard`, and on the dev set.

    P-values have Holm's correction over the tasks of an effect, times 2, as in the reports.
    """
    groups = {
        "Re-init": (reinit_cells(folder), "seed=0..19"),
        "800 steps": (longer_cells(folder), "seed=0..9"),
    }
    rows = []
    for name, (cells, seeds) in groups.items():
        same, every = standard_cells(folder, seeds), standard_cells(folder, "seed=0..49")
        columns = [
            _differences(same, cells, attrgetter("test")),
            _differences(every, cells, attrgetter("test")),
            _differences(every, cells, last_scores),
        ]
        for i, cell in enumerate(cells):
            texts = (text for column in columns for text in column[i])
            rows.append([task_title(cell.cell.task, "mini"), name, *texts])
    head = ("same seeds", "all 50 seeds of `standard`", "all 50, last weights, dev set")
    return markdown_table(
        ["task", "remedy", *(text for name in head for text in (f"Δ, {name}", "p Holm"))], rows
    )


def machines(folder: Path) -> str:
    """Return scores of `standard` on the GPU and on a CPU, with the same seeds."""
    rows = []
    for gpu, cpu in machine_pairs(folder):
        correlation = float(np.corrcoef(gpu.test, cpu.test)[0, 1])
        title = task_title(gpu.cell.task, "mini")
        rows.append([title, gpu.cell.length, *_contrast(gpu, cpu), f"{correlation:.2f}"])
    return markdown_table(["task", "length", *_head("GPU", "CPU"), "correlation"], rows)


def remedies(folder: Path) -> str:
    """Return the effects of Re-init and of 800 steps, each without and with the other."""
    rows = [row for cells in both_remedies(folder) for row in _remedy_rows(*cells)]
    for pair in control_pairs(folder):
        title = task_title(pair[0].cell.task, "mini")
        rows.append([title, "Re-init, longer, both on the CPU", "", *_contrast(*pair)])
    return markdown_table(["task", "remedy", "paper's Δ", *_head("without", "with")], rows)


def position(folder: Path) -> str:
    """Return the effects of Re-init on top layers and on as many layers in the middle."""
    rows = []
    for standard, top, middle in position_cells(folder):
        pairs = {
            "top, against standard": (standard, top),
            "middle, against standard": (standard, middle),
            "top, against middle": (middle, top),
        }
        title = task_title(standard.cell.task, "mini")
        rows += [[title, name, *_contrast(*pair)] for name, pair in pairs.items()]
    return markdown_table(["task", "re-initialized layers", *_head("baseline", "Re-init")], rows)


def cka(folder: Path) -> str:
    """Return the CKA of each layer before and after training, a mean over runs that measured it."""
    tasks = position_cells(folder)
    records = [record for arms in tasks for result in arms for record in result.records]
    histories, _ = load_histories(records, folder)
    rows = []
    for arms in tasks:
        for name, result in zip(("standard", "Re-init, top", "Re-init, middle"), arms, strict=True):
            own = [histories[r.key] for r in result.records if r.key in histories]
            runs = [history for history in own if _CKA[-1] in history]
            if runs:
                layers = np.mean([[run[key].values[-1] for key in _CKA] for run in runs], axis=0)
                title = task_title(result.cell.task, "mini")
                rows.append([title, name, str(len(runs)), *(f"{x:.2f}" for x in layers)])
    return markdown_table(["task", "method", "runs", *map(str, range(len(_CKA)))], rows)


def equal_cost(folder: Path) -> str:
    """Return test scores of a longer run, and of what eight runs of three epochs give.

    Eight runs give an ensemble, or the run that validation selects: means over the groups of seeds
    0 to 7, 8 to 15, and so on.
    """
    cells = standard_cells(folder, "seed=0..49")
    request = Request(roots=[folder])
    basis = Basis(rows=analyze_cells(cells, mark_by="test"), request=request)
    rows = []
    for predictions, longer in zip(basis.cell_predictions, longer_cells(folder), strict=True):
        result = predictions.result
        groups = [slice(i, i + GROUP) for i in range(0, result.n - GROUP + 1, GROUP)]
        ensembles = [_ensemble(predictions, group) for group in groups]
        selected = [result.test[group][np.argmax(result.val[group])] for group in groups]
        scores = (result.test, np.array(ensembles), np.array(selected), longer.test)
        rows.append([task_title(result.cell.task, "mini"), *map(format_mean_sd, scores)])
    head = ("one run", f"ensemble of {GROUP}", f"best of {GROUP} by validation", "one longer run")
    return markdown_table(["task", *head], rows)


# ---------------------------------------------------------------- parts of tables


def paper_difference(a: Cell, b: Cell) -> str:
    """Return the difference b - a that the paper's Table 1 prints, `-` where it prints none."""
    pair = [paper_score(cell, table="table1", reference="BERT") for cell in (a, b)]
    scores = [float(number.value) for number in pair if number]
    return f"{scores[1] - scores[0]:+.1f}" if len(scores) == 2 else "-"


def last_scores(result: CellResult) -> FloatArray:
    """Return the scores of the last weights on the whole dev set, x 100, shape `(n,)`."""
    return np.array([100 * (r.metrics["dev_at_last"][r.metric] or 0) for r in result.records])


def _remedy_rows(
    plain: CellResult, reinit: CellResult, longer: CellResult, both: CellResult
) -> list[list[str]]:
    """Return the effects of both remedies on one task, one row each without and with the other."""
    pairs = {
        "Re-init, 3epochs": (plain, reinit),
        "Re-init, longer": (longer, both),
        "800 steps, standard": (plain, longer),
        "800 steps, reinit": (reinit, both),
    }
    title = task_title(plain.cell.task, "mini")
    return [
        [title, name, paper_difference(a.cell, b.cell), *_contrast(a, b)]
        for name, (a, b) in pairs.items()
    ]


def _differences(
    a: Sequence[CellResult], b: Sequence[CellResult], scores_of: Callable[[CellResult], FloatArray]
) -> list[tuple[str, str]]:
    """Return each difference b - a with its interval, and its corrected p-value."""
    pairs = list(zip(a, b, strict=True))
    scores = [(scores_of(x), scores_of(y)) for x, y in pairs]
    p = adjust_p_values([welch_test(*each).p for each in scores], pairs)
    intervals = [format_interval(mean_difference(*each), "+") for each in scores]
    return list(zip(intervals, map(format_p, p), strict=True))


def _contrast(a: CellResult, b: CellResult) -> list[str]:
    """Return the number of seeds, both test scores, and their difference with Welch's test."""
    difference = format_interval(mean_difference(a.test, b.test), "+")
    scores = (format_mean_sd(result.test) for result in (a, b))
    return [str(a.n), *scores, difference, format_p(welch_test(a.test, b.test).p)]


def _head(a: str, b: str) -> list[str]:
    return ["seeds", a, b, "Δ mean [95% CI]", "p Welch"]


def _ensemble(predictions: CellPredictions, group: slice) -> float:
    """Return the test score of the ensemble of some runs, x 100."""
    logits = predictions.logits[group]
    return 100 * score_ensemble(predictions.metric, logits, predictions.labels).ensemble
