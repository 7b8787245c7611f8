"""Whole trainings of tiny runs: what they log, select and record."""

import math

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision

from stablebert.callbacks.step_monitor import is_measured_step
from stablebert.callbacks.validation import validation_steps
from stablebert.config.compose import compose
from stablebert.config.values import choices_of
from stablebert.losses import fine_tuning_loss
from stablebert.optim.adam import steps_taken
from stablebert.runs.early_score import EarlyScore
from stablebert.runs.locate import locate
from stablebert.runs.record import parse_record
from stablebert.tasks import TASKS
from stablebert.training.fit import fit, fit_partly
from stablebert.training.lifecycle import train_run
from stablebert.training.module import GlueClassifier
from stablebert.training.stopwatch import Stopwatch
from tests.helpers.lifecycles import train_and_read
from tests.helpers.models import copy_model
from tests.helpers.runs import FINISHED, history_of, join_arguments, names_in

pytestmark = pytest.mark.slow


# ---------------------------------------------------------------- three epochs of MRPC

STEPS = 3 * math.ceil(1800 / 32)


@pytest.fixture(scope="module")
def mrpc(run_defaults, tmp_path_factory):
    """Run of three epochs of MRPC; the label is a word of the text, so it can be learned."""
    runs = tmp_path_factory.mktemp("runs")
    more = {"task": "mrpc", "seed": "3", "trainer.threads": "1", "optimizer.lr": "1e-3"}
    run = locate(compose(join_arguments({**run_defaults, **more, "paths.runs": str(runs)}, [])))
    train_run(run)
    return run


@pytest.fixture
def record(mrpc):
    """Record of the MRPC run."""
    return parse_record((mrpc.folder / "result.json").read_bytes())


@pytest.fixture
def history(mrpc):
    """History of the MRPC run."""
    return history_of(mrpc.folder)


@pytest.fixture
def scores(history):
    """Validation scores of the MRPC run by step."""
    return {line["step"]: line["val/score"] for line in history if "val/score" in line}


def test_a_run_leaves_three_files(mrpc):
    assert names_in(mrpc.folder) == FINISHED


def test_the_folder_names_scale_task_method_and_seed(mrpc):
    assert mrpc.folder.parts[-5:-2] == ("mini", "mrpc", "standard")
    assert mrpc.folder.name == "seed3"


def test_three_epochs_are_three_passes_over_the_rows(record):
    assert (record.steps, record.skipped_steps) == (STEPS, 0)


def test_the_run_is_validated_at_every_tenth(record, scores):
    assert list(scores) == validation_steps(STEPS)
    assert record.evaluations == len(scores) == 11


def test_the_best_validation_is_selected(record, scores):
    assert record.val_best == max(scores.values()) == scores[record.val_best_step]


def test_of_equal_validations_the_first_is_selected(record, scores):
    best = [step for step, score in scores.items() if score == record.val_best]
    assert record.val_best_step == best[0]


def test_the_run_learns(record):
    assert record.status == "ok"
    assert record.test_at_best > record.majority["test"] + 0.05


def test_the_reported_score_is_f1(record):
    assert record.metric == "f1"
    assert record.test_at_best == record.metrics["test_at_best"]["f1"]


def test_the_dev_set_is_halved(record):
    rows = {split: record.splits[split]["rows"] for split in ("train", "val", "test")}
    assert rows["train"] == 1800
    assert rows["val"] + rows["test"] == 60
    assert abs(rows["val"] - rows["test"]) <= 2  # halved within each class


def test_predictions_on_the_dev_set_are_those_of_both_halves(record):
    assert sum(record.predictions["dev_at_last"].values()) == 60


def test_the_record_says_how_the_run_was_obtained(record):
    assert (record.precision, record.packing, record.threads) == ("32-true", "packed", 1)
    assert 0.3 < record.padding_efficiency < 1


def test_every_phase_takes_time(record):
    assert set(record.seconds) == {"load", "train", "validate", "test"}
    assert min(record.seconds.values()) > 0


def test_the_history_has_a_line_per_measured_or_validated_step(history):
    assert [line["step"] for line in history] == [
        step
        for step in range(1, STEPS + 1)
        if is_measured_step(step) or step in validation_steps(STEPS)
    ]


def test_every_line_has_the_loss_and_the_monitors(history):
    for line in history:
        assert {"bias_ratio/all", "weight_change/embeddings", "train/loss"} <= set(line)


def test_the_score_of_a_line_is_its_reported_metric(history):
    assert all(line.get("val/f1") == line.get("val/score") for line in history)


def test_the_first_update_has_learning_rate_zero(history):
    """As in the released code: the schedule starts at 0."""
    assert history[0]["train/lr"] == 0
    assert history[0]["weight_change/classifier"] == 0


def test_the_learning_rate_stays_below_its_peak(history):
    assert 0.9e-3 < max(line["train/lr"] for line in history) <= 1e-3


def test_every_layer_moves(history):
    changes = [value for key, value in history[-1].items() if key.startswith("weight_change/")]
    assert len(changes) == 5  # embeddings, two layers, pooler, classifier
    assert min(changes) > 0


# ---------------------------------------------------------------- tasks and methods


@pytest.mark.parametrize("task", TASKS)
def test_every_task_ends_in_a_complete_record(run_arguments, task):
    record, _ = train_and_read(
        run_arguments(f"task={task}", "trainer.max_steps=2", "method=reinit")
    )
    assert (record.steps, record.evaluations) == (2, 2)
    assert record.metric == TASKS[task].metric.key
    labels = TASKS[task].labels or ("mean", "std", "min", "max")
    assert tuple(record.predictions["test_at_last"]) == labels


# `longer` sets the length, and tests/training/test_intermediate.py tests `intermediate`
@pytest.mark.parametrize("method", sorted({*choices_of("method")} - {"longer", "intermediate"}))
def test_every_method_trains(run_arguments, method):
    record, history = train_and_read(run_arguments(f"method={method}", "trainer.max_steps=2"))
    assert (record.method, record.steps) == (method, 2)
    assert math.isfinite(history[-1]["train/loss"])


def test_bert_adam_makes_the_uncorrected_update(run_arguments):
    changes = {}
    for method in ("standard", "bert_adam"):
        _, history = train_and_read(
            run_arguments(f"method={method}", "trainer.max_steps=2", "optimizer.warmup=0")
        )
        changes[method] = history[0]["weight_change/classifier"]
    # the ratio of the first updates
    assert changes["bert_adam"] / changes["standard"] == pytest.approx(3.162, rel=1e-2)


# ---------------------------------------------------------------- what is measured


def test_the_training_loss_is_the_mean_since_the_last_validation(run_arguments, monkeypatch):
    """As the released code logs it (Figures 3, 6, 11), though the monitors read in between."""

    def step(self, batch, batch_idx):
        loss = fine_tuning_loss(self(batch), batch.labels)
        return {"loss": loss, "unweighted_loss": torch.tensor(float(batch_idx + 1))}

    monkeypatch.setattr(GlueClassifier, "training_step", step)
    _, history = train_and_read(run_arguments("trainer.evaluations=2"))
    losses = {line["step"]: line["train/loss"] for line in history}
    assert losses[3] == 2  # (1 + 2 + 3) / 3
    assert losses[10] == 5.5
    assert losses[12] == 11.5  # the last validation was at 10
    assert losses[20] == 15.5


def test_the_weights_are_selected_by_another_metric_on_request(run_arguments):
    record, history = train_and_read(run_arguments("task=mrpc", "trainer.select_by=accuracy"))
    best = max((line for line in history if "val/accuracy" in line),
               key=lambda line: line["val/accuracy"])  # fmt: skip
    assert record.val_best_step == best["step"]
    assert record.val_best == best["val/f1"]


def test_16_mixed_on_a_cpu_is_recorded_as_what_it_was(run_arguments):
    """docs/pitfalls.md, 6: Lightning changes it to bf16-mixed."""
    record, _ = train_and_read(run_arguments("trainer.precision=16-mixed", "trainer.max_steps=2"))
    assert record.precision == "bf16-mixed"


def test_steps_that_fp16_skips_are_counted(run_arguments, monkeypatch):
    """docs/pitfalls.md, 7 and 24: real fp16 on a CPU, with a scale that overflows at first."""

    def fp16_trainer(**settings):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
        plugin = MixedPrecision("16-mixed", device="cpu", scaler=scaler)
        plugins = [*settings["plugins"], plugin]
        return Trainer(**settings | {"precision": None, "plugins": plugins})

    class Count(Callback):
        def on_train_end(self, trainer, pl_module):
            self.steps = steps_taken(trainer.optimizers[0])

    monkeypatch.setattr("stablebert.training.build.Trainer", fp16_trainer)
    count, run = Count(), locate(compose(run_arguments("trainer.max_steps=50")))
    outcome = fit(run, [], [count], Stopwatch())
    assert outcome.steps == 50
    assert 0 < outcome.skipped_steps == 50 - count.steps < 50


def test_requested_padding_is_recorded(run_arguments):
    record, _ = train_and_read(run_arguments("trainer.packing=padded", "trainer.max_steps=2"))
    assert record.packing == "padded"


def test_packed_and_padded_runs_agree_without_dropout(run_arguments, tiny_bert, tmp_path):
    """The same batches and steps, and the same weights except for rounding."""
    config = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = copy_model(tiny_bert, tmp_path / "no-dropout", config=config)
    (_, packed), (_, padded) = (
        train_and_read(run_arguments(f"model.name={model}", f"trainer.packing={packing}"))
        for packing in ("packed", "padded")
    )
    compared = ("train/loss", "val/loss", "val/score", "bias_ratio/all", "weight_change/layer_00")
    for line, other in zip(packed, padded, strict=True):
        assert line.keys() == other.keys()
        for key in line.keys() & set(compared):
            assert line[key] == pytest.approx(other[key], rel=2e-3), (line["step"], key)


def test_fitting_writes_nothing(run_arguments, tmp_path):
    run = locate(compose(run_arguments("trainer.max_steps=2")))
    outcome = fit(run, [], [], Stopwatch())
    assert outcome.steps == 2
    assert not (tmp_path / "runs").exists()


def test_a_part_of_a_run_is_validated_as_the_whole_run_is(run_arguments):
    run = locate(compose(run_arguments("trainer.evaluations=5")))
    score = fit_partly(run, 0.45, [], Stopwatch())
    _, history = train_and_read(run_arguments("trainer.evaluations=5"))
    (whole,) = [line["val/score"] for line in history if line["step"] == 8]
    # the last validation until 45 % of 20 steps
    assert score == EarlyScore(8, 20, pytest.approx(whole, abs=1e-6), score.seconds)


# ---------------------------------------------------------------- real data


@pytest.mark.shared
def test_real_bert_on_real_cola(shared, tmp_path):
    arguments = [
        *("task=cola_1k", f"data.source={shared}/glue", "trainer.max_steps=3"),
        *(f"model.name={shared}/models/all-MiniLM-L6-v2", "method=reinit"),
        *(f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache", "trainer.evaluations=1"),
    ]
    record, history = train_and_read(arguments)
    assert record.splits["val"] == {
        "rows": 521,
        "source": "validation",
        "fingerprint": "3082c6cd9fee1792",
    }
    assert record.majority["dev"] == 0
    assert history[0]["bias_ratio/classifier"] == pytest.approx(3.162, rel=1e-3)
