"""How much of each ± over seeds is test-set noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from stablebert.report.analyses.base import Analysis, Basis, Findings, Number, numbers_by_name
from stablebert.report.analyses.shortage import lack_of_predictions, problems_with_predictions
from stablebert.report.cell_predictions import CellPredictions
from stablebert.report.cells import task_title
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import row_name, verdict_sentences
from stablebert.report.statistics.noise import VarianceSplit, calibrated_noise
from stablebert.report.statistics.scores import MIN_RUNS, Interval
from stablebert.report.tables import label_entries
from stablebert.text import count_of


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A cell and the split of its variance. Scores are x 100."""

    predictions: CellPredictions
    split: VarianceSplit

    @property
    def mean(self) -> float:
        result = self.predictions.result
        return float(result.test[self.predictions.positions].mean())

    @property
    def true_sd(self) -> Interval:
        return self.split.sd.scaled(100)

    @property
    def calibrated_sd(self) -> float | None:
        """Noise of calibrated runs; None unless the score is the accuracy of two classes."""
        if self.predictions.metric.key != "accuracy" or self.predictions.logits.shape[2] != 2:
            return None
        return 100 * sqrt(calibrated_noise(1 - self.mean / 100, self.split.rows))


def _analyze(basis: Basis) -> Findings:
    rows = [
        _Row(predictions=predictions, split=predictions.split)
        for predictions in basis.cell_predictions
        if predictions.split
    ]
    return Findings(
        tables=[_table(rows, basis)] if rows else [],
        sentences=[*_conclusions(basis), *_DEFINITIONS, *problems_with_predictions(basis)],
        numbers=[number for row in rows for number in _numbers(row)],
    )


_VERDICTS = _TRUE, _NOISE, _NOT_SPLIT = (
    "true scores differ on",
    "± may be test-set noise on",
    "not split on",
)


def _conclusions(basis: Basis) -> list[str]:
    """Return a sentence per row of the report: `standard: true scores differ on RTE, ...`."""
    findings = []
    for predictions in basis.cell_predictions:
        result, split = predictions.result, predictions.split
        if not result.n:
            continue
        task = task_title(result.cell.task, result.cell.scale)
        if split:
            verdict = _TRUE if split.sd.low > 0 else _NOISE
        else:
            reason = "selected by seed pruning" if result.pruned else "with predictions"
            if predictions.is_slow:
                reason = f"scored by {predictions.metric.title}"
            verdict = _NOT_SPLIT
            task += f" ({count_of(len(predictions.positions), 'run')} {reason})"
        findings.append((row_name(result.cell, basis.labels), verdict, task))
    return verdict_sentences(findings, _VERDICTS)


_DEFINITIONS = (
    "SD: over seeds, the ± of the report (of runs with predictions). Noise SD: what a test set of "
    "this size produces by chance. True SD: of the runs' scores on the distribution that the test "
    "rows come from, with a 95% interval (uncorrected); SD² = noise SD² + true SD², where a "
    "negative true variance counts as 0 (the CSV has its value). True scores differ: the interval "
    "excludes 0.",
    "Calibrated: the noise SD that Jordan's formula gives for calibrated runs with two classes. "
    "NaN: runs with a prediction that is not finite; they score 0, here as in the table. "
    f"Left out: runs without valid predictions. Cells with fewer than {MIN_RUNS} other "
    "runs, or with runs that seed pruning selected, are not split.",
)


def _table(rows: Sequence[_Row], basis: Basis) -> Table:
    head = ["n", "rows", "mean", "SD", "noise SD", "true SD [95% CI]", "calibrated", "NaN"]
    body = []
    for row in rows:
        split, sd, calibrated = row.split, row.true_sd, row.calibrated_sd
        texts = [
            *(str(split.n), str(split.rows), f"{row.mean:.1f}"),
            *(f"{100 * x:.2f}" for x in (split.total_sd, split.noise_sd)),
            f"{sd.value:.2f} [{sd.low:.2f}, {sd.high:.2f}]",
            "-" if calibrated is None else f"{calibrated:.2f}",
            *(str(row.predictions.not_finite), str(row.predictions.absent)),
        ]
        labels = label_entries(row.predictions.result.cell, basis.labels)
        body.append([*labels, *(Entry(text=text) for text in texts)])
    return Table(
        title="SD over seeds, split into test-set noise and true scores (test score x 100)",
        head=["task", *basis.labels, *head, "left out"],
        rows=body,
        labels=1 + len(basis.labels),
    )


def _numbers(row: _Row) -> list[Number]:
    cell, split = row.predictions.result.cell, row.split
    return numbers_by_name(
        cell,
        {
            "true_sd": row.true_sd,
            "n": split.n,
            "rows": split.rows,
            "mean": row.mean,
            "sd": 100 * split.total_sd,
            "noise_sd": 100 * split.noise_sd,
            "variance": 100**2 * split.total,
            "noise_variance": 100**2 * split.noise,
            "true_variance": 100**2 * split.true,
            "calibrated_noise_sd": row.calibrated_sd,
            "not_finite": row.predictions.not_finite,
            "left_out": row.predictions.absent,
        },
    )


NOISE = Analysis(
    name="noise",
    summary="how much of each ± is test-set noise",
    obstacle=lambda basis: lack_of_predictions(basis, runs=MIN_RUNS),
    analyze=_analyze,
)
