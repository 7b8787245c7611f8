"""Test of one run against chance."""

from math import inf, sqrt

from scipy import special  # scipy.stats takes longer to import than a table takes to make

from stablebert.report.statistics.scores import ALPHA
from stablebert.runs.record import RunRecord
from stablebert.tasks.metrics import METRICS


def is_at_chance(record: RunRecord, alpha: float = ALPHA) -> bool:
    """Return whether a run ended not significantly better than chance.

    Judges the last weights on the whole dev set, which is stricter than "no better than the
    majority class". F1 is judged by accuracy: always predicting positives that have the share p
    scores F1 = 2p / (1 + p), so p = F1 / (2 - F1). A class of torchmetrics is judged by accuracy
    as well, or by Spearman's correlation for a regression.

    Args:
        record: A finished run; without a score (NaN) it is at chance.
        alpha: Level of the one-sided test.
    """
    metric, majority = record.metric, record.majority["dev"]
    if metric == "f1":
        metric, majority = "accuracy", max(majority / (2 - majority), 0.5)
    elif metric not in METRICS:
        share = record.majority.get("dev_accuracy")
        metric, majority = ("spearman", 0.0) if share is None else ("accuracy", share)
    score = record.metrics["dev_at_last"].get(metric)
    held_out = record.splits["val"].get("source") == "train"  # the task may not be known here
    splits = ("test",) if held_out else ("val", "test")
    rows = sum(int(record.splits[split]["rows"]) for split in splits)
    return score is None or chance_p_value(metric, score, rows, majority) >= alpha


def chance_p_value(metric: str, score: float, rows: int, majority: float) -> float:
    r"""Return the one-sided p-value of a score under "predictions ignore the input".

    With N rows:

    * `accuracy`: P(X >= k) for the k = N accuracy correct rows and X ~ Binomial(N, majority),
      exact.
    * `mcc`: MCC is the phi coefficient of the 2 x 2 table of labels and predictions, whose
      chi-squared statistic is N MCC^2; its signed root sqrt(N) MCC is asymptotically standard
      normal if labels and predictions are independent.
    * `pearson`, `spearman`: t = r sqrt((N - 2) / (1 - r^2)) has Student's distribution with N - 2
      degrees of freedom (for Spearman approximately).

    F1 has no simple distribution under chance: judge such a task by its accuracy.

    Args:
        metric: `accuracy`, `mcc`, `pearson`, or `spearman`.
        score: Value of the metric, in -1..1.
        rows: Number of rows N.
        majority: Share of the majority class, for `accuracy`.

    Raises:
        ValueError: If the metric is another one.
    """
    if metric == "accuracy":
        correct = round(score * rows)
        return float(special.bdtrc(correct - 1, rows, majority)) if correct else 1.0
    if metric == "mcc":
        return float(special.ndtr(-score * sqrt(rows)))
    if metric in ("spearman", "pearson"):
        t = score * sqrt((rows - 2) / (1 - score**2)) if abs(score) < 1 else score * inf
        return float(special.stdtr(rows - 2, -t))
    raise ValueError(
        f"metric={metric!r} has no test against chance; use accuracy, mcc, pearson, or spearman"
    )
