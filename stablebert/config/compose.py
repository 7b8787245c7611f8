"""The configuration: `compose` turns `KEY=VALUE` words and the files of `conf/` into a `RunConfig`.

Merge order: base <- task <- method <- method.per_task[task] <- model <- length <- scale <-
selected <- command line; of several methods each in its turn. Everything wrong with a command line
is reported at once, before anything is loaded; no torch here. A configuration travels through this
module as a flat mapping from dotted keys to values, so a merge is a dictionary update and cannot
turn a value into a group.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from stablebert.config.schema import (
    KEYS,
    PACKAGE,
    RunConfig,
    flatten,
    load,
    names,
    nearest,
    read,
    takes,
    unknown,
    unquote,
)
from stablebert.tasks import DEMO, TASKS, is_generated

LONGER = "longer"
RECIPE_VERSION = 2  # part of every config_id: raise it when a change of the code changes numbers


class ConfigError(Exception):
    """Everything that is wrong with a configuration.

    Attributes:
        problems: One line each.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


# ---------------------------------------------------------------- the files


def _diff(entry: Mapping[str, Any], chosen: Mapping[str, str], where: str) -> dict[str, Any]:
    """An entry's values and, over them, what it holds for the chosen task, methods and length."""
    only = {f"per_{choice}": choice for choice in ("task", "method", "length")}
    values = {}
    for key, raw in flatten({k: v for k, v in entry.items() if k not in only}).items():
        if key not in KEYS:
            raise ConfigError([f"conf/{where}: {unknown(key)}"])
        try:  # as text, for the files are then held to the same rules as the command line
            values[key] = read(str(raw), key)
        except ValueError:
            raise ConfigError([f"conf/{where}: {key}={raw} should be {takes(key)}"]) from None
    for group, choice in only.items():
        for name in chosen[choice].split("+"):
            inner = entry.get(group, {}).get(name, {})
            values |= _diff(inner, chosen, where) if inner else {}
    return values


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win. Of epochs and max_steps the one set last stays, the other becomes None."""
    values: dict[str, Any] = {}
    for layer in layers:
        values |= layer
        if layer.get("trainer.max_steps") is not None:
            values["trainer.epochs"] = None
        elif layer.get("trainer.epochs") is not None:
            values["trainer.max_steps"] = None
    return values


def _layers(chosen: Mapping[str, str], model: str | None) -> list[dict[str, Any]]:
    """All layers under the command line, in merge order; `model` is what was typed for it."""

    def diff(file: str, *path: str, without: Sequence[str] = ()) -> dict[str, Any]:
        entry: Any = load(file)
        for name in path:
            entry = entry.get(name) or {}
        kept = {key: value for key, value in entry.items() if key not in without}
        return _diff(kept, chosen, f"{file}.yaml: {' '.join(path)}" if path else f"{file}.yaml")

    task, length, scale = (chosen[key] for key in ("task", "length", "scale"))
    methods = chosen["method"].split("+")
    below = [diff("base"), diff("tasks", task, without=["length"])]
    below += [diff("methods", method) for method in methods]
    above = [
        diff("tasks", task, "length", length),
        diff("scales", scale),
        *(diff("selected", scale, task, method, without=["provenance"]) for method in methods),
    ]
    if len(methods) > 1:  # what was selected for all of them together
        above.append(diff("selected", scale, task, chosen["method"], without=["provenance"]))
    # The model's own entry comes before the scale, which may be what names the model.
    name = model or _merge(*below, *above)["model.name"]
    return [*below, diff("models", name, without=["layers"]), *above]


def model_folder(name: str) -> Path | None:
    """The folder that `model.name` means; None for a hub id."""
    folder = PACKAGE / "demo/model" if name == DEMO else Path(name).expanduser()
    return folder if folder.is_dir() else None


def _layer_count(model: str) -> int | None:
    """Layers of a model, as far as they are known without loading it."""
    if folder := model_folder(model):
        try:
            count = json.loads((folder / "config.json").read_text("utf-8"))["num_hidden_layers"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no usable config.json: for the loader to say
        return count if isinstance(count, int) else None
    facts: Mapping[str, int] = load("models").get(model) or {}
    return facts.get("layers")


# ---------------------------------------------------------------- composing


def compose(overrides: Sequence[str]) -> RunConfig:
    """Merge the files of `conf/` and, over them, `KEY=VALUE` words.

    Args:
        overrides: What was typed, such as `["task=rte", "method=reinit", "optimizer.lr=3e-5"]`.

    Raises:
        ConfigError: with every problem of the command line.
    """
    typed, refused, problems = _command_line(overrides)
    base = load("base")
    _move_longer(typed, problems)
    chosen = {key: typed.get(key, base[key]) for key in ("task", "method", "length", "scale")}
    below = _merge(*_layers(chosen, typed.get("model.name")))
    values = _merge(below, typed)
    for involved, problem in _contradictions(typed, below, values):
        if not refused.intersection(involved):  # else it may be about a default nobody wanted
            problems.append(problem)
    if problems:
        raise ConfigError(problems)
    config: RunConfig = _build(RunConfig, values)
    return config


def _move_longer(typed: dict[str, Any], problems: list[str]) -> None:
    """Turn `method=longer`, which Table 2 has for a method, into `length=longer`."""
    methods = str(typed.get("method", "")).split("+")
    if LONGER in methods:
        typed["method"] = "+".join(name for name in methods if name != LONGER) or "standard"
        if typed.setdefault("length", LONGER) != LONGER:
            problems.append(f"length={typed['length']} and method=longer: type one")


def _command_line(overrides: Sequence[str]) -> tuple[dict[str, Any], set[str], list[str]]:
    """Read what was typed: the good values, the keys of the bad ones, and what is wrong."""
    typed: dict[str, Any] = {}
    refused: set[str] = set()
    problems: list[str] = []
    for argument in map(unquote, overrides):
        key, equals, text = argument.partition("=")
        if not equals:
            choices = ("task", "method", "length", "scale")
            meant = [f"{choice}={key}" for choice in choices if key in names(choice)]
            near = f"; did you mean {meant[0]}?" if meant else nearest(key, KEYS)
            problems.append(f"{argument} is not of the form KEY=VALUE{near}")
        elif key not in KEYS:
            problems.append(f"{argument}: {unknown(key)}")
        else:
            try:
                value = read(text, key)
            except ValueError:
                refused.add(key)
                near = nearest(text, names(key)) if names(key) else ""
                problems.append(f"{argument}: {key} takes {takes(key)}{near}")
                continue
            if typed.setdefault(key, value) != value:
                refused.add(key)
                problems.append(f"{argument}: {key} was typed before with another value")
    return typed, refused, problems


def _clashes(methods: Sequence[str], task: str) -> Iterator[str]:
    """Why methods do not combine: one is there twice, is nothing, or denies what another sets."""
    said = f"method={'+'.join(methods)}"
    if len(set(methods)) < len(methods):
        yield f"{said}: each method once"
    if len(methods) > 1 and "standard" in methods:
        yield f"{said}: standard is what a method differs from; drop it"
    chosen = {"task": task, "method": "", "length": ""}
    sets = {name: _diff(load("methods")[name] or {}, chosen, "methods.yaml") for name in methods}
    for a, b in combinations(sets, 2):
        # a rate is set for one's own sake and says nothing about what the method is
        both = [key for key in sets[a] if key in sets[b] and key != "optimizer.lr"]
        if denied := [key for key in both if sets[a][key] != sets[b][key]]:
            ours, theirs = (
                " and ".join(f"{key}={sets[name][key]}" for key in denied) for name in (a, b)
            )
            yield f"{said}: {a} has {ours}, {b} has {theirs}"


def _contradictions(
    typed: Mapping[str, Any], below: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[tuple[set[str], str]]:
    """Pairs of the keys involved and what is wrong between them.

    A typed value that repeats what the files say contradicts nothing: a printed configuration can
    be typed back.
    """
    epochs, steps = typed.get("trainer.epochs"), typed.get("trainer.max_steps")
    task, model, depth = values["task"], values["model.name"], values["reinit.num_layers"]
    lengths = {"task", "method", "length", "scale", "trainer.epochs", "trainer.max_steps"}

    if epochs is not None and steps is not None:
        yield (
            {"trainer.epochs", "trainer.max_steps"},
            f"trainer.epochs={epochs} and trainer.max_steps={steps} both set the length; type one",
        )
    if values["length"] == "longer":
        planned = below["trainer.max_steps"]
        if epochs is not None:
            yield lengths, f"length=longer is counted in steps; drop it or trainer.epochs={epochs}"
        if planned is None and values["trainer.max_steps"] is None:
            yield (
                lengths,
                f"length=longer: the paper trains task={task} no longer than three epochs, so no "
                "step count is known; type one as trainer.max_steps=N",
            )
        elif planned is not None and typed.get("trainer.max_steps", planned) != planned:
            shown = "null" if steps is None else steps
            yield (
                lengths,
                f"length=longer is {planned} steps for task={task}; "
                f"drop it or trainer.max_steps={shown}",
            )
    elif values["trainer.epochs"] is None and values["trainer.max_steps"] is None:
        yield lengths, "trainer.epochs and trainer.max_steps are both null; type one"

    for clash in _clashes(values["method"].split("+"), task):
        yield {"task", "method"}, clash
    top = values["trainable.top_layers"]
    if top is not None and top < depth:
        yield (
            {"method", "scale", "trainable.top_layers", "reinit.num_layers"},
            f"trainable.top_layers={top}: reinit.num_layers={depth} starts at random what would "
            "then be frozen; train at least as many",
        )
    if values["intermediate.task"] == task:
        yield (
            {"task", "method", "intermediate.task"},
            f"intermediate.task={task}: task={task} is what comes after; type another",
        )
    if values["optimizer.decay_to"] == "start" and not values["optimizer.weight_decay"]:
        yield (
            {"method", "optimizer.decay_to", "optimizer.weight_decay"},
            "optimizer.decay_to=start decays by optimizer.weight_decay, which is 0",
        )

    layers = _layer_count(model)
    if layers is not None and depth > layers:
        said = "" if "reinit.num_layers" in typed else f" (from method={values['method']})"
        yield (
            {"task", "method", "length", "scale", "model.name", "reinit.num_layers"},
            f"reinit.num_layers={depth}{said}: model.name={model} has {layers} layers; "
            f"type 0 to {layers}",
        )
    if layers is not None and top is not None and top > layers:
        yield (
            {"scale", "model.name", "trainable.top_layers"},
            f"trainable.top_layers={top}: model.name={model} has {layers} layers; type 0 to "
            f"{layers}",
        )
    generated = is_generated(values["data.source"])
    if model == DEMO and not generated:
        yield (
            {"scale", "model.name", "data.source"},
            f"data.source={values['data.source']}: model.name=demo has learnt the language of the "
            "demo tasks only; type scale=mini, scale=paper or model.name=...",
        )
    if TASKS[task].few_sample and generated:
        yield (
            {"task", "scale", "data.source"},
            f"task={task}: demo tasks are small as they are; type task={TASKS[task].config} or "
            "scale=mini",
        )
    batch, parts = values["trainer.batch_size"], values["trainer.accumulate"]
    if batch % parts:
        yield (
            {"trainer.batch_size", "trainer.accumulate"},
            f"trainer.batch_size={batch} is not divisible by trainer.accumulate={parts}: a batch "
            "is split into that many equal micro-batches",
        )
    metric = values["trainer.select_by"]
    if metric is not None and metric not in TASKS[task].metrics:
        yield (
            {"task", "trainer.select_by"},
            f"trainer.select_by={metric}: task={task} has {', '.join(TASKS[task].metrics)}",
        )


def _build(config: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    return config(
        **{
            field.name: _build(field.type, values, f"{prefix}{field.name}.")
            if is_dataclass(field.type)
            else values[prefix + field.name]
            for field in fields(config)
        }
    )


# ---------------------------------------------------------------- using a configuration


def as_dict(cfg: Any) -> dict[str, Any]:
    """The configuration as nested plain values: what JSON, YAML and W&B hold."""
    return {field.name: _plain(getattr(cfg, field.name)) for field in fields(cfg)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return as_dict(value) if is_dataclass(value) else value


def _represent_str(dumper: Any, text: str) -> Any:
    """Quote what some YAML reader would take for a number: the commit 12345e67, say."""
    style = "'" if text[:1] in "+-.0123456789" else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


# Not OmegaConf's printer: it takes `${` in a text for an interpolation, and refuses some.
_Dumper: Any = type("_Dumper", (yaml.SafeDumper,), {})
_Dumper.add_representer(str, _represent_str)


def to_yaml(cfg: RunConfig) -> str:
    """The configuration as YAML: the same text for the same configuration."""
    text: str = yaml.dump(as_dict(cfg), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


# Seeds, what only watches, and where things run or lie. Every other key is part of the id.
_NOT_IN_ID = {"seed", "seed_init", "seed_data", "force", "monitor", "wandb", "paths"}
_NOT_IN_ID |= {"trainer.accelerator", "trainer.threads"}
# Keys that came with a method. At these values they change nothing and are left out of the id, so
# that records of before they were there remain those of the same configuration.
_NEUTRAL: dict[str, Any] = {
    "intermediate.task": None,
    "mixout.p": 0.0,
    "mixout.mask": "neuron",
    "trainable.patterns": [],
    "trainable.top_layers": None,
    "probe.l2": None,
    "rdrop.alpha": 0.0,
    "ema.decay": None,
    "optimizer.decay_to": "zero",
    "optimizer.layer_decay": 1.0,
}
_BY_CONTENT = {"data.source", "data.revision", "model.name", "model.revision"}


def prerequisite(cfg: RunConfig) -> RunConfig | None:
    """The run whose encoder a run starts from, one for all its seeds; None where there is none.

    `standard` on `intermediate.task` at three epochs, of the same scale, model, data source and
    machine.
    """
    if cfg.intermediate.task is None:
        return None
    same = {"scale", "data", "model", "paths", "trainer.precision", "trainer.packing"}
    same |= {"trainer.accelerator", "trainer.threads", "trainer.eval_batch_size"}
    flat = flatten(as_dict(cfg))
    words = [f"{k}={v}" for k, v in flat.items() if {k, k.partition(".")[0]} & same]
    return compose([*words, f"task={cfg.intermediate.task}", "method=standard"])


def config_id(cfg: RunConfig, *, data: str, model: str, start: str | None = None) -> str:
    """Ten hex digits that two runs share when only their seeds differ.

    Args:
        cfg: The run's configuration.
        data: Identity of the data's content, a digest or a hub revision; replaces its address.
        model: The same of the model.
        start: `config_id` of the run whose encoder it starts from.
    """
    kept = {
        key: value
        for key, value in flatten(as_dict(cfg)).items()
        if not {key, key.partition(".")[0]} & _NOT_IN_ID
        and key not in _BY_CONTENT
        and not (key in _NEUTRAL and value == _NEUTRAL[key])
    }
    kept |= {"data": data, "model": model, "recipe_version": RECIPE_VERSION}
    kept |= {"start": start} if start else {}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]
