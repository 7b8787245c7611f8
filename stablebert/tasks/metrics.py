"""Metrics of tasks: the five of GLUE, and classes of torchmetrics that a tasks file names."""

import re
from dataclasses import dataclass
from math import inf

Argument = str | int | float | bool | None
"""Value of an argument of a torchmetrics class."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a task; `stablebert.glue.metrics` computes it.

    Attributes:
        key: Name in records, histories, and W&B.
        title: Name in tables.
        lowest: Lowest value of a metric that may select weights and be reported, whose best value
            is 1; None for another one, such as an error, which is only recorded.
        class_name: Class of torchmetrics; empty for the metrics of GLUE.
        arguments: Arguments of the class, by name.
    """

    key: str
    title: str
    lowest: int | None
    class_name: str = ""
    arguments: tuple[tuple[str, Argument], ...] = ()

    @property
    def identity(self) -> object:
        """The part of a run's identity that says how its predictions are scored, for JSON."""
        return [self.class_name, dict(self.arguments)] if self.class_name else self.key


METRICS = {
    metric.key: metric
    for metric in (
        Metric(key="accuracy", title="accuracy", lowest=0),
        Metric(key="f1", title="F1", lowest=0),
        Metric(key="mcc", title="MCC", lowest=-1),
        Metric(key="spearman", title="Spearman", lowest=-1),
        Metric(key="pearson", title="Pearson", lowest=-1),
    )
}
"""The metrics of GLUE, by key."""


def find_metric(metric: Metric | str) -> Metric:
    """Return the metric, which may be the key of one of GLUE's.

    Raises:
        ValueError: If it is another text.
    """
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}")
    return METRICS[metric]


def is_metric_key(key: str) -> bool:
    """Return whether a text can be the key of a metric; those of torchmetrics are capitalized."""
    return key in METRICS or bool(re.fullmatch(r"[A-Z][A-Za-z0-9_]*", key))


def lowest_and_highest(key: str, *, reported: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a metric in a record.

    Args:
        key: Key of the metric.
        reported: Key of the reported metric, which has bounds.
    """
    if key in METRICS:
        return METRICS[key].lowest or 0, 1
    return (-1, 1) if key == reported else (-inf, inf)
