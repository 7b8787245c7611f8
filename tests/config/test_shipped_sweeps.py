"""The sweep files that the package ships: valid for W&B, and as large as promised."""

import itertools
from dataclasses import replace

import pytest

from stablebert.config.compose import compose
from stablebert.config.files import CONF, SWEEPS
from stablebert.config.sweep import read_sweep
from tests.helpers.shipped_sweeps import content_of

# name: number of runs, number of cells
SHIPPED = {
    "table1": (960, 48),
    "bias_correction": (400, 8),
    "reinit_depth": (1440, 72),
    "reinit_pooler": (240, 12),
    "weight_change": (320, 16),
    "table2": (640, 32),
    "table7": (640, 32),
    "llrd": (480, 24),
    "mixout": (400, 20),
    "pretrained_wd": (320, 16),
    "wd": (320, 16),
    "training_length": (640, 80),
    "training_length_rte_mrpc": (128, 16),
    "training_length_stsb": (48, 6),
    "training_length_cola": (32, 4),
    "table4": (160, 8),
    "table5": (6, 2),
    "rate_optimizer": (2240, 112),
    "randomness": (200, 2),
}
# top-level keys of a W&B sweep configuration; its schema allows no others
WANDB_KEYS = {
    *("apiVersion", "kind", "controller", "description", "program", "job", "image_uri", "entity"),
    *("project", "method", "command", "name", "run_cap", "metric", "metrics", "scheduler"),
    *("early_terminate", "parameters"),
}


def test_all_sweep_files_are_listed_here():  # docs/pitfalls.md, 17
    assert {path.stem for path in SWEEPS.iterdir()} == set(SHIPPED)


def test_sweeps_are_next_to_conf():
    assert SWEEPS.parent == CONF.parent


@pytest.mark.parametrize("name", SHIPPED)
def test_wandb_accepts_the_keys_of_a_sweep(name):
    assert set(content_of(name)) <= WANDB_KEYS


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_is_a_grid_named_like_its_file(name):
    content = content_of(name)
    assert (content["name"], content["method"]) == (name, "grid")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_maximizes_the_validation_score(name):
    assert content_of(name)["metric"] == {"name": "val/score", "goal": "maximize"}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_command_of_a_sweep_trains_and_tags_its_runs(name):
    assert content_of(name)["command"] == [
        *("${env}", "${interpreter}", "-m", "stablebert", "train"),
        *(f"wandb.tags=[{name}]", "${args_no_hyphens}"),
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_values_of_a_sweep_are_valid_as_plain_yaml_reads_them(name):
    # YAML 1.1 reads 2e-5 as text and yes as true, so W&B would pass on other values
    for key, values in values_by_key(name).items():
        others = [] if key == "scale" else ["scale=paper"]
        for value in values if key != "length" else []:
            compose([f"{key}={value}", *others])


@pytest.mark.parametrize("name", SHIPPED)
def test_no_value_of_a_sweep_is_repeated(name):
    for values in values_by_key(name).values():
        assert len(set(map(str, values))) == len(values)


def values_by_key(name):
    parameters = content_of(name)["parameters"]
    return {key: entry.get("values", [entry.get("value")]) for key, entry in parameters.items()}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_has_the_number_of_runs_and_cells_that_it_promises(name):
    configs = read_sweep(name).configs()
    cells = {replace(cfg, seed=0, seed_init=None, seed_data=None) for cfg in configs}
    assert (len(configs), len(set(configs)), len(cells)) == (SHIPPED[name][0], *SHIPPED[name])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_is_at_the_scale_of_the_paper(name):
    assert {cfg.scale for cfg in read_sweep(name).configs()} == {"paper"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_runs_seed_by_seed(name):
    count, cells = SHIPPED[name]
    seeds = [(cfg.init_seed, cfg.data_seed) for cfg in read_sweep(name).configs()]
    order = [(seed, seed) for seed in range(count // cells)]
    if name == "randomness":
        order = [*itertools.product(range(10), repeat=2)]
    assert seeds == [pair for pair in order for _ in range(cells)]


@pytest.mark.parametrize(("scale", "rate"), [("demo", 1e-3), ("mini", 2e-4), ("paper", 2e-5)])
def test_the_rates_of_every_optimizer_are_multiples_of_that_of_the_scale(scale, rate):
    rates = {}
    for cfg in read_sweep("rate_optimizer").narrow([f"scale={scale}", "seed=0"]).configs():
        rates.setdefault((cfg.task, cfg.method), set()).add(cfg.optimizer.lr)
    assert len(rates) == 4 * 4
    assert {frozenset(r) for r in rates.values()} == {frozenset(rate * 2**k for k in range(-4, 3))}


def test_full_and_mixed_precision_differ_in_nothing_else():
    precisions = {}
    for cfg in read_sweep("table4").configs():
        rest = replace(cfg, trainer=replace(cfg.trainer, precision="auto"))
        precisions.setdefault(rest, []).append(cfg.trainer.precision)
    assert {frozenset(p) for p in precisions.values()} == {frozenset(("16-mixed", "32-true"))}
