"""Runs with predictions made by hand, for tests of reports."""

import numpy as np

from stablebert.report.predictions import COLLECTED_PREDICTIONS
from stablebert.report.statistics.metrics import predictions_of_runs, score_runs
from stablebert.runs.predictions import RowPredictions, digest_of
from stablebert.tasks import TASKS
from tests.helpers.records import make_record

LABELS = np.array([1, 1, 0, 0])
HITS = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
"""Rows that each of five runs gets right: 65% on average, with a variance of 0.08125.

Those of the rows are 0, 0.2, 0.3, and 0.2. So the variance of the true scores is
4 / 3 (0.08125 - 0.7 / 16) = 0.05.
"""


def certain_logits(hits, labels=LABELS):
    """Logits `(n, N, 2)` of runs that are certain of their answers, right where `hits` is 1."""
    answers = np.where(hits, labels, 1 - labels)
    return 200.0 * np.eye(2)[answers]


def make_part(logits, labels=LABELS, source="validation"):
    """Predictions of one run for rows 0, 1, ..., given its logits `(N, C)`."""
    return RowPredictions(
        source=source,
        rows=np.arange(len(labels), dtype=np.int32),
        labels=np.asarray(labels, np.float32),
        logits=np.asarray(logits, np.float32),
    )


def make_runs(cell, logits, labels=LABELS, val=None, places=("test_at_last", "test_at_best")):
    """Records of a cell's runs of seeds 0, 1, ... with the scores of their logits `(n, N, C)`.

    Returns:
        The records, and their predictions by key.
    """
    scores = score_runs(TASKS[cell.task].metric, predictions_of_runs(logits), labels)
    records, predictions = [], {}
    for seed, (own, score) in enumerate(zip(logits, scores, strict=True)):
        content = dict.fromkeys(places, make_part(own, labels))
        digest = digest_of(content)
        own_val = None if val is None else val[seed]
        records.append(make_record(cell, seed, score, own_val, predictions_digest=digest))
        predictions[records[-1].key] = content
    return records, predictions


def store_predictions(root, predictions):
    """Write predictions where a report looks for those of collected records."""
    lines = root / "all.jsonl"
    lines.parent.mkdir(exist_ok=True)
    lines.touch()
    COLLECTED_PREDICTIONS.write(predictions, lines)
    return root
