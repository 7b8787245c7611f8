"""Contradictions between the keys of a configuration: one small rule each.

A value on the command line that repeats the files contradicts nothing, so that a printed
configuration can be typed back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from stablebert.config.files import describe_file, flatten, load_conf
from stablebert.config.merge import LENGTH, SELECTORS, Settings, method_settings, values_of
from stablebert.config.recognition import layer_count
from stablebert.config.schema import KEYS
from stablebert.config.serialize import format_value
from stablebert.tasks import DEMO, TASKS, is_generated


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration before it is accepted: flat mappings from dotted keys to values."""

    overrides: Mapping[str, Any]
    """Values from the command line."""
    files: Settings
    """Settings from the files of `conf/`, merged."""
    values: Mapping[str, Any]
    """Values from both, merged."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A check of one contradiction.

    Attributes:
        keys: The keys whose values it compares, and those on which the files let these depend. A
            rule is skipped if one of them has been refused already, because it would then judge a
            default that the user did not ask for.
        check: The check itself; yields one sentence per problem.
    """

    keys: frozenset[str]
    check: Callable[[Candidate], Iterator[str]]


RULES: list[Rule] = []
"""Every rule, in the order in which problems are reported."""


def _rule(*keys: str) -> Callable[[Callable[[Candidate], Iterator[str]]], Rule]:
    def register(check: Callable[[Candidate], Iterator[str]]) -> Rule:
        RULES.append(Rule(frozenset(keys), check))
        return RULES[-1]

    return register


def contradictions(candidate: Candidate, refused_keys: set[str]) -> list[str]:
    """Return every contradiction that involves none of the refused keys."""
    return [
        problem
        for rule in RULES
        if not rule.keys & refused_keys
        for problem in rule.check(candidate)
    ]


# ---------------------------------------------------------------- length of training

_LENGTH = (*SELECTORS, "trainer.epochs", "trainer.max_steps")


@_rule("trainer.epochs", "trainer.max_steps")
def epochs_or_steps(c: Candidate) -> Iterator[str]:
    """Refuse epochs and steps on one command line: both set the length of training."""
    epochs, steps = c.overrides.get("trainer.epochs"), c.overrides.get("trainer.max_steps")
    if epochs is not None and steps is not None:
        yield f"trainer.epochs={epochs} and trainer.max_steps={steps} both set the length; drop one"


@_rule(*_LENGTH)
def some_length(c: Candidate) -> Iterator[str]:
    """Refuse null for both epochs and steps."""
    no_length = c.values["trainer.epochs"] is None and c.values["trainer.max_steps"] is None
    if c.values["length"] != "longer" and no_length:
        yield "trainer.epochs and trainer.max_steps are both null; set one"


@_rule(*_LENGTH)
def longer_without_epochs(c: Candidate) -> Iterator[str]:
    """Refuse epochs with `length=longer`, which is a number of steps."""
    epochs = c.overrides.get("trainer.epochs")
    if c.values["length"] == "longer" and epochs is not None:
        yield f"length=longer is counted in steps; drop it or trainer.epochs={epochs}"


@_rule(*_LENGTH)
def longer_has_steps(c: Candidate) -> Iterator[str]:
    """Require a number of steps for `length=longer`, from the files or the command line."""
    steps = _steps_of_longer(c) or c.overrides.get("trainer.max_steps")
    if c.values["length"] != "longer" or steps:
        return
    key = next(key for key in LENGTH if c.files[key].value is not None)
    setting = c.files[key]
    if setting.file == "base":
        task = c.values["task"]
        reason, advice = f"the paper trains task={task} for three epochs only", ""
        if TASKS[task].own:
            reason = f"the entry of task={task} has no longer_steps"
            advice = ", or longer_steps in the entry"
        yield (
            f"length=longer: {reason}, so its number of steps is unknown; set "
            f"trainer.max_steps=N{advice}"
        )
    else:
        yield (
            f"length=longer: {setting.origin} has its own length of training, {key}="
            f"{setting.value}, and no per_length entry for longer; add it, or set "
            "trainer.max_steps=N"
        )


@_rule(*_LENGTH)
def longer_as_planned(c: Candidate) -> Iterator[str]:
    """Refuse a number of steps that contradicts `length=longer`."""
    planned_steps = _steps_of_longer(c)
    steps = c.overrides.get("trainer.max_steps", planned_steps)
    if c.values["length"] == "longer" and planned_steps is not None and steps != planned_steps:
        yield (
            f"length=longer is {planned_steps} steps for task={c.values['task']}; "
            f"drop it or trainer.max_steps={format_value(steps)}"
        )


def _steps_of_longer(c: Candidate) -> int | None:
    """Return the number of steps in the files that is meant for `length=longer`."""
    setting = c.files["trainer.max_steps"]
    steps: int | None = setting.value if setting.is_for_length else None
    return steps


# ---------------------------------------------------------------- methods


@_rule("task", "method")
def each_method_once(c: Candidate) -> Iterator[str]:
    """Refuse a method that is combined with itself."""
    methods = c.values["method"].split("+")
    if len(set(methods)) < len(methods):
        yield f"method={c.values['method']}: name each method once"


@_rule("task", "method")
def standard_alone(c: Candidate) -> Iterator[str]:
    """Refuse `standard` in a combination, because it changes nothing."""
    methods = c.values["method"].split("+")
    if len(methods) > 1 and "standard" in methods:
        yield (
            f"method={c.values['method']}: standard is the baseline that methods differ from; "
            "drop it"
        )


@_rule(*SELECTORS)
def methods_agree(c: Candidate) -> Iterator[str]:
    """Refuse two methods that set one key to different values, unless it is set for both."""
    method, task, scale = (c.values[key] for key in ("method", "task", "scale"))
    model = c.files["model.like"].value
    settings = {
        name: values_of(method_settings(task, name, c.values["length"], scale, model))
        for name in method.split("+")
    }
    settled_keys = {key for key, s in c.files.items() if s.path == (scale, task, method)}
    for a, b in combinations(settings, 2):
        common_keys = settings[a].keys() & settings[b].keys() - settled_keys - c.overrides.keys()
        differing_keys = [key for key in settings[a] if key in common_keys]
        differing_keys = [key for key in differing_keys if settings[a][key] != settings[b][key]]
        if differing_keys:
            ours, theirs = (_assignments(differing_keys, settings[name]) for name in (a, b))
            advice = f"set {' and '.join(differing_keys)} to combine them"
            yield f"method={method}: {a} has {ours}, {b} has {theirs}; {advice}"


def _assignments(keys: Sequence[str], values: Mapping[str, Any]) -> str:
    return " and ".join(f"{key}={format_value(values[key])}" for key in keys)


@_rule(*SELECTORS, "reinit.num_layers")
def method_has_values(c: Candidate) -> Iterator[str]:
    """Require a value for the task of each key that a method sets task by task."""
    task = c.values["task"]
    for name in c.values["method"].split("+"):
        entries = load_conf("methods")[name].get("per_task", {})
        for key in dict.fromkeys(key for entry in entries.values() for key in flatten(entry)):
            if c.files[key].file == "base" and key not in c.overrides:
                file = describe_file("methods", name)
                yield (
                    f"method={name}: {file} has no {key} for task={task}; add it to per_task, or "
                    f"set {key}"
                )


@_rule(*SELECTORS, "trainable.top_layers", "reinit.num_layers", "reinit.skip")
def reinitialized_is_trained(c: Candidate) -> Iterator[str]:
    """Require that re-initialized layers are trained."""
    top, (setting, depth) = c.values["trainable.top_layers"], _reinit_depth(c)
    if top is not None and top < depth:
        yield (
            f"trainable.top_layers={top}: {setting} would freeze layers at random weights; train "
            f"at least {depth}"
        )


def _reinit_depth(c: Candidate) -> tuple[str, int]:
    """Return the settings of re-initialization, and the depth of the lowest layer that it draws."""
    depth, skip = c.values["reinit.num_layers"], c.values["reinit.skip"]
    setting = f"reinit.num_layers={depth}" + (f" and reinit.skip={skip}" if skip else "")
    return setting, depth + skip if depth else 0


@_rule(*SELECTORS, "reinit.num_layers", "reinit.skip")
def skip_is_of_reinit(c: Candidate) -> Iterator[str]:
    """Refuse layers to skip without layers to re-initialize."""
    skip = c.values["reinit.skip"]
    if skip and not c.values["reinit.num_layers"]:
        yield f"reinit.skip={skip} has no effect with reinit.num_layers=0; drop it"


@_rule("task", "method", "intermediate.task")
def intermediate_differs(c: Candidate) -> Iterator[str]:
    """Refuse an intermediate task that is the task itself."""
    task = c.values["task"]
    if c.values["intermediate.task"] == task:
        yield f"intermediate.task={task} is the task itself; choose another"


@_rule("method", "optimizer.decay_to", "optimizer.weight_decay")
def decay_has_strength(c: Candidate) -> Iterator[str]:
    """Require a weight decay for decay toward the start."""
    if c.values["optimizer.decay_to"] == "start" and not c.values["optimizer.weight_decay"]:
        yield "optimizer.decay_to=start has no effect with optimizer.weight_decay=0; set it above 0"


@_rule("method", "ema.decay", "swa.start")
def one_average(c: Candidate) -> Iterator[str]:
    """Refuse two averages of the weights."""
    decay, start = c.values["ema.decay"], c.values["swa.start"]
    if decay is not None and start < 1:
        yield f"ema.decay={decay} and swa.start={start} both average the weights; drop one"


@_rule(*SELECTORS, "swa.start", "optimizer.warmup")
def constant_rate_is_not_rising(c: Candidate) -> Iterator[str]:
    """Refuse a constant learning rate that begins during the warm-up, perhaps at 0."""
    start, warmup = c.values["swa.start"], c.values["optimizer.warmup"]
    if start < warmup:
        yield (
            f"swa.start={start} is during the warm-up, optimizer.warmup={warmup}; choose at least "
            f"{warmup}"
        )


@_rule("method", "adapter.kind", "mixout.p", "optimizer.decay_to")
def adapters_have_no_pretrained_weights(c: Candidate) -> Iterator[str]:
    """Refuse adapters with what keeps trained weights near pre-trained ones."""
    kind, p, decay_to = (c.values[k] for k in ("adapter.kind", "mixout.p", "optimizer.decay_to"))
    if kind and p:
        yield f"mixout.p={p}: adapter.kind={kind} has no pre-trained weights to mix with; drop one"
    if kind and decay_to == "start":
        yield (
            f"optimizer.decay_to=start: adapter.kind={kind} has no pre-trained weights to decay "
            "to; drop one"
        )


@_rule("method", "adapter.kind", "optimizer.matrices")
def muon_has_matrices(c: Candidate) -> Iterator[str]:
    """Refuse Muon for (IA)³, which trains no weight matrix of a layer."""
    if c.values["optimizer.matrices"] == "muon" and c.values["adapter.kind"] == "ia3":
        yield "optimizer.matrices=muon: adapter.kind=ia3 trains vectors, no matrices; drop one"


@_rule("method", "adapter.kind", "adapter.rank", "adapter.alpha")
def rank_is_of_lora(c: Candidate) -> Iterator[str]:
    """Refuse settings of LoRA without it, which would change nothing but the `config_id`."""
    for key in ("adapter.rank", "adapter.alpha"):
        value = c.values[key]
        if c.values["adapter.kind"] != "lora" and value != KEYS[key].metadata["neutral"]:
            yield f"{key}={value} has no effect without adapter.kind=lora; drop it"


@_rule("method", "mixout.p", "mixout.mask")
def mask_is_of_mixout(c: Candidate) -> Iterator[str]:
    """Refuse a mask of Mixout without it."""
    mask = c.values["mixout.mask"]
    if not c.values["mixout.p"] and mask != KEYS["mixout.mask"].metadata["neutral"]:
        yield f"mixout.mask={mask} has no effect with mixout.p=0; drop it"


@_rule("method", "adapter.kind", "optimizer.weight_decay")
def factors_do_not_decay(c: Candidate) -> Iterator[str]:
    """Refuse weight decay of (IA)³, whose factors would shrink from 1 toward 0."""
    decay = c.values["optimizer.weight_decay"]
    if c.values["adapter.kind"] == "ia3" and decay:
        yield (
            f"optimizer.weight_decay={decay} would shrink the factors of adapter.kind=ia3 from 1 "
            "toward 0; set it to 0"
        )


# ---------------------------------------------------------------- model and data


@_rule(*SELECTORS, "model.name", "reinit.num_layers", "reinit.skip")
def reinit_depth_exists(c: Candidate) -> Iterator[str]:
    """Require that the model has the layers to re-initialize."""
    (setting, depth), model = _reinit_depth(c), c.values["model.name"]
    layers = layer_count(model, c.values["model.revision"])
    if layers is not None and depth > layers:
        origin = "" if "reinit.num_layers" in c.overrides else f" (method={c.values['method']})"
        yield (
            f"{setting}{origin}: model.name={model} has {layers} layers; "
            f"choose 0 to {layers}{' in all' if c.values['reinit.skip'] else ''}"
        )


@_rule("scale", "model.name", "trainable.top_layers")
def trainable_layers_exist(c: Candidate) -> Iterator[str]:
    """Require that the model has the layers to train."""
    top, model = c.values["trainable.top_layers"], c.values["model.name"]
    layers = layer_count(model, c.values["model.revision"])
    if layers is not None and top is not None and top > layers:
        yield (
            f"trainable.top_layers={top}: model.name={model} has {layers} layers; "
            f"choose 0 to {layers}"
        )


@_rule("scale", "model.name", "data.source")
def demo_model_on_demo_data(c: Candidate) -> Iterator[str]:
    """Refuse other data for the demo's model, which knows no other language."""
    source = c.values["data.source"]
    if c.values["model.name"] == DEMO and not is_generated(source):
        yield (
            f"data.source={source}: model.name=demo only knows the language of the demo tasks; "
            "use scale=mini, scale=paper or model.name=..."
        )


@_rule("task", "scale", "data.source")
def demo_tasks_are_small(c: Candidate) -> Iterator[str]:
    """Refuse 1,000-sample versions of demo tasks, and tasks of the user's own."""
    task, source = TASKS[c.values["task"]], c.values["data.source"]
    if task.own and is_generated(source):
        yield f"task={task.name}: data.source={source} does not generate it; use scale=mini"
    elif task.few_sample and is_generated(source):
        yield (
            f"task={task.name}: demo tasks have no 1,000-sample version; "
            f"use task={task.config} or scale=mini"
        )


# ---------------------------------------------------------------- batches and metrics


@_rule(*SELECTORS, "trainer.batch_size", "trainer.accumulate")
def batch_divides(c: Candidate) -> Iterator[str]:
    """Require a batch size that splits into equal micro-batches."""
    batch, parts = c.values["trainer.batch_size"], c.values["trainer.accumulate"]
    if batch % parts:
        yield (
            f"trainer.batch_size={batch} is not divisible by trainer.accumulate={parts}, the "
            "number of equal micro-batches"
        )


@_rule("task", "trainer.select_by")
def metric_of_task(c: Candidate) -> Iterator[str]:
    """Require that the metric that selects the best weights is one of the task's."""
    metric, task = c.values["trainer.select_by"], c.values["task"]
    allowed = [m.key for m in TASKS[task].metrics if m.lowest is not None]
    if metric is not None and metric not in allowed:
        yield f"trainer.select_by={metric}: task={task} has {', '.join(allowed)}"
