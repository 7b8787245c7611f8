"""The steps at which monitors measure."""

import pytest

from stablebert.callbacks import BiasRatioMonitor, ValidationSchedule, WeightChangeMonitor
from stablebert.callbacks.logging import log_now
from stablebert.callbacks.step_monitor import StepMonitor, is_measured_step
from stablebert.optim.bias_ratio import analytic_bias_ratio
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign
from tests.helpers.trainers import OUTSIDE_OF_A_FIT, OneWeight, trainer_at


def test_measured_steps_are_dense_at_the_start():
    measured = [step for step in range(1, 1300) if is_measured_step(step)]
    assert measured == [
        *(1, 2, 3, 5, 8, 12, 20, 30, 50, 80),
        *(120, 200, 300, 500, 800, 1200),
    ]


class Steps(StepMonitor):
    """Monitor whose measurement is the step."""

    def measure(self, trainer, pl_module):
        return {"step": trainer.global_step}


def steps_logged(hook, steps, monitor=None, **attributes):
    """Return the steps that a monitor of a fit from step 0 logs, if a hook is called after each."""
    recorder, monitor = Recorder(), monitor or Steps()
    monitor.setup(trainer_at(), OneWeight(), "fit")
    monitor.on_train_start(trainer_at(), OneWeight())
    for step in steps:
        trainer = trainer_at(step, loggers=[recorder], **attributes)
        arguments = (None, None, 0) if hook == "on_train_batch_end" else ()
        getattr(monitor, hook)(trainer, OneWeight(), *arguments)
    assert all(line == {"step": step} for step, line in recorder.lines.items())
    return list(recorder.lines)


def test_only_some_steps_are_measured():
    assert steps_logged("on_train_batch_end", range(10)) == [1, 2, 3, 5, 8]


def test_every_validation_is_measured():
    assert steps_logged("on_validation_start", [4, 7]) == [4, 7]


@pytest.mark.parametrize("case", OUTSIDE_OF_A_FIT)
def test_validations_outside_of_training_are_not_measured(case):
    assert steps_logged("on_validation_start", [4], **OUTSIDE_OF_A_FIT[case]) == []


def test_the_start_of_training_is_not_measured():
    assert steps_logged("on_validation_start", [0]) == []


def test_a_step_is_measured_once():
    """Several batches end at one step under accumulation."""

    class Once(Steps):
        calls = 0

        def measure(self, trainer, pl_module):
            self.calls += 1
            return super().measure(trainer, pl_module)

    monitor = Once()
    steps_logged("on_train_batch_end", [1, 1, 2, 2], monitor)
    assert monitor.calls == 2


def test_the_step_of_a_checkpoint_is_not_measured_again():
    monitor, recorder = Steps(), Recorder()
    monitor.setup(trainer_at(), OneWeight(), "fit")
    monitor.load_state_dict({"measured_at": 5})
    trainer = trainer_at(5, loggers=[recorder])
    monitor.on_train_start(trainer, OneWeight())
    monitor.on_train_batch_end(trainer, OneWeight(), None, None, 0)
    assert recorder.lines == {}


def test_a_step_measured_after_that_of_the_checkpoint_is_logged():
    """Training resumed at step 7, whose validation the checkpoint preceded."""
    monitor, recorder = Steps(), Recorder()
    monitor.setup(trainer_at(), OneWeight(), "fit")
    monitor.load_state_dict({"measured_at": 5})
    trainer = trainer_at(7, loggers=[recorder])
    monitor.on_train_start(trainer, OneWeight())
    monitor.on_validation_start(trainer, OneWeight())
    assert recorder.lines == {7: {"step": 7}}


def test_an_empty_measurement_is_not_logged():
    class Empty(Steps):
        def measure(self, trainer, pl_module):
            return {}

    assert steps_logged("on_train_batch_end", [1], Empty()) == []


def test_every_logger_receives_the_numbers():
    recorders = [Recorder(), Recorder()]
    log_now(trainer_at(3, loggers=recorders), {"x": 1.5})
    assert [recorder.lines for recorder in recorders] == [{3: {"x": 1.5}}] * 2


@pytest.fixture(scope="module")
def monitored(tiny_bert):
    """Logged lines by step of a training with 27 steps and validations after 13, 26 and 27."""
    recorder = Recorder()
    callbacks = [ValidationSchedule(2), BiasRatioMonitor(), WeightChangeMonitor()]
    settings = {"rows": 36, "log_every_n_steps": 1000}
    fit_foreign(ForeignModule(tiny_bert), callbacks, recorder=recorder, **settings)
    return recorder.lines


@pytest.mark.slow
@pytest.mark.parametrize("key", ["bias_ratio/all", "weight_change/layer_01"])
def test_monitors_measure_at_their_steps_and_at_validations(monitored, key):
    measured = [step for step, line in monitored.items() if key in line]
    assert measured == [1, 2, 3, 5, 8, 12, 13, 20, 26, 27]


@pytest.mark.slow
def test_bias_ratios_belong_to_the_step_that_they_are_logged_at(monitored):
    lines = {step: line for step, line in monitored.items() if "bias_ratio/all" in line}
    for step, line in lines.items():
        expected = analytic_bias_ratio(step, (0.9, 0.999))
        assert line["bias_ratio/analytic"] == pytest.approx(expected)
        assert line["bias_ratio/classifier"] == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_weight_change_grows(monitored):
    changes = [line["weight_change/embeddings"] for line in monitored.values()
               if "weight_change/embeddings" in line]  # fmt: skip
    assert 0 < changes[0] < changes[-1]
