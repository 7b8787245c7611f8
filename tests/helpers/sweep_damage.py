"""Mutated sweep files, and what W&B's agent would train of them."""

import itertools
import json
import random
from pathlib import PurePath

import yaml

from stablebert.config.compose import compose
from stablebert.config.files import SWEEPS

VALUES = [None, True, False, 0, -1, 1.5, 2e-5, 10**30, float("nan"), float("inf"), "", " ", "rte"]
VALUES += ["null", "[a]", "a,b", "0..4", "x=y", "${envvar:HOME}", "\x1b[31m", "é", [], {}, [[]]]
VALUES += [{"value": 1}, {"values": [1, 2]}, [0, 0.0, False], ["1", 1], [1, [2, 3]], [{}], [None]]
VALUES += [{"min": 0, "max": 1}, {"distribution": "uniform", "min": 0, "max": 1}, list(range(100))]
VALUES += ["2e-5", ["reinit", "standard"], ["rte", "rte"], ["0.1", 0.1], [0.9, 0.999], "9" * 5000]
NAMES = ["task", "method", "seed", "seed_init", "scale", "length", "force", "optimizer.lr", "lr"]
NAMES += ["reinit.num_layers", "optimizer", "trainer.epochs", "trainer.max_steps", "Seed", "task "]
NAMES += ["optimizer.betas", "wandb.tags", "paths.runs", "", "run_cap", "early_terminate"]
NAMES += ["command", "parameters", "program", "value", "values", 1, None, True, "données"]
WORDS = ["${env}", "${interpreter}", "${program}", "${args}", "${args_no_hyphens}", "${args_json}"]
WORDS += ["${args_no_boolean_flags}", "${envvar:HOME}", "wandb.tags=[${envvar:HOME}]", "${x}", "-m"]
WORDS += ["stablebert", "train", "grid", "python", "--", "seed=3", "optimizer.lr=1e-4", "lr=1"]
WORDS += ["optimizer.lrr=1", "task=rte", "force=true", "scale=mini", "trainer.epochs=2", "=", "x="]
WORDS += ["trainer.max_steps=3", "wandb.tags=[a, b]", " seed=1", "seed = 1", "scale='mini'", "", 3]
WORDS += [None, ["train"], "reinit.num_layers=2", "scale=mini", "method=standard+llrd"]
TEXTS = ["- x", "  seed: {value: 1}", "method: grid", "? [a]", "<<: {seed: {value: 1}}", "---", "x"]
TEXTS += ["parameters: {}", "run_cap: 3", "&a a: *a", "\tx: 1", "name: é\ud800", "#", "..."]
MOST_AGENT_RUNS = 3000
"""Runs of a sweep that are composed one by one, as an agent would."""


def mutate_sweep(number):
    """Return the text of a shipped sweep after mutations that the number determines."""
    rng = random.Random(number)
    text = rng.choice(sorted(SWEEPS.glob("*.yaml"))).read_text("utf-8")
    content = yaml.safe_load(text)
    content["parameters"] = {key: _fewer(entry) for key, entry in content["parameters"].items()}
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice([_mutate_command, _mutate_parameter, _mutate_parameter, _mutate_any])(
            content, rng
        )
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return _mutate_lines(text, rng) if rng.random() < 0.3 else text


def _fewer(entry):
    """Keep three values of a parameter, so that every run can be composed."""
    return {key: x[:3] if isinstance(x, list) else x for key, x in entry.items()}


def _mutate_command(content, rng):
    """Insert, replace, remove or repeat an argument of the command."""
    command = content.get("command")
    if not isinstance(command, list) or rng.random() < 0.1:
        content["command"] = rng.choice([*VALUES, "stablebert train ${args_no_hyphens}"])
        return
    at = rng.randrange(len(command) + 1)
    count = rng.choice([0, 0, 1, 2])
    command[at : at + count] = rng.choice([[], [rng.choice(WORDS)], command[at : at + 1] * 2])


def _mutate_parameter(content, rng):
    """Rename, add or remove a parameter, or change its values."""
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        return
    key = rng.choice(list(parameters))
    kind = rng.choice(["rename", "add", "remove", "entry", "values", "value", "key", "item"])
    entry = parameters[key]
    if kind == "rename":
        parameters[rng.choice(NAMES)] = parameters.pop(key)
    elif kind == "add":
        parameters[rng.choice(NAMES)] = {rng.choice(["value", "values"]): rng.choice(VALUES)}
    elif kind == "remove":
        del parameters[key]
    elif kind == "entry" or not isinstance(entry, dict):
        parameters[key] = rng.choice(VALUES)
    elif kind in ("values", "value"):
        parameters[key] = {kind: rng.choice(VALUES)}
    elif kind == "key":
        entry[rng.choice([*NAMES, "min", "distribution", "parameters"])] = rng.choice(VALUES)
    elif isinstance(entry.get("values"), list):
        entry["values"].insert(0, rng.choice(VALUES))


def _mutate_any(content, rng):
    """Rename, remove, add or replace a key of the file."""
    key = rng.choice(list(content))
    kind = rng.choice(["rename", "remove", "add", "replace"])
    if kind == "add":
        content[rng.choice(NAMES)] = rng.choice(VALUES)
    elif kind == "replace":
        content[key] = rng.choice([*VALUES, "random", "bayes"])
    else:
        value = content.pop(key)
        content |= {rng.choice(NAMES): value} if kind == "rename" else {}


def _mutate_lines(text, rng):
    """Repeat, remove, swap or insert a line, or change its indentation."""
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    line = lines[at]
    inserted_lines = [rng.choice(TEXTS), line]
    lines[at : at + 1] = rng.choice([[], [line] * 2, inserted_lines, [f"  {line}"], [line[1:]]])
    return "\n".join(lines) + "\n"


def agent_configs(text):
    """Return the configurations that W&B would train, in its order.

    W&B sorts the parameters, takes every combination, and starts the command with them.

    Raises:
        Exception: If W&B or a run would refuse it.
    """
    content = json.loads(json.dumps(yaml.safe_load(text)))  # as sent to the server
    assert content["method"] == "grid"
    grid = {
        key: entry["values"] if "values" in entry else [entry["value"]]
        for key, entry in sorted(content["parameters"].items())
    }
    configs = {}
    for values in itertools.product(*grid.values()):
        arguments = {key: {"value": x} for key, x in zip(grid, values, strict=True)}
        argv = _agent_command(content, arguments)
        at = next(i for i, word in enumerate(argv) if i and _is_train(argv[i - 1], word))
        configs.setdefault(compose(argv[at + 1 :]))
        assert len(configs) <= MOST_AGENT_RUNS
    return list(configs)


def _is_train(program, word):
    return word == "train" and PurePath(program).name == "stablebert"


def _agent_command(content, arguments):
    """Return what `wandb agent` starts, as `Agent._command_run` of wandb 0.31 builds it."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    macros = create_sweep_command_args({"args": arguments})
    macros |= {"env": ["/usr/bin/env"], "interpreter": ["python"]}
    macros["program"] = [str(content.get("program"))]
    argv = []
    for word in map(str, create_sweep_command(list(content["command"]))):
        is_macro = word.startswith("${") and word.endswith("}")
        argv += macros.get(word[2:-1]) or [] if is_macro else [word]
    return argv
