"""Whole trainings of tiny runs: what they log, select, repeat and record."""

import copy
import math
import subprocess
import sys

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
from tests.helpers.models import copy_model
from tests.helpers.runs import (
    FINISHED,
    folder_of,
    history_of,
    join_arguments,
    names_in,
)

pytestmark = pytest.mark.slow


def train_and_read(arguments):
    """Train a run; return its record and history."""
    run = locate(compose(arguments))
    return train_run(run), history_of(run.folder)


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


# ---------------------------------------------------------------- seeds


@pytest.fixture(scope="module")
def histories(run_defaults, tmp_path_factory):
    """Histories of the same command in this process and in its own, and of another seed."""
    results = {}
    for name, seed in (("here", 0), ("own process", 0), ("another seed", 1)):
        runs = tmp_path_factory.mktemp("runs")
        arguments = join_arguments(
            {
                **run_defaults,
                "task": "rte",
                "method": "reinit",
                "seed": str(seed),
                "paths.runs": str(runs),
                "trainer.max_steps": "10",
                "trainer.threads": "1",
            },
            [],
        )
        torch.manual_seed(len(results))  # whatever was drawn before
        if name == "own process":
            command = [sys.executable, "-m", "stablebert", "train", *arguments]
            child = subprocess.run(command, check=True, capture_output=True, text=True)
            results["output"] = child.stdout.splitlines()
        else:
            train_run(locate(compose(arguments)))
        results[name] = history_of(folder_of(arguments))
    return results


def test_the_same_seed_gives_the_same_bits_in_another_process(histories):
    assert histories["here"] == histories["own process"]


def test_another_seed_has_another_head(histories):
    """docs/pitfalls.md, 12: seed 0 is a seed."""
    first, other = histories["here"][0], histories["another seed"][0]
    assert first["train/loss"] != other["train/loss"]


def test_no_bar_is_drawn_into_a_pipe(histories):
    summary, path = histories["output"]
    assert summary.startswith("rte reinit 3epochs seed 0")
    assert path.endswith("result.json")


def test_monitors_change_no_number(run_arguments, tmp_path):
    blind = ["monitor.bias_ratio=false", "monitor.weight_change=false"]
    watched, unwatched = (
        train_and_read(
            run_arguments("trainer.max_steps=10", f"paths.runs={tmp_path / name}", *more)
        )
        for name, more in (("watched", []), ("unwatched", blind))
    )
    assert watched[0].config_id == unwatched[0].config_id
    losses, same = ([line["train/loss"] for line in history] for _, history in (watched, unwatched))
    assert losses == same
    assert "bias_ratio/all" not in unwatched[1][0]


@pytest.fixture(scope="module")
def compared(run_defaults, tmp_path_factory):
    """Function that trains a run of ten steps, and returns record and history."""
    runs = tmp_path_factory.mktemp("runs")

    def train(name, method, **more):
        own = {"task": "rte", "trainer.threads": 1, "optimizer.lr": 1e-3, "method": method}
        own |= {"trainer.max_steps": 10, "paths.runs": runs / name, **more}
        return train_and_read(join_arguments({**run_defaults, **own}, []))

    return train


def test_comparing_representations_changes_no_bit_of_the_history(compared):
    """Dropout and the order of rows draw random numbers in every step after the first reading."""
    on = {"monitor.representation_change": "true"}
    with_cka, without = compared("on", "reinit", **on), compared("off", "reinit")
    ckas = {k: with_cka[1][-1].pop(k) for k in [*with_cka[1][-1]] if k.startswith("cka")}
    assert ckas.keys() == {
        *("cka/embeddings", "cka/layer_00", "cka/layer_01", "cka_cls/layer_00", "cka_cls/layer_01")
    }
    assert with_cka[1] == without[1]
    assert with_cka[0].config_id == without[0].config_id
    assert with_cka[0].test_at_last == without[0].test_at_last


def test_packed_and_padded_runs_have_the_same_cka(compared):
    """Mixout turns dropout off, whose masks would differ."""
    more = {"monitor.representation_change": "true", "mixout.p": 1e-12}
    packed, padded = (
        compared(packing, "mixout", **more, **{"trainer.packing": packing})
        for packing in ("packed", "padded")
    )
    ckas = {k: v for k, v in packed[1][-1].items() if k.startswith("cka")}
    assert len(ckas) == 5
    assert min(ckas.values()) < 0.999
    assert {k: padded[1][-1][k] for k in ckas} == pytest.approx(ckas, abs=1e-4)


@pytest.fixture(scope="module")
def draws(run_defaults, tmp_path_factory):
    """Weights, rows and dropout mask of the first step, by `(seed_init, seed_data)`."""
    first_steps, step = {}, GlueClassifier.training_step
    runs = tmp_path_factory.mktemp("runs")

    def watched_step(self, batch, batch_idx):
        weights = [self.model.classifier.weight, self.model.bert.pooler.dense.weight]
        mask = copy.deepcopy(self.masks).dropped_indices(1000, 0.5)
        first_steps[seeds] = {
            "weights": torch.cat([w.detach().flatten() for w in weights]).tolist(),
            "rows": batch.input_ids.tolist(),
            "mask": mask.tolist(),
        }
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GlueClassifier, "training_step", watched_step)
        for seeds in ((0, 0), (0, 1), (1, 0)):
            own = {"seed_init": seeds[0], "seed_data": seeds[1], "method": "reinit"}
            more = {"paths.runs": runs, "trainer.max_steps": 1, "trainer.threads": 1}
            train_run(locate(compose(join_arguments({**run_defaults, **own, **more}, []))))
    return first_steps


@pytest.mark.parametrize(
    ("seeds", "part", "same"),
    [
        ((0, 1), "weights", True),
        ((0, 1), "rows", False),
        ((0, 1), "mask", False),
        ((1, 0), "weights", False),
        ((1, 0), "rows", True),
        ((1, 0), "mask", True),
    ],
)
def test_the_two_seeds_are_separate(draws, seeds, part, same):
    """Appendix B: weights follow seed_init; order and dropout follow seed_data."""
    assert (draws[seeds][part] == draws[0, 0][part]) == same


# ---------------------------------------------------------------- failed runs


def test_a_collapsed_run_has_failed_with_its_score(run_arguments):
    """docs/pitfalls.md, 12 and 14: a score of exactly 0 is a score, and nothing is left out."""
    record, _ = train_and_read(
        run_arguments("task=cola", "trainer.max_steps=2", "optimizer.lr=1e-9")
    )
    assert (record.status, record.test_at_best, record.val_best) == ("failed", 0.0, 0.0)
    assert record.val_best_step == 1  # the first of equal ones


def test_a_run_of_nan_has_failed_with_score_zero(run_arguments, monkeypatch):
    """docs/pitfalls.md, 2: a NaN is never the best, and never a gap in a mean."""
    step = GlueClassifier.training_step

    def diverging(self, batch, batch_idx):
        with torch.no_grad():
            self.model.classifier.bias.fill_(math.nan)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GlueClassifier, "training_step", diverging)
    record, history = train_and_read(run_arguments("task=stsb", "trainer.max_steps=2"))
    assert (record.status, record.val_best, record.val_best_step) == ("failed", 0.0, None)
    assert (record.test_at_best, record.test_at_last) == (0.0, 0.0)
    assert history[-1]["val/score"] is None


def test_a_run_that_collapses_at_its_end_keeps_its_best_weights(run_arguments, monkeypatch):
    step = GlueClassifier.training_step

    def collapsing(self, batch, batch_idx):
        if self.trainer.global_step == 150:
            with torch.no_grad():
                self.model.classifier.bias.copy_(torch.tensor([100.0, -100.0]))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GlueClassifier, "training_step", collapsing)
    record, _ = train_and_read(run_arguments("trainer.max_steps=160"))
    assert record.val_best_step <= 150
    assert record.test_at_best > record.majority["test"] + 0.05
    assert record.predictions["dev_at_last"]["not_entailment"] == 0
    assert record.status == "failed"


class TestPasses(Callback):
    """Callback that counts the passes over the test split."""

    __test__ = False

    def __init__(self):
        self.count = 0

    def on_test_epoch_end(self, *_):
        self.count += 1


@pytest.mark.parametrize(("collapses", "passes"), [(False, 1), (True, 2)])
def test_the_last_weights_are_tested_once_if_they_are_the_best(
    run_arguments, monkeypatch, collapses, passes
):
    original = GlueClassifier.validation_step

    def fail_the_last_validation(self, batch, batch_idx):
        original(self, batch, batch_idx)
        if collapses and self.trainer.global_step == 4:
            self._outputs = [(torch.full_like(x, math.nan), y) for x, y in self._outputs]

    monkeypatch.setattr(GlueClassifier, "validation_step", fail_the_last_validation)
    evaluations = 2 if collapses else 1
    counter = TestPasses()
    arguments = run_arguments("trainer.max_steps=4", f"trainer.evaluations={evaluations}")
    record = train_run(locate(compose(arguments)), [counter])
    assert counter.count == passes
    assert (record.metrics["test_at_best"] == record.metrics["test_at_last"]) or collapses


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
