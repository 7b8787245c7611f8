"""The steps at which monitors measure."""

import pytest

from stablebert.callbacks import BiasRatioMonitor, ValidationSchedule, WeightChangeMonitor
from stablebert.callbacks.step_monitor import is_measured_step
from stablebert.optim.bias_ratio import analytic_bias_ratio
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign


def test_measured_steps_are_dense_at_the_start():
    measured = [step for step in range(1, 1300) if is_measured_step(step)]
    assert measured == [
        *(1, 2, 3, 5, 8, 12, 20, 30, 50, 80),
        *(120, 200, 300, 500, 800, 1200),
    ]


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
