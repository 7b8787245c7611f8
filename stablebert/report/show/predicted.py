"""Tables of a run's test predictions: counts by class, and the rows with the highest loss."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor

import numpy as np

from stablebert.report.render import Entry, Table
from stablebert.report.show.blocks import DataRow, DataRows
from stablebert.report.show.rows import (
    bin_edges,
    bin_scores,
    count_pairs,
    hardest_rows,
    predict,
    row_losses,
)
from stablebert.report.show.run import ShownRun
from stablebert.report.show.texts import TextsError, read_texts
from stablebert.report.statistics.metrics import score_runs
from stablebert.report.statistics.scores import FloatArray
from stablebert.runs.predictions import RowPredictions
from stablebert.tasks import TASKS


def count_table(run: ShownRun, part: RowPredictions) -> Table:
    """Return the confusion matrix of test predictions; scores are counted in bins."""
    predictions, labels = predict(part), part.labels.astype(np.float64)
    title = f"Test rows by label and prediction, with the {run.test_weights} weights"
    if part.logits.shape[1] == 1:
        low, high = score_range(run, labels)
        edges = bin_edges(low, high)
        predictions, labels = bin_scores(predictions, edges), bin_scores(labels, edges)
        names = [f"{start}-{end}" for start, end in pairwise(edges)]
        title += f", in bins (Spearman {spearman(part):.1f})"
    else:
        names = list(class_names(run, part.logits.shape[1]))
    counts = count_pairs(labels, predictions, len(names))
    has_gaps = counts[:, -1].any()
    head = ["label", *names, *(["no number"] if has_gaps else []), "right"]
    rows = []
    for i, name in enumerate(names):
        own = counts[i] if has_gaps else counts[i, :-1]
        entries = [Entry(text=str(n)) for n in own]
        total = counts[i].sum()
        right = f"{100 * counts[i, i] / total:.1f}%" if total else "-"
        rows.append([Entry(text=name), *entries, Entry(text=right)])
    return Table(title=title, head=head, rows=rows, labels=1)


def spearman(part: RowPredictions) -> float:
    """Return the rank correlation of predictions and labels x 100."""
    score = score_runs("spearman", predict(part)[None], part.labels)
    return 100 * float(score[0])


def score_range(run: ShownRun, labels: FloatArray) -> tuple[int, int]:
    """Return the lowest and highest label of a regression; those of its rows if it is unknown."""
    task = run.record.task if run.record else ""
    if task in TASKS:
        return TASKS[task].score_range
    low = floor(labels.min())
    return low, max(ceil(labels.max()), low + 1)


def class_names(run: ShownRun, k: int) -> Sequence[str]:
    """Return the names of the k classes, or their numbers if the task is unknown."""
    task = run.record.task if run.record else ""
    names = TASKS[task].labels if task in TASKS else ()
    return names if len(names) == k else [str(i) for i in range(k)]


def name_values(run: ShownRun, part: RowPredictions, values: FloatArray) -> list[str]:
    """Return labels or predictions as text."""
    if part.logits.shape[1] == 1:
        return [f"{value:.2f}" if np.isfinite(value) else "NaN" for value in values]
    names = class_names(run, part.logits.shape[1])
    return [names[int(value)] if np.isfinite(value) else "NaN" for value in values]


def hardest(run: ShownRun, part: RowPredictions, *, n: int, source: str | None) -> DataRows:
    """Return the n test rows with the highest loss.

    Args:
        run: The run.
        part: Its test predictions.
        n: Number of rows.
        source: Value of `data.source` for the texts; None for that of the run.
    """
    losses = row_losses(part)
    positions = hardest_rows(losses, n)
    labels = name_values(run, part, part.labels[positions])
    predictions = name_values(run, part, predict(part)[positions])
    facts = [
        {
            "row": str(part.rows[i]),
            "loss": f"{losses[i]:.3g}".replace("nan", "NaN"),
            "label": label,
            "predicted": prediction,
        }
        for i, label, prediction in zip(positions, labels, predictions, strict=True)
    ]
    title = f"Test rows with the highest loss (numbers in {part.source}, from 0)"
    return with_texts(title, facts, run, part, part.rows[positions], source)


def with_texts(
    title: str,
    facts: Sequence[dict[str, str]],
    run: ShownRun,
    part: RowPredictions,
    rows: np.ndarray,
    source: str | None,
) -> DataRows:
    """Return rows of the data with their texts, or with the reason why there are none."""
    if run.record is None:
        return DataRows(title=title, rows=[DataRow(facts=own) for own in facts])
    default = "demo" if run.record.scale == "demo" else "hub"
    source = source or str(run.config.get("data.source", default))
    revision = run.config.get("data.revision")
    try:
        texts = read_texts(run.record, part.source, rows, source=source, revision=revision)
    except TextsError as error:
        return DataRows(title=title, rows=[DataRow(facts=own) for own in facts], note=str(error))
    return DataRows(
        title=title,
        rows=[DataRow(facts=own, texts=text) for own, text in zip(facts, texts, strict=True)],
    )
