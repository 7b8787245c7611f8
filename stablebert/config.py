"""The configuration: `compose` turns `KEY=VALUE` words and the files of `conf/` into a `RunConfig`.

Merge order: base <- task <- method <- method.per_task[task] <- model <- length <- scale <-
selected <- command line. Everything wrong with a command line is reported at once, before anything
is loaded; no torch here. A configuration travels through this module as a flat mapping from dotted
keys to values, so a merge is a dictionary update and cannot turn a value into a group.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from omegaconf import OmegaConf

from stablebert.glue.tasks import DEMO, TASKS, is_generated

RECIPE_VERSION = 2  # part of every config_id: raise it when a change of the code changes numbers

_PACKAGE = Path(__file__).parent
# A wheel carries conf/ inside the package, a checkout beside it. Inside comes first: next to an
# installed package lies everybody's site-packages.
CONF = next(p for p in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if p.is_dir())


class ConfigError(Exception):
    """Everything that is wrong with a configuration.

    Attributes:
        problems: One line each.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = list(problems)


# ---------------------------------------------------------------- what a value may be


@dataclass(frozen=True, slots=True)
class Within:
    """A range: in words, to stand after "a number", and as a test."""

    words: str
    test: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class NameIn:
    """A name that heads an entry of a file in `conf/`."""

    file: str


Count = Annotated[int, Within("of at least 1", lambda v: v >= 1)]
Seed = Annotated[int, Within("from 0 to 4294967295", lambda v: 0 <= v < 2**32)]
Fraction = Annotated[float, Within("from 0 to 1", lambda v: 0 <= v <= 1)]
Moment = Annotated[float, Within("from 0 to below 1", lambda v: 0 <= v < 1)]
Positive = Annotated[float, Within("above 0", lambda v: v > 0)]


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where the task's rows come from, and how long an example may be."""

    source: str
    revision: str | None
    max_length: Annotated[int, Within("of at least 8", lambda v: v >= 8)]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The pre-trained model."""

    name: str
    revision: str | None


@dataclass(frozen=True, slots=True)
class ReinitConfig:
    """What is drawn afresh before training."""

    num_layers: Annotated[int, Within("of at least 0", lambda v: v >= 0)]
    pooler: bool


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """Adam, its schedule and the clipping of its gradient."""

    lr: Annotated[float, Within("above 0, at most 1", lambda v: 0 < v <= 1)]
    bias_correction: bool
    betas: tuple[Moment, Moment]
    eps: Positive
    weight_decay: Annotated[float, Within("of at least 0", lambda v: v >= 0)]
    warmup: Fraction
    clip_norm: Positive


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """How long, on what and how precisely; one of `epochs` and `max_steps` is always None."""

    epochs: Count | None
    max_steps: Count | None
    batch_size: Count
    accumulate: Count
    eval_batch_size: Count
    evaluations: Count
    precision: Literal["auto", "16-mixed", "bf16-mixed", "32-true"]
    packing: Literal["auto", "packed", "padded"]
    accelerator: Literal["auto", "cpu", "cuda"]
    devices: Annotated[
        int,
        Within(
            "equal to 1: a few-sample run fits one device; use one run per GPU", lambda v: v == 1
        ),
    ]
    select_by: Literal["accuracy", "f1", "mcc", "spearman", "pearson"] | None
    threads: Count | None


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """What is watched during training; reading changes no number."""

    bias_ratio: bool
    weight_change: bool


@dataclass(frozen=True, slots=True)
class WandbConfig:
    """The window on Weights & Biases."""

    mode: Literal["auto", "disabled", "offline", "online"]
    project: str
    entity: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathsConfig:
    """Folders to write to."""

    runs: str
    cache: str | None


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run: everything that decides it. Defaults, units and sources: `conf/base.yaml`."""

    task: Annotated[str, NameIn("tasks")]
    method: Annotated[str, NameIn("methods")]
    length: Literal["3epochs", "longer"]
    scale: Annotated[str, NameIn("scales")]
    seed: Seed
    seed_init: Seed | None
    seed_data: Seed | None
    force: bool
    data: DataConfig
    model: ModelConfig
    reinit: ReinitConfig
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    monitor: MonitorConfig
    wandb: WandbConfig
    paths: PathsConfig

    @property
    def init_seed(self) -> int:
        """Seed of the head and of re-initialised weights."""
        return self.seed if self.seed_init is None else self.seed_init

    @property
    def data_seed(self) -> int:
        """Seed of data order, dropout and masks."""
        return self.seed if self.seed_data is None else self.seed_data


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one dotted key holds: a value of a type, or perhaps None."""

    hint: Any
    optional: bool


def _leaves(config: type, prefix: str = "") -> dict[str, Leaf]:
    leaves: dict[str, Leaf] = {}
    for field in fields(config):
        if is_dataclass(field.type):
            leaves |= _leaves(field.type, f"{prefix}{field.name}.")  # type: ignore[arg-type]
        else:
            args = get_args(field.type)
            optional = type(None) in args
            leaves[prefix + field.name] = Leaf(args[0] if optional else field.type, optional)
    return leaves


KEYS = _leaves(RunConfig)


def names(key: str) -> list[str]:
    """The names that `key` chooses from (`task`, `trainer.precision`); none if it is no choice."""
    args = get_args(KEYS[key].hint)
    if get_origin(KEYS[key].hint) is Literal:
        return list(args)
    if args and isinstance(args[1], NameIn):
        return list(_load(CONF / f"{args[1].file}.yaml"))
    return []


def takes(key: str) -> str:
    """What a value of `key` may be, in words."""
    words = f"one of {', '.join(names(key))}" if names(key) else _words(KEYS[key].hint)
    return words + (", or null" if KEYS[key].optional else "")


def is_list(key: str) -> bool:
    """Whether a value of `key` is a list."""
    return get_origin(KEYS[key].hint) is tuple


def _words(hint: Any) -> str:
    args = get_args(hint)
    if get_origin(hint) is Annotated:
        return f"{_words(args[0])} {args[1].words}"
    if get_origin(hint) is tuple:
        return f"a list{'' if args[1] is ... else f' of {len(args)}'}, each {_words(args[0])}"
    return {bool: "true or false", int: "an integer", float: "a number", str: "text"}[hint]


# ---------------------------------------------------------------- reading a value

_BOOLS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLS |= {"false": False, "0": False, "no": False, "off": False}
_NULL = {"null", "none", "~"}
_ITEM = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*?)\s*(?:,|$)""")


def _read(text: str, key: str) -> Any:
    """Read the value of `key` from what was typed; its type decides, never the look of the text.

    Raises:
        ValueError: the text is no such value. `takes` says what is.
    """
    if not text.strip():  # an unset shell variable, more likely than a wish
        raise ValueError(text)
    if text.strip().lower() in _NULL:
        if KEYS[key].optional:
            return None
        raise ValueError(text)
    choices = names(key)
    return _read_as(text, Literal[tuple(choices)] if choices else KEYS[key].hint)


def _read_as(text: str, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    bare = _unquote(text.strip())
    value: Any = None
    if hint is str:
        value = text if bare == text.strip() else bare
    elif hint is bool:
        value = _BOOLS.get(bare.lower())
    elif hint is int:
        value = int(bare)
    elif hint is float:
        value = float(bare) if isfinite(float(bare)) else None
    elif origin is Literal:
        value = bare if bare in args else None
    elif origin is Annotated:
        inner = _read_as(text, args[0])
        value = inner if args[1].test(inner) else None
    else:  # a tuple, of one kind or of a kind for each place
        items = _items(bare)
        kinds = args[:1] * len(items) if args[1] is ... else args
        if len(items) == len(kinds):
            value = tuple(_read_as(*pair) for pair in zip(items, kinds, strict=True))
    if value is None:
        raise ValueError(text)
    return value


def _items(text: str) -> list[str]:
    """The items of `[a, 'b']`, `(a, b)` or `a, b`, as typed or as Python prints a list."""
    if text[:1] + text[-1:] in ("[]", "()"):
        text = text[1:-1]
    if not text.strip():
        return []
    items = _ITEM.findall(text.strip().removesuffix(","))[:-1]  # the last match is the empty end
    if "" in items:
        raise ValueError(text)
    return [re.sub(r"\\(.)", r"\1", i[1:-1]) if i[0] in "'\"" else i for i in items]


def _unquote(text: str) -> str:
    """Drop one pair of quotes around a text: a shell or a file left it."""
    inner = text[1:-1]
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in inner
    return inner if quoted else text


def nearest(word: str, valid: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing. A key's last part alone counts: `lr` is `optimizer.lr`."""
    leaf = {name: name.rpartition(".")[2] for name in valid}
    word = word.strip().lower()
    last = word.rpartition(".")[2]
    near = [name for name in leaf if leaf[name] == last]
    near = near or get_close_matches(word, leaf, n=2, cutoff=0.7)
    if not near:
        close = get_close_matches(last, leaf.values(), n=1, cutoff=0.7)
        near = [name for name in leaf if leaf[name] in close]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _unknown(key: str) -> str:
    inside = [name for name in KEYS if name.startswith(f"{key}.")]
    if inside:
        return f"{key} is a group, its keys are {', '.join(inside)}"
    return f"unknown key {key}" + (nearest(key, KEYS) or "; `stablebert train --help` lists all")


# ---------------------------------------------------------------- the files


@cache
def _load(path: Path) -> dict[str, Any]:
    """A file of `conf/`. OmegaConf refuses a key given twice and reads 2e-5 as a number."""
    loaded: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    return dict(loaded)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _diff(entry: Mapping[str, Any], chosen: Mapping[str, str], where: str) -> dict[str, Any]:
    """An entry's values and, over them, what it holds for the chosen task, method and length."""
    only = {f"per_{choice}": choice for choice in ("task", "method", "length")}
    values = {}
    for key, raw in _flatten({k: v for k, v in entry.items() if k not in only}).items():
        if key not in KEYS:
            raise ConfigError([f"conf/{where}: {_unknown(key)}"])
        try:  # as text, for the files are then held to the same rules as the command line
            values[key] = _read(str(raw), key)
        except ValueError:
            raise ConfigError([f"conf/{where}: {key}={raw} should be {takes(key)}"]) from None
    for group, choice in only.items():
        inner = entry.get(group, {}).get(chosen[choice], {})
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
        entry: Any = _load(CONF / f"{file}.yaml")
        for name in path:
            entry = entry.get(name) or {}
        kept = {key: value for key, value in entry.items() if key not in without}
        return _diff(kept, chosen, f"{file}.yaml: {' '.join(path)}" if path else f"{file}.yaml")

    task, method, length, scale = (chosen[key] for key in ("task", "method", "length", "scale"))
    below = [diff("base"), diff("tasks", task, without=["length"]), diff("methods", method)]
    above = [
        diff("tasks", task, "length", length),
        diff("scales", scale),
        diff("selected", scale, task, method, without=["provenance"]),
    ]
    # The model's own entry comes before the scale, which may be what names the model.
    name = model or _merge(*below, *above)["model.name"]
    return [*below, diff("models", name, without=["layers"]), *above]


def model_folder(name: str) -> Path | None:
    """The folder that `model.name` means; None for a hub id."""
    folder = _PACKAGE / "glue/demo/model" if name == DEMO else Path(name).expanduser()
    return folder if folder.is_dir() else None


def _layer_count(model: str) -> int | None:
    """Layers of a model, as far as they are known without loading it."""
    if folder := model_folder(model):
        try:
            count = json.loads((folder / "config.json").read_text("utf-8"))["num_hidden_layers"]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no usable config.json: for the loader to say
        return count if isinstance(count, int) else None
    facts: Mapping[str, int] = _load(CONF / "models.yaml").get(model) or {}
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
    base = _load(CONF / "base.yaml")
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


def _command_line(overrides: Sequence[str]) -> tuple[dict[str, Any], set[str], list[str]]:
    """Read what was typed: the good values, the keys of the bad ones, and what is wrong."""
    typed: dict[str, Any] = {}
    refused: set[str] = set()
    problems: list[str] = []
    for argument in map(_unquote, overrides):
        key, equals, text = argument.partition("=")
        if not equals:
            choices = ("task", "method", "length", "scale")
            meant = [f"{choice}={key}" for choice in choices if key in names(choice)]
            near = f"; did you mean {meant[0]}?" if meant else nearest(key, KEYS)
            problems.append(f"{argument} is not of the form KEY=VALUE{near}")
        elif key not in KEYS:
            problems.append(f"{argument}: {_unknown(key)}")
        else:
            try:
                value = _read(text, key)
            except ValueError:
                refused.add(key)
                near = nearest(text, names(key)) if names(key) else ""
                problems.append(f"{argument}: {key} takes {takes(key)}{near}")
                continue
            if typed.setdefault(key, value) != value:
                refused.add(key)
                problems.append(f"{argument}: {key} was typed before with another value")
    return typed, refused, problems


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

    layers = _layer_count(model)
    if layers is not None and depth > layers:
        said = "" if "reinit.num_layers" in typed else f" (from method={values['method']})"
        yield (
            {"task", "method", "length", "scale", "model.name", "reinit.num_layers"},
            f"reinit.num_layers={depth}{said}: model.name={model} has {layers} layers; "
            f"type 0 to {layers}",
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
_BY_CONTENT = {"data.source", "data.revision", "model.name", "model.revision"}


def config_id(cfg: RunConfig, *, data: str, model: str) -> str:
    """Ten hex digits that two runs share when only their seeds differ.

    Args:
        cfg: The run's configuration.
        data: Identity of the data's content, a digest or a hub revision; replaces its address.
        model: The same of the model.
    """
    kept = {
        key: value
        for key, value in _flatten(as_dict(cfg)).items()
        if not {key, key.partition(".")[0]} & _NOT_IN_ID and key not in _BY_CONTENT
    }
    kept |= {"data": data, "model": model, "recipe_version": RECIPE_VERSION}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def knobs() -> Iterator[tuple[str, Any, str]]:
    """Every key with its default and the comment that stands beside it in `base.yaml`."""
    defaults = _flatten(_load(CONF / "base.yaml"))
    group = ""
    for line in (CONF / "base.yaml").read_text("utf-8").splitlines():
        if found := re.match(r"( *)(\w+):(.*?)(?:\s# (.*))?$", line):
            indent, name, value, comment = found.groups()
            key = f"{group}.{name}" if indent else name
            if value.strip():
                yield key, defaults[key], comment or ""
            else:
                group = name
