import itertools

import pytest
import yaml

from stablebert.config import files, schema
from stablebert.config.compose import compose
from stablebert.config.merge import Setting, merge, values_of
from stablebert.config.serialize import flat_values
from stablebert.config.values import choices_of, parse_value
from stablebert.tasks import TASKS
from tests.helpers.config import problem, problems

PLACES = {
    "base": ("base", ()),
    "task": ("tasks", ("rte",)),
    "method": ("methods", ("mine",)),
    "method.per_task": ("methods", ("mine", "per_task", "rte")),
    "model": ("models", ("me/bert",)),
    "model.per_method": ("models", ("me/bert", "per_method", "mine")),
    "length": ("tasks", ("rte", "length", "longer")),
    "scale": ("scales", ("here",)),
    "scale.per_method": ("scales", ("here", "per_method", "mine")),
    "selected": ("selected", ("here", "rte", "mine")),
}


def rates(conf, *layers):
    """Return the learning rate after each of these layers is added to a copy of `conf/`.

    The layers, named as in `PLACES` or "command line", set 0.01, 0.02, ...
    """
    content = {
        "base": yaml.safe_load((files.CONF / "base.yaml").read_text()),
        "tasks": {"rte": {"length": {"longer": {"trainer": {"max_steps": 7}}}}},
        "methods": {"mine": {}},
        "models": {"me/bert": {"layers": 3}},
        "scales": {"here": {"model": {"name": "me/bert"}}},
        "selected": {"here": {"rte": {"mine": {"provenance": {"seeds": [100], "score": 0.5}}}}},
    }
    overrides = ["task=rte", "method=mine", "length=longer", "scale=here"]
    result = []
    for number, layer in enumerate(layers, 1):
        if layer == "command line":
            overrides.append(f"optimizer.lr={number / 100}")
        else:
            file, path = PLACES[layer]
            entry = content[file]
            for name in path:
                entry = entry.setdefault(name, {})
            entry.setdefault("optimizer", {})["lr"] = number / 100
        conf(**content)
        result.append(compose(overrides).optimizer.lr)
    return result


def test_each_layer_overrides_the_one_before(conf):
    layers = ["base", "task", "length", "scale", "selected", "command line"]
    assert rates(conf, *layers) == [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]


def test_a_general_value_does_not_override_what_a_method_sets(conf):
    layers = ["base", "task", "method", "method.per_task", "model", "length", "scale"]
    assert rates(conf, *layers) == [0.01, 0.02, 0.03, 0.04, 0.04, 0.04, 0.04]


def test_an_entry_for_the_method_overrides_what_a_method_sets(conf):
    layers = ["method", "model.per_method", "scale.per_method", "selected", "command line"]
    assert rates(conf, *layers) == [0.01, 0.02, 0.03, 0.04, 0.05]


def test_a_general_value_does_not_override_what_a_model_sets(conf):
    layers = ["base", "task", "model", "length", "scale", "selected", "command line"]
    assert rates(conf, *layers) == [0.01, 0.02, 0.03, 0.03, 0.03, 0.06, 0.07]


def test_an_entry_of_a_scale_for_the_method_overrides_what_a_model_sets(conf):
    assert rates(conf, "model", "scale", "scale.per_method") == [0.01, 0.01, 0.03]


def test_a_scale_holds_values_per_task_method_and_length(conf):
    inner = {"per_length": {"longer": {"reinit": {"num_layers": 3}}}, "reinit": {"num_layers": 2}}
    conf(scales={"here": {"per_task": {"rte": {"reinit": {"num_layers": 1}}},
                          "per_method": {"reinit": inner}}})  # fmt: skip
    depths = [
        compose(["scale=here", *overrides]).reinit.num_layers
        for overrides in ([], ["method=reinit"], ["method=reinit", "length=longer"], ["task=cola"])
    ]
    assert depths == [1, 2, 3, 0]


def test_a_selection_may_be_for_one_length(conf):
    selected = {"per_length": {"longer": {"trainer": {"max_steps": 123}}}}
    conf(selected={"mini": {"rte": {"standard": selected}}})
    overrides = ["scale=mini", "length=longer"]
    assert compose([*overrides, "task=rte"]).trainer.max_steps == 123
    assert compose(["scale=mini", "task=rte"]).trainer.epochs == 3
    assert compose([*overrides, "task=cola"]).trainer.max_steps == 1600


@pytest.mark.parametrize("overrides", [["model.name=me/bert"], ["scale=here"]])
def test_the_values_of_the_model_in_use_apply(conf, overrides):
    conf(models={"me/bert": {"data": {"max_length": 64}}},
         scales={"here": {"model": {"name": "me/bert"}}})  # fmt: skip
    assert compose(overrides).data.max_length == 64
    assert compose([]).data.max_length == 128


def test_an_unknown_key_in_a_file_is_refused(conf):
    conf(methods={"mine": {"optimiser": {"lr": 1}}})
    assert problem("method=mine") == (
        "conf/methods.yaml: mine: unknown key optimiser.lr; did you mean optimizer.lr?"
    )


def test_an_invalid_value_in_a_file_is_refused(conf):
    conf(methods={"mine": {"optimizer": {"lr": "fast"}}})
    assert problem("method=mine") == (
        "conf/methods.yaml: mine: optimizer.lr=fast: optimizer.lr takes a number above 0, at most 1"
    )


@pytest.mark.parametrize("override", ["seed.init=1", "method=mine"])
def test_a_key_under_a_value_does_not_turn_it_into_a_group(conf, override):  # docs/pitfalls.md, 30
    conf(methods={"mine": {"seed": {"init": 1}}})
    assert "unknown key seed.init; did you mean seed_init?" in problem(override)


def test_steps_replace_the_epochs_of_an_earlier_layer():
    merged = merge({"trainer.epochs": Setting(3)}, {"trainer.max_steps": Setting(50)})
    assert values_of(merged) == {"trainer.epochs": None, "trainer.max_steps": 50}


def test_epochs_replace_the_steps_of_an_earlier_layer():
    merged = merge({"trainer.max_steps": Setting(50)}, {"trainer.epochs": Setting(3)})
    assert values_of(merged) == {"trainer.epochs": 3, "trainer.max_steps": None}


def test_steps_on_the_command_line_replace_the_epochs():
    trainer = compose(["trainer.max_steps=50"]).trainer
    assert (trainer.max_steps, trainer.epochs) == (50, None)


def test_epochs_on_the_command_line_replace_the_steps_of_a_scale(conf):
    conf(scales={"here": {"trainer": {"max_steps": 9}}})
    trainer = compose(["scale=here", "trainer.epochs=5"]).trainer
    assert (trainer.max_steps, trainer.epochs) == (None, 5)


def test_a_large_task_trains_longer_if_the_steps_are_given():
    cfg = compose(["scale=mini", "task=mnli", "length=longer", "trainer.max_steps=50000"])
    assert (cfg.length, cfg.trainer.max_steps) == ("longer", 50000)


def test_a_selection_for_one_method_applies_to_combinations(conf):
    conf(selected={"mini": {"rte": {"reinit": {"reinit": {"num_layers": 2}}}}})
    assert compose(["method=mixout+reinit", "scale=mini"]).reinit.num_layers == 2


def test_a_selection_for_a_combination_applies_to_it_alone(conf):
    conf(selected={"mini": {"rte": {"mixout": {"mixout": {"p": 0.3}},
                                    "reinit+mixout": {"mixout": {"p": 0.5}}}}})  # fmt: skip
    rates = [compose([f"method={m}", "scale=mini"]).mixout.p for m in ("mixout", "mixout+reinit")]
    assert rates == [0.3, 0.5]


# ---------------------------------------------------------------- definitions survive

CONF = {
    name: yaml.safe_load((files.CONF / f"{name}.yaml").read_text())
    for name in ("methods", "models", "scales", "selected", "tasks")
}
MODELS = [
    *("google-bert/bert-large-uncased", "xlnet/xlnet-large-cased", "FacebookAI/roberta-large"),
    *("google/electra-large-discriminator", "facebook/bart-large"),
    "distilbert/distilbert-base-cased",
]
"""One model without settings of its own, and every model that has some."""
WITHOUT_STEPS = {("longer", task) for task, entry in CONF["tasks"].items() if not entry}


def keys_of(entry):
    """Return the dotted keys that an entry sets, anywhere in it."""
    keys = set()
    for key in files.flatten(entry or {}):
        names = key.split(".")
        while names[0].startswith("per_"):
            names = names[2:]
        keys.add(".".join(names))
    return keys


def definition(entry, task):
    """Return the values that a method or model sets for a task."""
    facts = {"per_task", "per_method", "per_length", "layers", "aliases", "config", "paper"}
    values = files.flatten({key: value for key, value in (entry or {}).items() if key not in facts})
    values |= files.flatten((entry or {}).get("per_task", {}).get(task, {}))
    if values.get("trainer.max_steps"):  # epochs and steps are one value
        values["trainer.epochs"] = None
    elif values.get("trainer.epochs"):
        values["trainer.max_steps"] = None
    return values


def keys_for_method(scale, model, method, task):
    """Return the keys that entries for a method set."""
    entries = [CONF["scales"][scale], CONF["models"][model]]
    entries = [entry.get("per_method", {}).get(method) for entry in entries]
    selected = CONF["selected"].get(scale, {}).get(task, {}).get(method, {})
    entries.append({key: value for key, value in selected.items() if key != "provenance"})
    return set().union(*map(keys_of, entries))


SCALES = choices_of("scale")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("length", choices_of("length"))
@pytest.mark.parametrize("method", [m for m in choices_of("method") if m != "longer"])
def test_what_a_method_or_model_sets_survives(scale, length, method):
    """Each method and length meets every pair of a task and a model at one of the scales."""
    for (i, task), (j, model) in itertools.product(enumerate(TASKS), enumerate(MODELS)):
        if (i + j) % len(SCALES) != SCALES.index(scale):
            continue
        overrides = [f"scale={scale}", f"length={length}", f"method={method}", f"task={task}"]
        overrides += [f"model.name={model}", "data.source=hub"]
        own = definition(CONF["models"][model], task) | definition(CONF["methods"][method], task)
        if length == "longer" and "trainer.epochs" in own:
            assert any("has its own length" in problem for problem in problems(*overrides))
        elif (task, method) != ("mnli", "intermediate") and (length, task) not in WITHOUT_STEPS:
            values = flat_values(compose(overrides))
            for key in own.keys() - keys_for_method(scale, model, method, task):
                assert (key, values[key]) == (key, parse_value(str(own[key]), key))


def test_all_models_with_settings_are_listed_here():
    settings = {"optimizer", "trainer", "data", "per_task"}
    assert {name for name, entry in CONF["models"].items() if settings & {*entry}} == {*MODELS[1:]}


def test_steps_that_a_model_trains_for_are_not_those_of_longer():
    assert problem("scale=paper", "model.name=roberta-large", "length=longer") == (
        "length=longer: conf/models.yaml (FacebookAI/roberta-large per_task rte) has its own "
        "length of training, trainer.max_steps=2036, and no per_length entry for longer; add it, "
        "or set trainer.max_steps=N"
    )


def test_epochs_that_a_method_sets_are_not_those_of_longer():
    assert "conf/methods.yaml (mosbach) has its own length of training, trainer.epochs=20" in (
        problem("scale=demo", "method=mosbach", "length=longer")
    )


def test_a_model_may_have_steps_of_its_own_for_longer(conf):
    own = {"trainer": {"max_steps": 50}, "per_length": {"longer": {"trainer": {"max_steps": 90}}}}
    conf(models={"me/bert": own})
    overrides = ["scale=paper", "model.name=me/bert"]
    assert compose(overrides).trainer.max_steps == 50
    assert compose([*overrides, "length=longer"]).trainer.max_steps == 90


def test_steps_on_the_command_line_replace_those_of_the_model_under_longer():
    overrides = ["scale=paper", "model.name=roberta-large", "length=longer"]
    assert compose([*overrides, "trainer.max_steps=4000"]).trainer.max_steps == 4000


def test_a_combination_keeps_the_definitions_of_both_methods():
    cfg = compose(["scale=mini", "method=llrd+mosbach", "model.name=roberta-large", "task=rte"])
    assert (cfg.trainer.epochs, cfg.trainer.max_steps, cfg.optimizer.layer_decay) == (
        20,
        None,
        0.95,
    )


# ---------------------------------------------------------------- the values that ship


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.name", "google-bert/bert-large-uncased"),
        ("optimizer.lr", 2e-5),
        ("optimizer.betas", (0.9, 0.999)),
        ("optimizer.eps", 1e-8),
        ("optimizer.warmup", 0.1),
        ("optimizer.clip_norm", 1.0),
        ("optimizer.bias_correction", True),
        ("trainer.epochs", 3),
        ("trainer.batch_size", 32),
        ("trainer.evaluations", 10),
        ("trainer.precision", "16-mixed"),
    ],
)
def test_the_paper_scale_has_the_values_of_the_paper(key, value):
    assert flat_values(compose(["scale=paper"]))[key] == value


@pytest.mark.parametrize(
    ("task", "depth"),
    [("rte_1k", 6), ("mrpc_1k", 5), ("stsb_1k", 4), ("cola_1k", 1), ("sst2_1k", 2), ("qnli_1k", 4),
     ("qqp_1k", 3), ("mnli_1k", 5), ("rte", 5), ("mrpc", 5), ("stsb", 4), ("cola", 1)],
)  # fmt: skip
def test_reinit_has_the_depths_of_the_paper(task, depth):
    cfg = compose([f"task={task}", "method=reinit", "scale=paper"])
    assert cfg.reinit == schema.ReinitConfig(num_layers=depth, skip=0, pooler=True)


@pytest.mark.parametrize(
    ("task", "steps"),
    [("rte", 400), ("mrpc", 800), ("stsb", 1600), ("cola", 1600), ("rte_1k", 800)],
)
def test_longer_is_a_number_of_steps_per_task(task, steps):
    trainer = compose(["scale=paper", f"task={task}", "length=longer"]).trainer
    assert (trainer.max_steps, trainer.epochs) == (steps, None)


@pytest.mark.parametrize(
    ("model", "task", "expected"),
    [
        ("xlnet/xlnet-large-cased", "rte", (3e-5, 800, None, 32, 200)),
        ("xlnet/xlnet-large-cased", "mrpc", (5e-5, 800, None, 32, 200)),
        ("xlnet/xlnet-large-cased", "stsb", (5e-5, 3000, None, 32, 500)),
        ("xlnet/xlnet-large-cased", "cola", (3e-5, 1200, None, 128, 120)),
        ("FacebookAI/roberta-large", "rte", (2e-5, 2036, None, 16, 122)),
        ("FacebookAI/roberta-large", "mrpc", (1e-5, 2296, None, 16, 137)),
        ("FacebookAI/roberta-large", "stsb", (2e-5, 3598, None, 16, 214)),
        ("FacebookAI/roberta-large", "cola", (1e-5, 5336, None, 16, 320)),
        ("google/electra-large-discriminator", "rte", (5e-5, None, 10, 32, None)),
        ("google/electra-large-discriminator", "mrpc", (5e-5, None, 3, 32, None)),
        ("google/electra-large-discriminator", "stsb", (5e-5, None, 10, 32, None)),
        ("google/electra-large-discriminator", "cola", (5e-5, None, 3, 32, None)),
        ("facebook/bart-large", "rte", (1e-5, 1018, None, 32, 61)),
        ("facebook/bart-large", "mrpc", (2e-5, 1148, None, 64, 68)),
        ("facebook/bart-large", "stsb", (2e-5, 1799, None, 32, 107)),
        ("facebook/bart-large", "cola", (2e-5, 1334, None, 64, 80)),
    ],
)
def test_large_models_have_the_values_of_table_6(model, task, expected):
    cfg = compose([f"model.name={model}", f"task={task}", "scale=paper"])
    steps = cfg.trainer.max_steps
    warmup = int(cfg.optimizer.warmup * steps) if steps else None
    length = (steps, cfg.trainer.epochs, cfg.trainer.batch_size)
    assert (cfg.optimizer.lr, *length, warmup) == expected
    assert cfg.optimizer.layer_decay == (0.9 if "electra" in model else 1.0)


@pytest.mark.parametrize(
    ("scale", "method"), list(itertools.product(choices_of("scale"), choices_of("method")))
)
def test_each_method_except_standard_changes_something(scale, method):
    standard = flat_values(compose([f"scale={scale}", "method=standard"]))
    other = flat_values(compose([f"scale={scale}", f"method={method}"]))
    changed = {key for key in standard if standard[key] != other[key]} - {"method"}
    assert bool(changed) == (method != "standard")
