"""Predictions that whole tiny runs store, compared with their records, data and models."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from stablebert.config.compose import compose
from stablebert.glue.batches import Examples
from stablebert.glue.metrics import compute_metrics, majority_score
from stablebert.glue.splits import fingerprint
from stablebert.runs.locate import locate
from stablebert.runs.predictions import digest_of, parse_predictions
from stablebert.tasks import TASKS
from stablebert.training.build import build_data
from stablebert.training.fit import fit
from stablebert.training.lifecycle import train_run
from stablebert.training.module import GlueClassifier, Predictions
from stablebert.training.outcome import count_predictions, in_row_order
from stablebert.training.stopwatch import Stopwatch
from tests.helpers.runs import join_arguments

pytestmark = pytest.mark.slow

TASKS_OF_ALL_METRICS = ["rte", "mrpc", "stsb", "cola", "qqp_1k", "mnli_1k"]
"""Tasks with all metrics, large ones among them."""


def read(record, folder):
    """Return the predictions in the folder of a run as tensors by place."""
    content = parse_predictions((folder / "predictions.parquet").read_bytes())
    assert content.keys() == {record.key}
    assert digest_of(content[record.key]) == record.predictions_digest
    return content[record.key]


def as_tensors(task, *parts):
    """Return parts as predictions of one set of rows."""
    labels = torch.tensor(np.concatenate([part.labels for part in parts]))
    logits = torch.tensor(np.concatenate([part.logits for part in parts]))
    return Predictions(logits, labels if task.regression else labels.long())


@pytest.fixture(scope="module", params=TASKS_OF_ALL_METRICS)
def stored(request, run_defaults, tmp_path_factory):
    """A run whose last weights are not its best ones: its run, record and stored predictions."""
    task = request.param
    own = {"task": task, "trainer.max_steps": "20", "optimizer.lr": "1e-3"}
    own |= {"paths.runs": str(tmp_path_factory.mktemp("runs")), "trainer.threads": "1"}
    step = GlueClassifier.validation_step

    def wrong_at_the_end(self, batch, batch_idx):
        step(self, batch, batch_idx)
        if self.trainer.global_step == 20:
            logits, labels = self._outputs[-1]
            correct = labels[:, None] if logits.shape[1] == 1 else one_hot(labels, logits.shape[1])
            self._outputs[-1] = logits - 10 * correct, labels

    run = locate(compose(join_arguments({**run_defaults, **own}, [])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GlueClassifier, "validation_step", wrong_at_the_end)
        record = train_run(run)
    assert record.val_best_step < 20
    return run, record, read(record, run.folder)


@pytest.fixture
def task(stored):
    return TASKS[stored[0].cfg.task]


def dev_at_last(task, places):
    """Return the predictions of the whole dev set, which a large task tests on."""
    val, test = places["val_at_last"], places["test_at_last"]
    return as_tensors(task, test) if task.holds_out else as_tensors(task, val, test)


def test_every_score_of_the_record_follows_from_the_predictions(stored, task):
    _, record, places = stored
    tensors = {place: as_tensors(task, part) for place, part in places.items()}
    tensors["dev_at_last"] = dev_at_last(task, places)
    for place, scores in record.metrics.items():
        part = tensors[place]
        recomputed = compute_metrics(task.metrics, part.logits, part.labels)
        assert recomputed == pytest.approx(scores, abs=1e-6), place


def test_the_best_and_the_last_predictions_differ(stored):
    _, _, places = stored
    for split in ("val", "test"):
        best, last = places[f"{split}_at_best"], places[f"{split}_at_last"]
        assert not np.array_equal(best.logits, last.logits)


def test_the_predicted_classes_of_the_record_follow_from_the_predictions(stored, task):
    _, record, places = stored
    for place in ("test_at_best", "test_at_last"):
        counts = count_predictions(task, as_tensors(task, places[place]))
        assert counts == pytest.approx(record.predictions[place], abs=1e-5)


def test_the_majority_scores_of_the_record_follow_from_the_labels(stored, task):
    _, record, places = stored
    for split in ("val", "test"):
        labels = as_tensors(task, places[f"{split}_at_last"]).labels
        score = majority_score(task.metric, labels, num_labels=task.num_labels)
        assert score == pytest.approx(record.majority[split])


def test_the_rows_are_those_of_the_splits_of_the_record(stored):
    _, record, places = stored
    for place, part in places.items():
        split = record.splits[place.partition("_")[0]]
        assert (split["rows"], split["source"]) == (len(part.rows), part.source)
        assert split["fingerprint"] == fingerprint(part.rows)
        assert list(part.rows) == sorted(part.rows)


def test_the_labels_are_those_of_the_rows_in_the_source(stored):
    run, _, places = stored
    for part in places.values():
        labels = np.array(run.source.read(part.source)["label"])
        assert np.array_equal(labels[part.rows].astype(np.float32), part.labels)


# ---------------------------------------------------------------- one run in memory


@pytest.mark.parametrize("packing", ["packed", "padded"])
def test_the_logits_are_those_of_the_rows_in_the_source(run_arguments, packing):
    run = locate(compose(run_arguments("trainer.max_steps=160", f"trainer.packing={packing}")))
    outcome = fit(run, [], [], Stopwatch())
    data = build_data(run)
    module = GlueClassifier(outcome.model.eval(), metrics=["accuracy"])
    for place in ("val_at_best", "test_at_best"):
        part = outcome.predictions[place]
        arrays = data.sets[place.partition("_")[0]].arrays
        rows = Examples(arrays, part.rows)
        with torch.no_grad():
            logits = torch.cat([module(data.collate([rows[i]])) for i in range(len(rows))])
        assert np.ptp(logits.numpy()) > 0.1
        assert part.logits == pytest.approx(logits.numpy(), abs=1e-4)


def test_predictions_in_another_order_are_refused(run_arguments):
    data = build_data(locate(compose(run_arguments())))
    labels = torch.tensor(data.labels("val"))
    predictions = Predictions(torch.zeros(len(labels), 2), labels.flip(0))
    with pytest.raises(ValueError, match="predictions of val are not in the order"):
        in_row_order(data, "val", predictions)


@pytest.mark.usefixtures("diverging")
def test_a_run_of_nan_stores_its_logits_at_the_last_weights_alone(run_arguments):
    run = locate(compose(run_arguments("trainer.max_steps=2")))
    places = read(train_run(run), run.folder)
    assert places.keys() == {"val_at_last", "test_at_last"}
    assert all(np.isnan(part.logits).all() for part in places.values())


@pytest.mark.parametrize("overrides", [["trainer.select_by=accuracy", "task=mrpc"], ["method=ema"]])
def test_the_best_validation_is_the_one_that_selected_the_weights(run_arguments, overrides):
    run = locate(compose(run_arguments(*overrides)))
    record = train_run(run)
    task = TASKS[record.task]
    part = as_tensors(task, read(record, run.folder)["val_at_best"])
    scores = compute_metrics(task.metrics, part.logits, part.labels)
    assert scores == pytest.approx(record.metrics["val_at_best"], abs=1e-6)
