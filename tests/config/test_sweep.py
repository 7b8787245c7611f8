"""Every sweep file that ships: valid for W&B, flat, and the runs that it promises."""

import itertools
from dataclasses import replace

import pytest
import yaml

from stablebert.config.compose import compose
from stablebert.config.files import CONF, SWEEPS
from stablebert.config.schema import KEYS
from stablebert.config.sweep import Sweep, read_sweep
from stablebert.errors import ConfigError

# file, runs, cells
SHIPPED = {
    "table1": (960, 48),
    "bias_correction": (400, 8),
    "reinit_depth": (1440, 72),
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
}
# the top level of a W&B sweep configuration (its schema has additionalProperties: false)
WANDB_KEYS = {
    *("apiVersion", "kind", "controller", "description", "program", "job", "image_uri", "entity"),
    *("project", "method", "command", "name", "run_cap", "metric", "metrics", "scheduler"),
    *("early_terminate", "parameters"),
}


def test_all_sweep_files_are_seen():
    """Trap 17."""
    assert {path.stem for path in SWEEPS.iterdir()} == set(SHIPPED)
    assert SWEEPS.parent == CONF.parent


@pytest.mark.parametrize("name", SHIPPED)
def test_wandb_accepts_it(name):
    content = yaml.safe_load((SWEEPS / f"{name}.yaml").read_text())
    assert set(content) <= WANDB_KEYS
    assert content["method"] == "grid"
    assert content["metric"] == {"name": "val/score", "goal": "maximize"}
    assert content["command"] == [
        *("${env}", "${interpreter}", "-m", "stablebert", "train"),
        *(f"wandb.tags=[{name}]", "${args_no_hyphens}"),
    ]
    assert content["name"] == name
    for key, entry in content["parameters"].items():
        assert key in KEYS
        assert set(entry) in ({"value"}, {"values"})
        values = entry.get("values", [entry.get("value")])
        # YAML 1.1 reads 2e-5 as a text, and yes as a truth: W&B would hand out something else
        beside = [] if key == "scale" else ["scale=paper"]
        alone = [[f"{key}={value}", *beside] for value in values if key != "length"]
        assert all(map(compose, alone))
        assert len(set(map(str, values))) == len(values)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_means_the_runs_that_it_promises(name):
    runs = read_sweep(name).configs()
    count, cells = SHIPPED[name]
    assert len(runs) == len(set(runs)) == count
    assert len({replace(r, seed=0) for r in runs}) == cells
    assert {r.scale for r in runs} == {"paper"}
    seeds = [r.seed for r in runs]
    assert seeds == sorted(seeds)
    assert set(seeds) == set(range(count // cells))


def test_the_order_is_the_one_in_which_wandb_hands_out():
    sweep = Sweep("x", {"task": ("rte", "cola"), "seed": ("0", "1", "1"), "method": ("standard",)})
    order = [tuple(c.values()) for c in sweep.combinations()]
    # names sorted: method, seed, task; the last varies fastest; equal values once
    assert order == list(itertools.product(["standard"], ["0", "1"], ["rte", "cola"]))


def test_command_line_words_narrow_and_change():
    sweep = read_sweep("sweeps/table1.yaml").narrow(
        ["task=rte,cola", "seed=0..4,9", "scale=mini", "trainer.threads=1"]
    )
    assert sweep.parameters["seed"] == ("0", "1", "2", "3", "4", "9")
    runs = sweep.configs()
    assert len(runs) == 2 * 2 * 2 * 6
    assert {(r.scale, r.trainer.threads) for r in runs} == {("mini", 1)}
    betas = sweep.narrow(["optimizer.betas=0.8,0.99"])
    assert {r.optimizer.betas for r in betas.configs()} == {(0.8, 0.99)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: random\nparameters: {}", "`method: grid`"),
        ("[]", "`method: grid`"),
        ("method: grid\nparameters: {sed: {value: 1}}", "did you mean seed"),
        ("method: grid\nparameters: {seed: {min: 0, max: 3}}", "either `value` or `values`"),
        ("method: grid\nparameters: {trainer: {parameters: {}}}", "trainer is not a key"),
        ("method: grid\nparameters: {task: {value: rta}}", "task=rta: task takes one of rte"),
    ],
)
def test_a_file_that_is_no_grid_is_told(tmp_path, text, said):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_sweep(str(tmp_path / "s.yaml")).configs()


def test_every_problem_once():
    sweep = read_sweep("table1").narrow(["task=sst2,qnli", "length=longer", "optimizer.lr=x"])
    with pytest.raises(ConfigError) as caught:
        sweep.configs()
    assert len(caught.value.problems) == len(set(caught.value.problems))
    assert any("optimizer.lr=x" in problem for problem in caught.value.problems)
