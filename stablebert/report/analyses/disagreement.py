"""How much the predictions of a cell's runs differ, and what their ensemble gains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from stablebert.report.analyses.base import Analysis, Basis, Findings, numbers_by_name
from stablebert.report.analyses.shortage import lack_of_predictions, problems_with_predictions
from stablebert.report.cell_predictions import CellPredictions
from stablebert.report.cells import Cell, task_title
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import row_name, verdict_sentences
from stablebert.report.statistics.disagreement import (
    fleiss_kappa,
    jensen_shannon_divergence,
    pairwise_disagreement,
    prediction_sd,
    score_ensemble,
)
from stablebert.report.statistics.metrics import predictions_of_runs
from stablebert.report.tables import label_entries

_MIN_RUNS = 2
_COLUMNS = {
    "n": ("n", "d"),
    "sd": ("SD", ".2f"),
    "pairwise_disagreement": ("disagreement", ".3f"),
    "fleiss_kappa": ("kappa", ".3f"),
    "jensen_shannon_divergence": ("JS divergence", ".3f"),
    "prediction_sd": ("SD of predictions", ".3f"),
    "mean_run": ("mean run", ".1f"),
    "best_by_validation": ("best by validation", ".1f"),
    "ensemble": ("ensemble", ".1f"),
    "left_out": ("left out", "d"),
}
"""Heads and formats of the table's columns, by name of the measure."""


@dataclass(frozen=True, kw_only=True)
class CellMeasures:
    """A cell and its measures, by name; those that its task does not have are absent."""

    cell: Cell
    measures: Mapping[str, float]


def _analyze(basis: Basis) -> Findings:
    rows = measures_of(basis)
    return Findings(
        tables=[_table(rows, basis)] if rows else [],
        sentences=[*_conclusions(rows, basis), *_DEFINITIONS, *problems_with_predictions(basis)],
        numbers=[number for row in rows for number in numbers_by_name(row.cell, row.measures)],
    )


def measures_of(basis: Basis) -> list[CellMeasures]:
    """Return the measures of every cell with enough runs whose predictions are finite."""
    return [
        CellMeasures(cell=predictions.result.cell, measures=_measure(predictions))
        for predictions in basis.cell_predictions
        if predictions.is_finite.sum() >= _MIN_RUNS
    ]


def _measure(predictions: CellPredictions) -> dict[str, float]:
    """Return the measures of the runs with finite predictions; scores are x 100."""
    result, metric = predictions.result, predictions.metric
    members = predictions.positions[predictions.is_finite]
    logits = predictions.logits[predictions.is_finite]
    answers = predictions_of_runs(logits)
    test, val = result.test[members], result.val[members]
    scores = score_ensemble(metric, logits, predictions.labels)
    if logits.shape[2] == 1:
        spread = {"prediction_sd": prediction_sd(answers)}
    else:
        spread = {
            "pairwise_disagreement": pairwise_disagreement(answers),
            "fleiss_kappa": fleiss_kappa(answers),
            "jensen_shannon_divergence": jensen_shannon_divergence(logits),
        }
    return {
        "n": len(members),
        "sd": float(test.std(ddof=1)),
        **spread,
        "mean_run": 100 * scores.mean_run,
        "best_by_validation": float(test[val == val.max()].mean()),
        "ensemble": 100 * scores.ensemble,
        "left_out": result.n - len(members),
    }


_GAINS = {
    "ensemble against the mean run on": "mean_run",
    "against the best run by validation on": "best_by_validation",
}


def _conclusions(rows: Sequence[CellMeasures], basis: Basis) -> list[str]:
    """Return a sentence on the ensembles per row of the report."""
    findings = []
    for row in rows:
        name, title = row_name(row.cell, basis.labels), task_title(row.cell.task, row.cell.scale)
        for text, other in _GAINS.items():
            gain = round(row.measures["ensemble"] - row.measures[other], 1) + 0.0  # -0.0 becomes 0
            findings.append((name, text, f"{title} {gain:+.1f}"))
    return verdict_sentences(findings, tuple(_GAINS))


_DEFINITIONS = (
    "On the test rows, with the weights of the best validation. SD: of the scores of these n runs. "
    "Disagreement: share of the rows on which two runs differ. Kappa: Fleiss' kappa, agreement "
    "beyond what the class frequencies give (1 is perfect). JS divergence: of the probabilities of "
    "two runs, in nats (at most 0.693). SD of predictions: over seeds, for a row of a regression, "
    "in units of the label.",
    "Ensemble: mean of the probabilities (predictions of a regression) of all n runs; best by "
    "validation: the one run that validation selects. Left out: runs without valid predictions, "
    "and runs with predictions that are not finite.",
)


def _table(rows: Sequence[CellMeasures], basis: Basis) -> Table:
    names = [name for name in _COLUMNS if any(name in row.measures for row in rows)]
    return Table(
        title="Disagreement of predictions over seeds, and their ensemble (test score x 100)",
        head=["task", *basis.labels, *(_COLUMNS[name][0] for name in names)],
        rows=[
            [
                *label_entries(row.cell, basis.labels),
                *(Entry(text=_format_measure(name, row.measures)) for name in names),
            ]
            for row in rows
        ],
        labels=1 + len(basis.labels),
    )


def _format_measure(name: str, measures: Mapping[str, float]) -> str:
    value = measures.get(name)
    return "-" if value is None or isnan(value) else f"{value:{_COLUMNS[name][1]}}"


DISAGREEMENT = Analysis(
    name="disagreement",
    summary="how much predictions of the seeds differ, and their ensemble",
    obstacle=lambda basis: lack_of_predictions(basis, runs=_MIN_RUNS),
    analyze=_analyze,
)
