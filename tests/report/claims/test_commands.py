"""Commands that train missing runs."""

import shlex

from stablebert.config.sweep import read_sweep
from stablebert.report.claims.commands import command_for
from tests.helpers.claims import make_report

SCORES = [0.7] * 5


def reports(**scores_by_sweep):
    return {name: make_report(name, scores) for name, scores in scores_by_sweep.items()}


def test_a_sweep_with_its_own_values_needs_no_overrides():
    assert command_for("table1", {}) == "stablebert grid table1"


def test_a_sweep_without_runs_takes_scale_model_and_precision_from_the_others():
    params = ("model.name", "org/bert"), ("optimizer.lr", "1e-3"), ("trainer.precision", "32-true")
    own = reports(table2={("rte", "standard", "3epochs", *params): SCORES})
    command = command_for("bias_correction", own)
    assert command == (
        "stablebert grid bias_correction scale=mini model.name=org/bert trainer.precision=32-true"
    )
    assert command_for("table4", own) == "stablebert grid table4 scale=mini model.name=org/bert"


def test_the_demo_has_no_tasks_of_a_thousand_samples():
    own = {"table2": make_report("table2", {("rte", "standard", "3epochs"): SCORES}, scale="demo")}
    command = command_for("table1", own)
    assert command == (
        "stablebert grid table1 scale=demo task=rte,mrpc,stsb,cola,sst2,qnli,qqp,mnli"
    )


def test_a_sweep_with_runs_keeps_its_values_and_seeds():
    own = reports(
        table4={("rte", "standard", "3epochs", ("trainer.precision", "bf16-mixed")): SCORES}
    )
    command = command_for("table4", own)
    for override in ("task=rte", "scale=mini", "trainer.precision=bf16-mixed", "seed=0..4"):
        assert override in command.split()


def test_cells_shown_for_comparison_are_not_trained():
    keys = [("rte", m, "3epochs", ("reinit.num_layers", 1)) for m in ("standard", "reinit")]
    own = reports(reinit_depth=dict.fromkeys(keys, SCORES))
    assert "method" not in command_for("reinit_depth", own)


def test_too_few_seeds_become_the_sweeps_own():
    own = reports(table1={("rte", "standard", "3epochs"): SCORES[:3]})
    assert "seed" not in command_for("table1", own)


def test_names_are_quoted_for_the_shell():
    key = ("rte", "standard", "3epochs", ("model.name", "a b; rm -rf ~"))
    command = command_for("table7", reports(table7={key: SCORES}))
    assert "model.name=a b; rm -rf ~" in shlex.split(command)


def test_every_command_is_one_that_grid_accepts():
    own = reports(table1={("rte", "standard", "3epochs"): SCORES})
    for name in ("table1", "bias_correction", "reinit_depth"):
        _, _, sweep, *overrides = shlex.split(command_for(name, own))
        assert read_sweep(sweep).narrow(overrides).configs()
