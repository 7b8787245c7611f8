"""A report's numbers as CSV, unrounded."""

from collections.abc import Sequence

from stablebert.report.cell_predictions import CellPredictions
from stablebert.report.cells import IDENTITY, Cell, parameter_text, varying_parameters
from stablebert.report.compare import AnalyzedCell, Comparison, Obstacle, shortcoming
from stablebert.report.files import csv_text
from stablebert.report.paper import PaperNumber, paper_score, reference_model
from stablebert.report.statistics.noise import VarianceSplit
from stablebert.report.statistics.scores import describe_scores, expected_best_of_k
from stablebert.report.tables import TRIALS, best_of_trials, has_paper_layout, iqm_of
from stablebert.runs.record import RunRecord

_COMPARISON = (
    *("p_student", "p_welch", "p_holm", "improvement", "sd_ratio", "p_sd", "p_sd_holm"),
    *("detectable", "mean_verdict", "spread_verdict"),
)
_SPLIT = ("split_runs", "noise_sd", "true_sd", "true_sd_low", "true_sd_high", "true_variance")
_COLUMNS = (
    *("config_id", "n", "missing", "shortcoming", "mean", "sd", "median", "min", "max"),
    *("failed", "at_chance", "marked", "marked_by_paper", "val_mean", "iqm", "iqm_low", "iqm_high"),
    *(f"best_val_of_{TRIALS}", f"chosen_of_{TRIALS}"),
    *_SPLIT,
    *("baseline", "not_compared", "difference", "difference_low", "difference_high"),
    *_COMPARISON,
    *("paper_model", "paper_mean", "paper_sd", "paper_n", "paper_table"),
    *("data", "model", "precision", "commit"),
)
_CURVES = ("best_val", "best_val_sd", "chosen_test", "chosen_test_sd")


def cells_csv(
    rows: Sequence[AnalyzedCell], name: str, predictions: Sequence[CellPredictions] = ()
) -> str:
    """Return one line per cell with all its statistics; numbers that it lacks are empty.

    Args:
        rows: All cells of the report.
        name: Name of the report, such as `table1`.
        predictions: Predictions of all cells, if they are loaded.
    """
    splits = [cell.split for cell in predictions] or [None] * len(rows)
    cells = [row.cell for row in rows]
    keys = key_columns(varying_parameters(cells))
    reference, shows_paper = reference_model(cells), has_paper_layout(cells)
    lines = [
        {
            **key_values(row.cell, keys),
            **_score_values(row),
            **_split_values(split),
            **_comparison_values(row.comparison),
            **_paper_values(
                paper_score(row.cell, table=name, reference=reference) if shows_paper else None
            ),
            **_provenance_values(row.result.records),
        }
        for row, split in zip(rows, splits, strict=True)
    ]
    return csv_text([*keys, *_COLUMNS], lines)


def trials_csv(rows: Sequence[AnalyzedCell]) -> str:
    """Return one line per cell and number k of runs, with scores of the best of k by validation.

    Mean and standard deviation over draws of k runs: the curves of the paper's Figs. 4 and 12.
    """
    keys = key_columns(varying_parameters([row.cell for row in rows]))
    lines = []
    for row in rows:
        result, own = row.result, key_values(row.cell, keys)
        ks = range(1, result.n + 1)
        if ks:
            curves = (
                *expected_best_of_k(result.val, result.val, ks),
                *expected_best_of_k(result.val, result.test, ks),
            )
            for k, *point in zip(ks, *(curve.tolist() for curve in curves), strict=True):
                lines.append({**own, "k": k, **dict(zip(_CURVES, point, strict=True))})
    return csv_text([*keys, "config_id", "k", *_CURVES], lines)


def key_columns(parameters: Sequence[str]) -> list[str]:
    """Return the columns that identify a cell.

    Args:
        parameters: Parameters that vary between the cells of the report.
    """
    return list(dict.fromkeys([*IDENTITY, *parameters]))


def key_values(cell: Cell, keys: Sequence[str]) -> dict[str, object]:
    """Return a cell's values of the columns that identify it, and of `config_id`."""
    return {"config_id": cell.config_id, **{key: parameter_text(cell, key) for key in keys}}


def _score_values(row: AnalyzedCell) -> dict[str, object]:
    result = row.result
    values: dict[str, object] = {"n": result.n, "missing": len(result.missing)}
    if result.n:
        values |= vars(describe_scores(result.test))
        values |= {"failed": result.failed, "at_chance": result.at_chance}
        values |= {"marked": row.marked, "marked_by_paper": row.marked_by_paper}
        values["shortcoming"] = shortcoming(result)
        values["val_mean"] = float(result.val.mean())
    if iqm := iqm_of(result):
        values |= {"iqm": iqm.value, "iqm_low": iqm.low, "iqm_high": iqm.high}
    if best := best_of_trials(result):
        values[f"best_val_of_{TRIALS}"], values[f"chosen_of_{TRIALS}"] = best
    return values


def _split_values(split: VarianceSplit | None) -> dict[str, object]:
    """Return the two parts of a cell's ±; variances are of scores x 100."""
    if split is None:
        return {}
    scores = (split.noise_sd, split.sd.value, split.sd.low, split.sd.high)
    values = (split.n, *(100 * x for x in scores), 100**2 * split.true)
    return dict(zip(_SPLIT, values, strict=True))


def _comparison_values(comparison: Comparison | Obstacle | None) -> dict[str, object]:
    if comparison is None:
        return {}
    baseline = comparison.baseline.config_id
    if isinstance(comparison, Obstacle):
        return {"baseline": baseline, "not_compared": comparison.reason}
    return {
        "baseline": baseline,
        "difference": comparison.difference.value,
        "difference_low": comparison.difference.low,
        "difference_high": comparison.difference.high,
        **{name: getattr(comparison, name) for name in _COMPARISON},
    }


def _paper_values(number: PaperNumber | None) -> dict[str, object]:
    if number is None:
        return {}
    return {
        "paper_model": number.model,
        "paper_mean": number.value,
        "paper_sd": number.sd,
        "paper_n": number.n,
        "paper_table": number.table,
    }


def _provenance_values(records: Sequence[RunRecord]) -> dict[str, object]:
    commits = {record.versions.get("commit") or "unknown" for record in records}
    return {
        "data": " ".join(sorted({record.data for record in records})),
        "model": " ".join(sorted({record.model for record in records})),
        "precision": " ".join(sorted({record.precision for record in records})),
        "commit": " ".join(sorted(commits)),
    }
