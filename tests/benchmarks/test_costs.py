"""The cost of sweeps, counted from conf/."""

from pathlib import Path

import pytest

from benchmarks.costs import cost_of_run, cost_of_sweep, cost_table
from stablebert.callbacks.validation import validation_steps
from stablebert.config.compose import compose

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"


def test_the_table_of_the_documentation_is_the_counted_one():
    assert cost_table() in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ("task=rte", 234),
        ("task=mrpc", 345),
        ("task=stsb", 540),
        ("task=cola", 804),
        ("task=qnli_1k", 96),
        ("task=mnli_1k", 96),
        ("task=mnli_1k trainer.batch_size=333", 9),  # 999 rows
        ("task=rte model.name=FacebookAI/roberta-large", 2036),
        ("task=cola model.name=google/electra-large-discriminator", 804),
        ("task=rte model.name=google/electra-large-discriminator", 780),  # ten epochs
    ],
)
def test_a_run_takes_the_steps_of_its_configuration(overrides, steps):
    assert cost_of_run(compose(["scale=paper", *overrides.split()])).steps == steps


@pytest.mark.parametrize("steps", [5, 96, 234, 540])
def test_operations_are_those_of_training_validation_and_test(steps):
    """RTE: 66.6 tokens per row, 138 validation rows, 139 test rows."""
    rows = 6 * 32 * steps + 2 * (138 * len(validation_steps(steps)) + 2 * 139)
    cost = cost_of_run(compose(["scale=paper", "task=rte", f"trainer.max_steps={steps}"]))
    assert cost.operations == pytest.approx(302e6 * 66.6 * rows)


@pytest.mark.parametrize(
    ("sweep", "runs", "operations"),
    [("table1", 960, 1.46e18), ("table7", 640, 2.03e18), ("reinit_depth", 1440, 1.18e18)],
)
def test_the_cost_of_a_sweep_is_that_of_all_its_runs(sweep, runs, operations):
    cost = cost_of_sweep(sweep)
    assert cost.runs == runs
    assert cost.operations == pytest.approx(operations, rel=0.005)


def test_larger_models_train_for_their_own_number_of_steps():
    assert cost_of_sweep("table7").steps == 1_123_760


def test_the_run_that_others_start_from_counts_once():
    assert cost_of_sweep("table2").runs == 8 * 4 * 20 + 1
