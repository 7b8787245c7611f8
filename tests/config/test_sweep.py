"""Sweep files and overrides of their grids: what they mean, and what is refused."""

import itertools
import re

import pytest
import yaml

from stablebert.config import sweep as sweep_module
from stablebert.config.compose import compose
from stablebert.config.files import SWEEPS
from stablebert.config.sweep import Sweep, parse_sweep, read_sweep
from stablebert.errors import ConfigError
from tests.helpers.shipped_sweeps import content_of


def test_combinations_are_in_the_order_of_wandb():
    sweep = Sweep("x", {"task": ("rte", "cola"), "seed": ("0", "1", "1"), "method": ("standard",)})
    order = [tuple(combination.values()) for combination in sweep.combinations()]
    # names sorted: method, seed, task; the last one varies fastest; no value twice
    assert order == list(itertools.product(["standard"], ["0", "1"], ["rte", "cola"]))


@pytest.mark.parametrize("path", ["table1", "sweeps/table1.yaml", str(SWEEPS / "table1.yaml")])
def test_a_shipped_sweep_is_found_by_name_and_by_path(path):
    assert read_sweep(path).name == "table1"


def test_a_range_of_seeds_includes_its_end():
    assert read_sweep("table1").narrow(["seed=0..4,9"]).parameters["seed"] == tuple("012349")


def test_overrides_narrow_and_change_a_grid():
    sweep = read_sweep("table1").narrow(["task=rte,cola", "seed=0..4,9", "scale=mini"])
    configs = sweep.configs()
    assert len(configs) == 2 * 2 * 2 * 6
    assert {cfg.scale for cfg in configs} == {"mini"}


def test_a_key_that_the_grid_lacks_is_added():
    sweep = read_sweep("table1").narrow(["seed=0", "trainer.threads=1"])
    assert {cfg.trainer.threads for cfg in sweep.configs()} == {1}


def test_commas_belong_to_the_value_of_a_list_key():
    sweep = read_sweep("table1").narrow(["seed=0", "optimizer.betas=0.8,0.99"])
    assert {cfg.optimizer.betas for cfg in sweep.configs()} == {(0.8, 0.99)}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tsk=rte"], "tsk=rte is not of the form KEY=VALUES with a known key; did you mean task?"),
        (["rte"], "rte is not of the form KEY=VALUES with a known key"),
        (["seed=0", "seed=1"], "seed=1: seed is given twice"),
    ],
)
def test_an_invalid_override_of_a_grid_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        read_sweep("table1").narrow(overrides)


COMMAND = ["${env}", "${interpreter}", "-m", "stablebert", "train", "${args_no_hyphens}"]


def parse(parameters, command=COMMAND, **others):
    """Parse a sweep, each parameter of which has one value."""
    parameters = {key: {"value": value} for key, value in parameters.items()}
    content = {"method": "grid", "parameters": parameters, "command": command, **others}
    return parse_sweep("x", content, "x.yaml")


def refusals(*arguments, **others):
    """Return the problems of a sweep that must be refused."""
    with pytest.raises(ConfigError) as error:
        parse(*arguments, **others)
    return error.value.problems


@pytest.mark.parametrize(
    "command",
    [
        COMMAND,
        [".venv/bin/stablebert", "train", "${args_no_hyphens}"],
        ["${env}", "CUDA_VISIBLE_DEVICES=0", "${program}", "train", "${args_no_hyphens}"],
        ["nice", *COMMAND],
        [*COMMAND, "wandb.tags=[x]"],
    ],
)
def test_a_command_that_trains_is_accepted(command):
    assert parse({"task": "rte"}, command, program="stablebert").configs()[0].task == "rte"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (None, "there is no `command`, and W&B's default is `python PROGRAM --KEY=VALUE...`"),
        ("stablebert train ${args_no_hyphens}", "`command` must be a list and a call to"),
        ([], "`command` must be a call to `stablebert train`"),
        (["python", "train.py", "${args_no_hyphens}"], "`command` must be a call to"),
        (["stablebert", "config", "${args_no_hyphens}"], "`command` must be a call to"),
        (COMMAND[:-1], "`command` does not give the parameters to the run; end it with ${args_no"),
        ([*COMMAND, "optimizer.lrr=1e-9"], "unknown key optimizer.lrr; did you mean optimizer.lr"),
        ([*COMMAND, "--seed=1"], "--seed=1: unknown key --seed; did you mean seed?"),
        ([*COMMAND, "--quiet"], "--quiet: expected KEY=VALUE"),
        ([*COMMAND, "task=rte"], "`command` sets task, which is a parameter, too"),
        ([*COMMAND, "data.source=${envvar:ABSENT}"], "environment variable ABSENT is not set"),
    ],
)
def test_a_command_that_means_something_else_is_refused(command, message):
    (problem,) = refusals({"task": "rte"}, command)
    assert message in problem


@pytest.mark.parametrize(
    "macro",
    [
        *("${args}", "${args_no_equals}", "${args_no_boolean_flags}", "${args_json}"),
        *("${args_json_file}", "${args_append_hydra}", "${args_override_hydra}", "${env}"),
    ],
)
def test_other_macros_are_refused(macro):
    assert refusals({"task": "rte"}, [*COMMAND[:-1], macro])[1] == (
        f"x.yaml: `command`: {macro} is not in the form KEY=VALUE; use ${{args_no_hyphens}}"
    )


def test_an_environment_variable_is_replaced_as_by_the_agent(monkeypatch):
    monkeypatch.setenv("GLUE", "/data")
    sweep = parse({"task": "rte", "scale": "mini"}, [*COMMAND, "data.source=${envvar:GLUE}/glue"])
    assert sweep.configs()[0].data.source == "/data/glue"


def test_an_override_of_the_command_may_be_replaced_when_narrowing():
    sweep = parse({"task": "rte"}, [*COMMAND, "scale=paper"]).narrow(["scale=mini"])
    assert sweep.configs()[0].scale == "mini"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run_cap", 3),
        ("early_terminate", {"type": "hyperband", "min_iter": 3}),
        ("scheduler", {"job": "x"}),
        ("job", "x"),
        ("image_uri", "x"),
    ],
)
def test_a_key_that_changes_the_runs_is_refused(key, value):
    (problem,) = refusals({"task": "rte"}, **{key: value})
    assert problem.startswith(f"x.yaml: `{key}`: ")


def test_an_unknown_key_of_a_file_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    content = content_of("table1") | {"commandx": [], "settings": {}}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as error:
        read_sweep(str(path))
    assert error.value.problems == [
        f"{path}: commandx is not a key of a W&B sweep; did you mean command?",
        f"{path}: settings is not a key of a W&B sweep",
    ]


def test_a_key_given_twice_in_a_file_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text((SWEEPS / "table1.yaml").read_text() + "\n  seed: {value: 1}\n")
    with pytest.raises(ConfigError, match="seed is given twice, in lines"):
        read_sweep(str(path))


FORCED = {
    "parameter": lambda: parse({"force": True}),
    "override": lambda: parse({"seed": 0}).narrow(["force=true"]),
    "command": lambda: parse_sweep(
        "x",
        {
            "method": "grid",
            "command": [*COMMAND, "force=true"],
            "parameters": {"seed": {"value": 0}},
        },
        "x",
    ),
}


@pytest.mark.parametrize("sweep", FORCED.values(), ids=FORCED)
def test_a_grid_does_not_take_force(sweep):
    with pytest.raises(ConfigError, match="a grid does not repeat finished runs; drop it"):
        sweep()


@pytest.mark.parametrize(
    ("key", "values", "count"),
    [
        ("seed", [0, "0", " 0", 1], 2),
        ("optimizer.lr", ["1e-3", 0.001, "0.0010"], 1),
        ("optimizer.lr", ["2x", "2.0x", "'2x'", "1x"], 2),
        ("task", ["rte", "'rte'"], 1),
        ("optimizer.bias_correction", [True, "yes", "true"], 1),
        ("seed_init", [None, "null"], 1),
    ],
)
def test_values_that_are_equal_when_parsed_are_one_value(key, values, count):
    content = {"method": "grid", "command": COMMAND, "parameters": {key: {"values": values}}}
    assert len(parse_sweep("x", content, "x").configs()) == count


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=0,1"], "seed=1 seed_data=0 seed_init=0 repeats the run of seed=0 seed_data=0 "),
        (
            ["seed_init=null,0"],
            "seed_data=0 seed_init=0 repeats the run of seed_data=0 seed",
        ),
        (["seed_init=1", "seed=0,1", "seed_data=null,1"], "seed=0 seed_data=1 "),
    ],
)
def test_two_names_of_one_run_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        read_sweep("randomness").narrow(overrides).configs()
    assert len(refusal.value.problems) == 1


def test_a_seed_is_a_default_of_the_other_two():
    sweep = read_sweep("randomness").narrow(["seed=0,1", "seed_init=null", "task=rte"])
    assert len(sweep.configs()) == 2 * 2 * 10


def test_a_grid_has_a_largest_size():
    with pytest.raises(ConfigError, match=r"^seed=0\.\.9999999: 10,000,000 values, but a grid has"):
        read_sweep("table1").narrow(["seed=0..9999999"])


def test_the_product_of_the_values_is_limited():
    sweep = read_sweep("table1").narrow(["seed=0..99999"])
    with pytest.raises(ConfigError, match=r"^table1: 4,800,000 runs, but a grid has"):
        sweep.configs()


def test_each_cell_of_a_grid_is_composed_once(monkeypatch):
    compositions = []
    monkeypatch.setattr(sweep_module, "compose", lambda o: compositions.append(o) or compose(o))
    assert len(read_sweep("table1").narrow(["task=rte", "seed=0..99"]).configs()) == 400
    assert sum("task=rte" in overrides for overrides in compositions) == 4


@pytest.mark.parametrize("key", ["seed", "seed_init", "seed_data"])
def test_an_invalid_seed_is_refused(key):
    with pytest.raises(ConfigError, match=f"x: {key}=08: {key} takes an integer from 0 to"):
        parse({key: "08"}).configs()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method: random\nparameters: {}", "`method: grid`"),
        ("[]", "`method: grid`"),
        ("method: grid\nparameters: {sed: {value: 1}}", "did you mean seed"),
        ("method: bayes\nparameters: {seed: {value: 1}}", "`method: grid`"),
        ("method: grid\nparameters: {seed: {min: 0, max: 3}}", "either `value` or `values`"),
        ("method: grid\nparameters: {seed: {value: 0, values: [1]}}", "either `value` or"),
        (
            "method: grid\nparameters: {seed: {values: [0], probabilities: [1]}}",
            "no `probabilities`",
        ),
        (
            "method: grid\nparameters: {seed: {values: [0], distribution: q_normal}}",
            "no `distribution`",
        ),
        ("method: grid\nparameters: {1: {value: 0}}", "parameter 1 is not a key"),
        ("method: grid\nparameters: {seed: {values: 3}}", "`values` must be a list"),
        (
            "method: grid\nparameters: {seed: {values: []}}",
            "a list of at least one value, not \\[]",
        ),
        ("method: grid\nparameters: {}", "`parameters` is empty; a grid needs at least one"),
        (
            "method: grid\nparameters: {trainer: {parameters: {}}}",
            "trainer is not a key; write nested",
        ),
    ],
)
def test_a_sweep_that_is_not_a_flat_grid_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_sweep("x", yaml.safe_load(text), "x.yaml")


def test_an_invalid_value_in_a_sweep_is_refused():
    with pytest.raises(ConfigError, match="x: task=rta: task takes one of rte"):
        Sweep("x", {"task": ("rta",)}).configs()


def test_an_unknown_sweep_is_answered_with_the_closest():
    with pytest.raises(ConfigError, match=r"tabel1 is not a sweep file; .*did you mean table1"):
        read_sweep("tabel1")


def test_every_problem_of_a_sweep_is_reported_once():
    sweep = read_sweep("table1").narrow(["task=sst2,qnli", "length=longer", "optimizer.lr=x"])
    with pytest.raises(ConfigError) as error:
        sweep.configs()
    assert [problem.partition(":")[2].split(":")[0] for problem in error.value.problems] == [
        " optimizer.lr=x", " length=longer", " length=longer",
    ]  # fmt: skip
