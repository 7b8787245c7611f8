"""Differences of two runs: configuration, scores, and test rows on which they disagree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stablebert.config.serialize import format_value
from stablebert.report.render import Entry, Table
from stablebert.report.run_summary import describe_status
from stablebert.report.show.blocks import DataRows, Facts
from stablebert.report.show.predicted import name_values, with_texts
from stablebert.report.show.rows import hardest_rows, predict, row_losses
from stablebert.report.show.run import ShownRun
from stablebert.report.show.summary import is_in_points, points
from stablebert.runs.predictions import RowPredictions
from stablebert.runs.record import RunRecord

_PLACES = ("paths.", "wandb.", "force")
"""Starts of keys that do not change what a run computes."""


def difference_table(a: ShownRun, b: ShownRun) -> Table | None:
    """Return the values that differ: of the configurations, and of what the runs obtained."""
    has_configs = bool(a.config and b.config)
    first, second = _settings(a, has_configs), _settings(b, has_configs)
    rows = [
        [Entry(text=key), Entry(text=first.get(key, "-")), Entry(text=second.get(key, "-"))]
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]
    title = "Differences in configuration and circumstances"
    return Table(title=title, head=["key", "A", "B"], rows=rows, labels=3) if rows else None


def _settings(run: ShownRun, has_config: bool) -> dict[str, str]:
    """Return a run's configuration and circumstances as text."""
    values: dict[str, object] = {}
    if has_config:
        values |= {key: v for key, v in run.config.items() if not key.startswith(_PLACES)}
    if r := run.record:
        values |= {"scale": r.scale, "task": r.task, "method": r.method, "length": r.length}
        values |= {"seed_init": r.seed_init, "seed_data": r.seed_data, "steps": r.steps}
        values |= {"precision obtained": r.precision, "packing obtained": r.packing}
        values |= {"threads obtained": r.threads, "device": r.device}
        values |= {"data": r.data, "model": r.model, "config_id": r.config_id}
        values |= {f"version of {name}": text for name, text in r.versions.items() if text}
    return {key: format_value(value) for key, value in values.items()}


def score_table(a: RunRecord, b: RunRecord) -> Table:
    """Return the scores of two runs side by side, x 100."""
    rows = [
        _score_row(f"{place} {metric}", a.metrics[place][metric], b.metrics[place].get(metric))
        for place in ("test_at_best", "test_at_last", "val_at_best")
        for metric in a.metrics[place]
        if metric in b.metrics[place] and is_in_points(a, metric) and is_in_points(b, metric)
    ]
    texts = {
        "status": (describe_status(a), describe_status(b)),
        "best step": (a.val_best_step, b.val_best_step),
        "seconds of training": tuple(f"{r.seconds.get('train', 0):.1f}" for r in (a, b)),
    }
    rows += [_row(name, *map(str, values), "") for name, values in texts.items()]
    return Table(title="Scores x 100", head=["score", "A", "B", "B - A"], rows=rows, labels=1)


def _score_row(name: str, a: float | None, b: float | None) -> list[Entry]:
    difference = "-" if a is None or b is None else f"{100 * (b - a):+.1f}"
    return _row(name.replace("_", " "), points(a), points(b), difference)


def _row(*texts: str) -> list[Entry]:
    return [Entry(text=text) for text in texts]


def disagreement_facts(a: RowPredictions, b: RowPredictions, weights: str) -> Facts:
    """Return on how many test rows the predictions of two runs, with some weights, differ."""
    first, second, labels = predict(a), predict(b), a.labels
    n = len(labels)
    if a.logits.shape[1] == 1:
        distance = np.abs(first - second)
        texts = {
            "test rows": f"{n}, with {weights}",
            "mean distance of predictions": f"{np.mean(distance):.2f}",
            "predictions more than 0.5 apart": _share(distance > 0.5),
        }
        return Facts(texts=texts)
    right_a, right_b = first == labels, second == labels
    texts = {
        "test rows": f"{n}, with {weights}",
        "different predictions": _share(~np.isclose(first, second, rtol=0, atol=0, equal_nan=True)),
        "only A is right": _share(right_a & ~right_b),
        "only B is right": _share(right_b & ~right_a),
        "both are right": _share(right_a & right_b),
        "both are wrong": _share(~right_a & ~right_b),
    }
    return Facts(texts=texts)


def _share(rows: NDArray[np.bool_]) -> str:
    return f"{rows.sum()} ({100 * rows.mean():.1f}%)"


def most_different_rows(
    runs: Sequence[ShownRun], parts: Sequence[RowPredictions], *, n: int, source: str | None
) -> DataRows:
    """Return the n test rows whose losses in two runs differ most."""
    first = parts[0]
    losses = [row_losses(part) for part in parts]
    positions = hardest_rows(np.abs(losses[0] - losses[1]), n)
    names = [
        name_values(run, part, predict(part)[positions])
        for run, part in zip(runs, parts, strict=True)
    ]
    labels = name_values(runs[0], first, first.labels[positions])
    facts = [
        {
            "row": str(first.rows[i]),
            "label": label,
            "A": f"{a} (loss {losses[0][i]:.3g})",
            "B": f"{b} (loss {losses[1][i]:.3g})",
        }
        for i, label, a, b in zip(positions, labels, *names, strict=True)
    ]
    title = f"Test rows whose losses differ most (numbers in {first.source}, from 0)"
    return with_texts(title, facts, runs[0], first, first.rows[positions], source)
