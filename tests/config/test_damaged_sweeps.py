"""Mutated sweep files: refused by name, or planned as W&B's agents would train them."""

from functools import partial

import pytest

from stablebert.config.sweep import read_sweep
from stablebert.errors import ConfigError
from tests.helpers.campaign import run_campaign
from tests.helpers.sweep_damage import agent_configs, mutate_sweep


@pytest.mark.parametrize(
    "numbers", [range(40), pytest.param(range(40, 3040), marks=pytest.mark.stress)]
)
def test_mutated_sweeps_are_refused_or_planned_as_wandb_does(numbers, tmp_path, capsys):
    run_campaign(capsys, partial(check_mutation, tmp_path / "mutated.yaml"), numbers)


def check_mutation(file, number):
    """Mutate a sweep, check its plan, and describe the outcome."""
    text = mutate_sweep(number)
    file.write_text(text, "utf-8", errors="surrogatepass")
    sweep, problems = plan_sweep(file)
    if problems:
        assert all(file.stem in problem for problem in problems), (text, problems)
        return f"{number}: refused: {problems[0].replace(str(file.parent), '')[:150]!a}"
    configs = [cfg for _, cfg in sweep.points]
    assert configs == agent_configs(text), text
    assert sorted(map(repr, sweep.configs())) == sorted(map(repr, configs)), text
    return f"{number}: {len(configs)} runs as W&B"


def plan_sweep(file):
    """Return a sweep whose runs are valid, or why it is refused."""
    try:
        sweep = read_sweep(str(file))
        sweep.configs()
    except ConfigError as error:
        return None, error.problems
    return sweep, []
