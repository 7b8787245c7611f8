"""What a configuration is: every key with the values that it takes, and how a value is read.

No torch here, and no merging: that is `config`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from omegaconf import OmegaConf

PACKAGE = Path(__file__).parents[1]
# A wheel carries conf/ inside the package, a checkout beside it. Inside comes first: next to an
# installed package lies everybody's site-packages.
CONF = next(p for p in (PACKAGE / "conf", PACKAGE.parent / "conf") if p.is_dir())


@cache
def load(name: str) -> dict[str, Any]:
    """A file of `conf/`. OmegaConf refuses a key given twice and reads 2e-5 as a number."""
    loaded: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"), resolve=True)
    return dict(loaded)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, from dotted keys to values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


# ---------------------------------------------------------------- what a value may be


@dataclass(frozen=True, slots=True)
class Within:
    """A range: in words, to stand after "a number", and as a test."""

    words: str
    test: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class NameIn:
    """A name that heads an entry of a file in `conf/`; or several, joined by `+`."""

    file: str
    several: bool = False


Count = Annotated[int, Within("of at least 1", lambda v: v >= 1)]
Seed = Annotated[int, Within("from 0 to 4294967295", lambda v: 0 <= v < 2**32)]
Fraction = Annotated[float, Within("from 0 to 1", lambda v: 0 <= v <= 1)]
Moment = Annotated[float, Within("from 0 to below 1", lambda v: 0 <= v < 1)]
NotNegative = Annotated[float, Within("of at least 0", lambda v: v >= 0)]
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
class IntermediateConfig:
    """What is trained on before."""

    task: Annotated[str, NameIn("tasks")] | None


@dataclass(frozen=True, slots=True)
class MixoutConfig:
    """How trained weights are mixed with pre-trained ones."""

    p: Moment
    mask: Literal["neuron", "weight"]


@dataclass(frozen=True, slots=True)
class TrainableConfig:
    """Which part of the model is trained."""

    patterns: tuple[str, ...]
    top_layers: Annotated[int, Within("of at least 0", lambda v: v >= 0)] | None


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """The head's fit before training."""

    l2: NotNegative | None


@dataclass(frozen=True, slots=True)
class RDropConfig:
    """Two passes per step that are to agree."""

    alpha: NotNegative


@dataclass(frozen=True, slots=True)
class EmaConfig:
    """The average of the weights."""

    decay: Moment | None


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """Adam, its schedule and the clipping of its gradient."""

    lr: Annotated[float, Within("above 0, at most 1", lambda v: 0 < v <= 1)]
    bias_correction: bool
    betas: tuple[Moment, Moment]
    eps: Positive
    weight_decay: NotNegative
    decay_to: Literal["zero", "start"]
    layer_decay: Annotated[float, Within("above 0, at most 1", lambda v: 0 < v <= 1)]
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
    method: Annotated[str, NameIn("methods", several=True)]
    length: Literal["3epochs", "longer"]
    scale: Annotated[str, NameIn("scales")]
    seed: Seed
    seed_init: Seed | None
    seed_data: Seed | None
    force: bool
    data: DataConfig
    model: ModelConfig
    reinit: ReinitConfig
    intermediate: IntermediateConfig
    mixout: MixoutConfig
    trainable: TrainableConfig
    probe: ProbeConfig
    rdrop: RDropConfig
    ema: EmaConfig
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
        return list(load(args[1].file))
    return []


def joins(key: str) -> bool:
    """Whether `key` takes several names joined by `+`."""
    args = get_args(KEYS[key].hint)
    return bool(args) and isinstance(args[-1], NameIn) and args[-1].several


def takes(key: str) -> str:
    """What a value of `key` may be, in words."""
    words = f"one of {', '.join(names(key))}" if names(key) else _words(KEYS[key].hint)
    words += ", or several joined by +" if joins(key) else ""
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


def read(text: str, key: str) -> Any:
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
    if joins(key) and "+" in text:
        parts = [_read_as(part, Literal[tuple(choices)]) for part in unquote(text).split("+")]
        return "+".join(sorted(parts, key=choices.index))  # one name, however it was typed
    return _read_as(text, Literal[tuple(choices)] if choices else KEYS[key].hint)


def _read_as(text: str, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    bare = unquote(text.strip())
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


def unquote(text: str) -> str:
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


def unknown(key: str) -> str:
    """What is wrong with a key that is none."""
    inside = [name for name in KEYS if name.startswith(f"{key}.")]
    if inside:
        return f"{key} is a group, its keys are {', '.join(inside)}"
    return f"unknown key {key}" + (nearest(key, KEYS) or "; `stablebert train --help` lists all")


def knobs() -> Iterator[tuple[str, Any, str]]:
    """Every key with its default and the comment that stands beside it in `base.yaml`."""
    defaults = flatten(load("base"))
    group = ""
    for line in (CONF / "base.yaml").read_text("utf-8").splitlines():
        if found := re.match(r"( *)(\w+):(.*?)(?:\s# (.*))?$", line):
            indent, name, value, comment = found.groups()
            key = f"{group}.{name}" if indent else name
            if value.strip():
                yield key, defaults[key], comment or ""
            else:
                group = name
