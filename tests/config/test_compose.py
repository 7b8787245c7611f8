import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stablebert.config import files, identity, schema
from stablebert.config.compose import compose
from stablebert.config.files import documented_keys, flatten
from stablebert.config.identity import config_id, prerequisite
from stablebert.config.schema import KEYS
from stablebert.config.serialize import as_dict, to_yaml
from stablebert.config.values import choices_of, parse_value
from stablebert.errors import ConfigError
from stablebert.tasks import TASKS

ROOT = Path(__file__).parents[2]
FULL_LARGE = ("sst2", "qnli", "qqp", "mnli")


def problems(*overrides):
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def problem(*overrides):
    (only,) = problems(*overrides)
    return only


def value(cfg, key):
    for name in key.split("."):
        cfg = getattr(cfg, name)
    return cfg


def flat(cfg):
    return {key: value(cfg, key) for key in KEYS}


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A function that changes a copy of conf/: `conf(methods={"mine": {...}})`."""
    folder = tmp_path / "conf"
    shutil.copytree(files.CONF, folder)
    monkeypatch.setattr(files, "CONF", folder)

    def change(**entries_of):
        for file, entries in entries_of.items():
            path = folder / f"{file}.yaml"
            path.write_text(yaml.safe_dump((yaml.safe_load(path.read_text()) or {}) | entries))
        files.load_conf.cache_clear()

    yield change
    files.load_conf.cache_clear()


# ---------------------------------------------------------------- the shipped files


def test_all_config_files_are_seen():  # trap 17
    shipped = sorted(path.name for path in files.CONF.rglob("*"))
    assert shipped == [
        f"{n}.yaml" for n in ("base", "methods", "models", "scales", "selected", "tasks")
    ]
    assert all(isinstance(files.load_conf(name.removesuffix(".yaml")), dict) for name in shipped)


def test_every_combination_composes_or_says_why_not():
    composed, refused = 0, 0
    methods = [name for name in choices_of("method") if name != "longer"]
    for task, method, length, scale in itertools.product(
        choices_of("task"), methods, choices_of("length"), choices_of("scale")
    ):
        words = [f"task={task}", f"method={method}", f"length={length}", f"scale={scale}"]
        if method == "intermediate" and task == "mnli":
            assert any("task=mnli is the task itself" in said for said in problems(*words))
            refused += 1
        elif scale == "demo" and task.endswith("_1k"):
            assert "have no 1,000-sample version" in problem(*words)
            refused += 1
        elif scale != "demo" and length == "longer" and task in FULL_LARGE:
            assert "for three epochs only" in problem(*words)
            refused += 1
        else:
            cfg = compose(words)
            assert (cfg.task, cfg.method, cfg.length, cfg.scale) == (task, method, length, scale)
            assert (cfg.reinit.num_layers > 0) == (method == "reinit")
            assert (cfg.trainer.max_steps is None) == (length == "3epochs")
            assert (cfg.trainer.epochs is None) == (length == "longer")
            composed += 1
    impossible = 4  # MNLI before MNLI, and not refused anyway for its length
    assert refused == 24 * len(methods) + impossible
    assert composed == 72 * len(methods) - impossible


def test_names_are_the_tasks():
    assert choices_of("task") == list(TASKS)
    assert len(TASKS) == 16


def test_base_holds_every_key_once_with_a_comment():
    seen = list(documented_keys())
    assert [key for key, _ in seen] == list(KEYS)
    assert all(comment for _, comment in seen)


def test_defaults_are_the_papers():
    cfg = compose(["scale=paper"])
    assert cfg.model.name == "google-bert/bert-large-uncased"
    assert (cfg.optimizer.lr, cfg.optimizer.betas, cfg.optimizer.eps) == (2e-5, (0.9, 0.999), 1e-8)
    assert (cfg.optimizer.warmup, cfg.optimizer.clip_norm) == (0.1, 1.0)
    assert (cfg.trainer.epochs, cfg.trainer.batch_size, cfg.trainer.evaluations) == (3, 32, 10)
    assert cfg.trainer.precision == "16-mixed"
    assert cfg.optimizer.bias_correction


@pytest.mark.parametrize(
    ("task", "depth"),
    [("rte_1k", 6), ("mrpc_1k", 5), ("stsb_1k", 4), ("cola_1k", 1), ("sst2_1k", 2), ("qnli_1k", 4),
     ("qqp_1k", 3), ("mnli_1k", 5), ("rte", 5), ("mrpc", 5), ("stsb", 4), ("cola", 1)],
)  # fmt: skip
def test_reinit_depths(task, depth):
    cfg = compose([f"task={task}", "method=reinit", "scale=paper"])
    assert cfg.reinit == schema.ReinitConfig(num_layers=depth, pooler=True)


@pytest.mark.parametrize(
    ("task", "steps"),
    [("rte", 400), ("mrpc", 800), ("stsb", 1600), ("cola", 1600), ("rte_1k", 800)],
)
def test_longer_steps(task, steps):
    trainer = compose(["scale=paper", f"task={task}", "length=longer"]).trainer
    assert (trainer.max_steps, trainer.epochs) == (steps, None)


def test_each_method_differs_from_standard():
    for scale, method in itertools.product(choices_of("scale"), choices_of("method")):
        words = [f"scale={scale}", "task=rte"]
        standard = flat(compose([*words, "method=standard"]))
        other = flat(compose([*words, f"method={method}"]))
        changed = {key for key in KEYS if standard[key] != other[key]} - {"method"}
        assert bool(changed) == (method != "standard"), method


def test_the_wheel_carries_conf_inside_the_package():
    assert ROOT / "conf" == files.CONF


# ---------------------------------------------------------------- merging


def test_each_level_beats_the_one_before(conf):
    rates = (f"0.0{i}" for i in range(1, 10))
    base = yaml.safe_load((files.CONF / "base.yaml").read_text())
    tasks = yaml.safe_load((files.CONF / "tasks.yaml").read_text())

    def lr(rate):
        return {"optimizer": {"lr": float(rate)}}

    def expect(rate, *words):
        cfg = compose(["task=rte", "method=mine", "length=longer", "scale=here", *words])
        assert cfg.optimizer.lr == float(rate)

    conf(methods={"mine": {}}, scales={"here": {"model": {"name": "me/bert"}}})
    conf(base=base | {"optimizer": base["optimizer"] | {"lr": float(rate := next(rates))}})
    expect(rate)
    conf(tasks={"rte": tasks["rte"] | lr(rate := next(rates))})
    expect(rate)
    conf(methods={"mine": lr(rate := next(rates))})
    expect(rate)
    conf(methods={"mine": lr(rate) | {"per_task": {"rte": lr(rate := next(rates)), "cola": lr(1)}}})
    expect(rate)
    conf(models={"me/bert": {"layers": 3} | lr(rate := next(rates))})
    expect(rate)
    longer = lr(rate := next(rates)) | {"trainer": {"max_steps": 7}}
    conf(tasks={"rte": {"length": {"longer": longer}} | lr(1)})
    expect(rate)
    conf(scales={"here": {"model": {"name": "me/bert"}} | lr(rate := next(rates))})
    expect(rate)
    chosen = lr(rate := next(rates)) | {"provenance": {"seeds": [100, 101], "score": 0.5}}
    conf(selected={"here": {"rte": {"mine": chosen}}})
    expect(rate)
    expect("0.5", "optimizer.lr=0.5")


def test_a_scale_holds_values_per_task_method_and_length(conf):
    inner = {"per_length": {"longer": {"reinit": {"num_layers": 3}}}, "reinit": {"num_layers": 2}}
    conf(scales={"here": {"per_task": {"rte": {"reinit": {"num_layers": 1}}},
                          "per_method": {"reinit": inner}}})  # fmt: skip
    depths = [
        compose(["scale=here", *words]).reinit.num_layers
        for words in ([], ["method=reinit"], ["method=reinit", "length=longer"], ["task=cola"])
    ]
    assert depths == [1, 2, 3, 0]


def test_a_selection_may_hold_a_length(conf):
    chosen = {"per_length": {"longer": {"trainer": {"max_steps": 123}}}}
    conf(selected={"mini": {"rte": {"standard": chosen}}})
    words = ["scale=mini", "length=longer"]
    assert compose([*words, "task=rte"]).trainer.max_steps == 123
    assert compose(["scale=mini", "task=rte"]).trainer.epochs == 3
    assert compose([*words, "task=cola"]).trainer.max_steps == 1600


@pytest.mark.parametrize("words", [["model.name=me/bert"], ["scale=here"]])
def test_the_entry_of_the_model_that_is_used_counts(conf, words):
    conf(models={"me/bert": {"data": {"max_length": 64}}},
         scales={"here": {"model": {"name": "me/bert"}}})  # fmt: skip
    assert compose(words).data.max_length == 64
    assert compose([]).data.max_length == 128


def test_a_file_is_held_to_the_same_rules(conf):
    conf(methods={"mine": {"optimiser": {"lr": 1}}, "odd": {"optimizer": {"lr": "fast"}}})
    assert problem("method=mine") == (
        "conf/methods.yaml: mine: unknown key optimiser.lr; did you mean optimizer.lr?"
    )
    assert problem("method=odd").startswith(
        "conf/methods.yaml: odd: optimizer.lr=fast: optimizer.lr takes"
    )


def test_typed_steps_replace_the_epochs_and_typed_epochs_the_steps(conf):
    trainer = compose(["trainer.max_steps=50"]).trainer
    assert (trainer.max_steps, trainer.epochs) == (50, None)
    conf(scales={"here": {"trainer": {"max_steps": 9}}})
    assert compose(["scale=here"]).trainer.epochs is None
    trainer = compose(["scale=here", "trainer.epochs=5"]).trainer
    assert (trainer.max_steps, trainer.epochs) == (None, 5)


def test_a_large_task_trains_longer_when_the_steps_are_typed():
    cfg = compose(["scale=mini", "task=mnli", "length=longer", "trainer.max_steps=50_000"])
    assert (cfg.length, cfg.trainer.max_steps) == ("longer", 50000)


# ---------------------------------------------------------------- reading values


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("wandb.project=123", "123"),
        ("wandb.project=a b", "a b"),
        ("wandb.project='a b'", "a b"),
        ('wandb.project="a b"', "a b"),
        ("wandb.project=it's", "it's"),
        ("wandb.project=true", "true"),
        ("wandb.project=${oc.env:HOME}", "${oc.env:HOME}"),
        ("wandb.project=${x", "${x"),
        ("wandb.project='null'", "null"),
        ("data.source=a=b", "a=b"),
        ("data.source=~/glue", "~/glue"),
        ("data.revision=1e5", "1e5"),
        ("data.revision=007", "007"),
        ("data.revision=null", None),
        ("data.revision=None", None),
        ("seed_init=None", None),
        ("seed_init=0", 0),
        ("'seed=3'", 3),
        ("seed='3'", 3),
        ("seed=1_000", 1000),
        ("optimizer.lr=2e-5", 2e-5),
        ("optimizer.lr=2.0e-05", 2e-5),
        ("optimizer.lr=1", 1.0),
        ("optimizer.betas=[0.9, 0.99]", (0.9, 0.99)),
        ("optimizer.betas=0.9,0.99", (0.9, 0.99)),
        ("optimizer.betas=(0.9, 0.99)", (0.9, 0.99)),
        ("optimizer.betas=[0, 0]", (0.0, 0.0)),
        ("wandb.tags=[a, b c]", ("a", "b c")),
        ("wandb.tags=a,b", ("a", "b")),
        ("wandb.tags=['a', 'b,c']", ("a", "b,c")),
        ("wandb.tags='a', 'b'", ("a", "b")),
        ('wandb.tags=["it\'s", none, 1e5]', ("it's", "none", "1e5")),
        (r"""wandb.tags=['it\'s "x"', "c:\\"]""", ('it\'s "x"', "c:\\")),
        ("wandb.tags=one", ("one",)),
        ("wandb.tags=[a,]", ("a",)),
        ("wandb.tags=[]", ()),
        ("trainer.precision=32-true", "32-true"),
        ("trainer.select_by=accuracy", "accuracy"),
        ("trainer.select_by=null", None),
        *[(f"force={word}", True) for word in ("true", "True", "1", "yes", "on")],
        *[(f"force={word}", False) for word in ("false", "False", "0", "no", "off")],
    ],
)
def test_a_value_is_read_as_its_type_says(word, expected):
    found = value(compose(["scale=mini", word]), word.strip("'").partition("=")[0])
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        ("seed=3.5", "an integer from 0 to 4294967295"),
        ("seed=True", "an integer from 0 to 4294967295"),
        ("seed=-1", "an integer from 0 to 4294967295"),
        ("seed=null", "an integer from 0 to 4294967295"),
        ("seed=", "an integer from 0 to 4294967295"),
        ("seed_init=x", "an integer from 0 to 4294967295, or null"),
        ("force=maybe", "true or false"),
        ("force=2", "true or false"),
        ("optimizer.lr=fast", "a number above 0, at most 1"),
        ("optimizer.lr=nan", "a number above 0, at most 1"),
        ("optimizer.lr=inf", "a number above 0, at most 1"),
        ("optimizer.lr=0", "a number above 0, at most 1"),
        ("optimizer.eps=True", "a number above 0"),
        ("optimizer.warmup=1.1", "a number from 0 to 1"),
        ("optimizer.warmup=-0.1", "a number from 0 to 1"),
        ("optimizer.weight_decay=-1", "a number of at least 0"),
        ("optimizer.betas=0.9", "a list of 2, each a number from 0 to below 1"),
        ("optimizer.betas=[0.9, 1.0]", "a list of 2, each a number from 0 to below 1"),
        ("optimizer.betas=[0.9,,0.99]", "a list of 2, each a number from 0 to below 1"),
        ("wandb.tags=[a,,b]", "a list, each text"),
        ("wandb.project=", "text"),
        ("wandb.project=null", "text"),
        ("wandb.entity=", "text, or null"),
        ("trainer.epochs=0", "an integer of at least 1, or null"),
        ("trainer.batch_size=0", "an integer of at least 1"),
        ("trainer.accumulate=0", "an integer of at least 1"),
        ("trainer.evaluations=0", "an integer of at least 1"),
        ("data.max_length=7", "an integer of at least 8"),
        ("reinit.num_layers=-1", "an integer of at least 0"),
        ("reinit.num_layers=None", "an integer of at least 0"),
        ("trainer.accelerator=gpu", "one of auto, cpu, cuda"),
        ("trainer.select_by=loss", "one of accuracy, f1, mcc, spearman, pearson, or null"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_what_is_allowed(word, allowed):
    assert problem(word) == f"{word}: {word.partition('=')[0]} takes {allowed}"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("tsk=rte", "tsk=rte: unknown key tsk; did you mean task?"),
        ("lr=1", "lr=1: unknown key lr; did you mean optimizer.lr?"),
        ("trainer.lr=1", "trainer.lr=1: unknown key trainer.lr; did you mean optimizer.lr?"),
        ("batchsize=8", "did you mean trainer.batch_size"),
        ("revision=x", "did you mean data.revision or model.revision?"),
        ("optimizer.bias-correction=false", "did you mean optimizer.bias_correction"),
        ("--seed=1", "--seed=1: unknown key --seed; did you mean seed?"),
        ("xyzzy=1", "xyzzy=1: unknown key xyzzy; see `stablebert train --help`"),
        ("=1", "=1: unknown key ; see `stablebert train --help`"),
        ("reinit={'pooler': True}", "reinit is a group; its keys are reinit.num_layers, reinit.po"),
        ("rte", "rte is not of the form KEY=VALUE; did you mean task=rte?"),
        ("reinit", "reinit is not of the form KEY=VALUE; did you mean method=reinit?"),
        ("--force", "--force is not of the form KEY=VALUE; did you mean force?"),
        ("task=RTE", "; did you mean rte?"),
        ("task=sst-2", "; did you mean sst2"),
        ("method=re-init", "; did you mean reinit?"),
        ("scale=papr", "takes one of demo, mini, paper; did you mean paper?"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(word, said):
    assert said in problem(word)


# ---------------------------------------------------------------- several methods


def test_methods_combine_in_any_order_to_one_name():
    cfg = compose(["method=mixout+reinit", "task=rte", "scale=paper"])
    assert cfg.method == "reinit+mixout"
    assert cfg == compose(["method=reinit+mixout", "task=rte", "scale=paper"])
    assert (cfg.reinit.num_layers, cfg.reinit.pooler, cfg.mixout.p) == (5, True, 0.1)
    three = compose(["method=ema+llrd+wd", "scale=mini"])
    assert (three.method, three.ema.decay) == ("llrd+wd+ema", 0.99)
    assert (three.optimizer.layer_decay, three.optimizer.weight_decay) == (0.95, 0.01)


def test_longer_is_a_length_by_another_name():
    words = ["task=rte", "scale=paper"]
    assert compose([*words, "method=longer"]) == compose([*words, "length=longer"])
    assert compose([*words, "method=longer+reinit"]) == compose(
        [*words, "length=longer", "method=reinit"]
    )


def test_what_comes_before_is_one_run_for_all_seeds():
    words = ["task=rte", "method=intermediate", "scale=demo", "data.source=demo:70"]
    first, second = (prerequisite(compose([*words, s])) for s in ("seed=3", "seed_init=4"))
    assert first == second
    assert (first.task, first.method, first.length, first.seed) == (
        "mnli",
        "standard",
        "3epochs",
        0,
    )
    assert (first.data.source, first.model.name) == ("demo:70", "demo")
    assert prerequisite(first) is None
    # what the target does to itself is not done to what comes before
    typed = compose([*words, "optimizer.lr=0.5", "trainer.precision=bf16-mixed"])
    assert prerequisite(typed).optimizer.lr == 1e-3
    assert prerequisite(typed).trainer.precision == "bf16-mixed"


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
def test_table_6(model, task, expected):
    cfg = compose([f"model.name={model}", f"task={task}", "scale=paper"])
    steps = cfg.trainer.max_steps
    warmup = int(cfg.optimizer.warmup * steps) if steps else None
    length = (steps, cfg.trainer.epochs, cfg.trainer.batch_size)
    assert (cfg.optimizer.lr, *length, warmup) == expected
    assert cfg.optimizer.layer_decay == (0.9 if "electra" in model else 1.0)


def test_what_is_selected_for_one_method_holds_in_company_and_for_company_alone(conf):
    conf(selected={"mini": {"rte": {
        "reinit": {"reinit": {"num_layers": 2}}, "mixout": {"mixout": {"p": 0.3}},
        "reinit+mixout": {"mixout": {"p": 0.5}},
    }}})  # fmt: skip
    one, both = (compose([f"method={m}", "scale=mini"]) for m in ("mixout", "mixout+reinit"))
    assert one.mixout.p == 0.3
    assert (both.reinit.num_layers, both.mixout.p) == (2, 0.5)


# ---------------------------------------------------------------- contradictions


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trainer.epochs=3 trainer.max_steps=100", "trainer.max_steps=100 both set the length"),
        ("trainer.epochs=null", "trainer.epochs and trainer.max_steps are both null; set one"),
        (
            "scale=mini length=longer trainer.epochs=5",
            "counted in steps; drop it or trainer.epochs=5",
        ),
        (
            "scale=mini length=longer trainer.max_steps=9",
            "length=longer is 400 steps for task=rte; drop it",
        ),
        ("scale=mini length=longer trainer.max_steps=null", "drop it or trainer.max_steps=null"),
        (
            "scale=mini task=qqp length=longer",
            "task=qqp for three epochs only, so its number",
        ),
        ("trainer.batch_size=30 trainer.accumulate=4", "trainer.batch_size=30 is not divisible by"),
        ("trainer.select_by=mcc", "trainer.select_by=mcc: task=rte has accuracy"),
        ("task=mrpc trainer.select_by=mcc", "trainer.select_by=mcc: task=mrpc has f1, accuracy"),
        ("scale=mini task=stsb_1k trainer.select_by=f1", "task=stsb_1k has spearman, pearson"),
        ("data.source=hub", "data.source=hub: model.name=demo only knows the language of the demo"),
        ("task=rte_1k", "demo tasks have no 1,000-sample version; use task=rte or scale=mini"),
        ("seed=1 seed=2", "seed=2: seed is given twice, with different values"),
        (
            "method=standard+mixout",
            "method=standard+mixout: standard is the baseline that methods differ",
        ),
        ("method=longer length=3epochs", "length=3epochs and method=longer contradict; drop one"),
        ("task=mnli method=intermediate", "intermediate.task=mnli is the task itself; choose"),
        ("method=mixout+mixout", "method=mixout+mixout: name each method once"),
        (
            "method=wd+pretrained_wd",
            "pretrained_wd has optimizer.weight_decay=0.001 and optimizer.decay_to=start, wd has",
        ),
        ("method=bitfit+layernorm", "bitfit has trainable.patterns="),
        ("method=mosbach+bert_adam", "bert_adam has optimizer.bias_correction=False, mosbach"),
        ("method=reinit+mixup", "method takes one of standard, bert_adam,"),
        (
            "method=reinit reinit.num_layers=3 trainable.top_layers=2",
            "trainable.top_layers=2: reinit.num_layers=3 would freeze layers at random",
        ),
        ("trainable.top_layers=13", "model.name=demo has 12 layers; choose 0 to 12"),
        ("optimizer.decay_to=start", "no effect with optimizer.weight_decay=0"),
        ("mixout.p=1", "mixout.p takes a number from 0 to below 1"),
    ],
)
def test_a_contradiction_is_refused(words, said):
    assert said in problem(*words.split())


def test_repeating_oneself_is_no_contradiction():
    assert compose(["seed=1", "seed=1"]).seed == 1
    assert compose(["optimizer.lr=1e-5", "optimizer.lr=0.00001"]).optimizer.lr == 1e-5
    assert (
        compose(["scale=mini", "length=longer", "trainer.max_steps=400"]).trainer.max_steps == 400
    )
    assert compose(["trainer.epochs=5", "trainer.max_steps=null"]).trainer.epochs == 5


def test_reinit_deeper_than_the_model_is_refused(tmp_path):  # trap 22
    mini = "sentence-transformers/all-MiniLM-L6-v2"
    assert problem("scale=mini", "reinit.num_layers=7") == (
        f"reinit.num_layers=7: model.name={mini} has 6 layers; choose 0 to 6"
    )
    assert problem("reinit.num_layers=13").endswith("model.name=demo has 12 layers; choose 0 to 12")
    assert compose(["scale=mini", "reinit.num_layers=6"]).reinit.num_layers == 6
    words = ["scale=mini", "reinit.num_layers=7", "model.name=not/known"]
    assert compose(words).reinit.num_layers == 7
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 2}))
    words = ["scale=paper", "method=reinit", f"model.name={tmp_path}"]
    assert problem(*words).startswith("reinit.num_layers=5 (method=reinit): model.name=")
    assert compose([*words, "reinit.num_layers=2"]).reinit.num_layers == 2


def test_a_parameter_name_that_matches_nothing_is_refused():  # trap 22
    for key in ("reinit.layers", "optimizer.decay", "optimizer.lr.head"):
        assert "unknown key" in problem(f"{key}=1")


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"num_hidden_layers": "x"}'])
def test_a_folder_without_a_usable_config_is_left_to_the_loader(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert compose([f"model.name={tmp_path}", "reinit.num_layers=99"]).reinit.num_layers == 99


def test_all_problems_are_reported_at_once():
    found = problems(
        "tsk=rte", "rte", "seed=x", "seed.init=1", "optimizer.warmup=2", "length=longer",
        "trainer.epochs=2", "trainer.batch_size=30", "trainer.accumulate=4", "reinit.num_layers=19",
        "trainer.select_by=mcc",
    )  # fmt: skip
    assert [line.partition(":")[0].partition(" ")[0] for line in found] == [
        "tsk=rte", "rte", "seed=x", "seed.init=1", "optimizer.warmup=2", "length=longer",
        "reinit.num_layers=19", "trainer.batch_size=30", "trainer.select_by=mcc",
    ]  # fmt: skip


def test_a_refused_value_causes_no_second_problem():
    assert len(problems("task=RTE", "trainer.select_by=mcc")) == 1
    assert len(problems("trainer.accumulate=x", "trainer.batch_size=31")) == 1
    assert len(problems("task=MNLI", "length=longer", "trainer.max_steps=7")) == 1


# ---------------------------------------------------------------- traps by name


def test_seed_zero_is_a_seed():  # trap 12
    cfg = compose(["seed=7", "seed_init=0"])
    assert (cfg.init_seed, cfg.data_seed) == (0, 7)
    cfg = compose(["seed=0", "seed_data=3"])
    assert (cfg.seed, cfg.init_seed, cfg.data_seed) == (0, 0, 3)


def test_a_false_flag_is_false():  # trap 16
    assert compose(["optimizer.bias_correction=False"]).optimizer.bias_correction is False
    assert compose(["reinit.pooler=false"]).reinit.pooler is False


def test_override_value_may_contain_equals():  # trap 16
    assert compose(["paths.runs=a=b=c"]).paths.runs == "a=b=c"


def test_a_key_under_a_value_does_not_turn_it_into_a_group(conf):  # trap 30
    assert problem("seed.init=1") == ("seed.init=1: unknown key seed.init; did you mean seed_init?")
    conf(methods={"mine": {"seed": {"init": 1}}})
    assert "unknown key seed.init" in problem("method=mine")


def test_what_a_sweep_agent_writes_is_read():
    words = ["reinit.pooler=True", "seed_init=None", "optimizer.betas=[0.9, 0.98]",
             "optimizer.lr=2e-05", "wandb.project=a b"]  # fmt: skip
    cfg = compose(words)
    assert (cfg.reinit.pooler, cfg.seed_init, cfg.optimizer.betas) == (True, None, (0.9, 0.98))
    assert (cfg.optimizer.lr, cfg.wandb.project) == (2e-5, "a b")


def test_no_torch():
    heavy = "{'torch', 'transformers', 'lightning', 'datasets', 'wandb', 'numpy'}"
    code = f"import sys, stablebert.cli.main; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout == "[]\n"


# ---------------------------------------------------------------- the object


def test_frozen():
    cfg = compose([])
    with pytest.raises(dataclasses.FrozenInstanceError):
        cfg.seed = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        cfg.optimizer.lr = 1.0
    assert hash(cfg) == hash(compose([]))


ROUND_TRIPS = [
    ["task=cola", "method=bert_adam"],
    ["task=mrpc", "method=reinit", "length=longer", "scale=paper"],
    ["task=mnli", "length=longer", "scale=paper", "trainer.max_steps=77"],
    ["trainer.epochs=5", "seed_init=0", "data.revision=1e5", "model.revision=12345e67"],
    ["trainer.max_steps=5", "wandb.tags=[a, \"it's\", 'b,c', 1e5]", "wandb.project=${x"],
    [r"""wandb.tags=["a\\b", 'it\'s "x"', 'c:\\']"""],
    ["scale=mini", "wandb.project=a: b # c", "data.source=C:\\glue", "wandb.entity='null'"],
]


@pytest.mark.parametrize("words", ROUND_TRIPS, ids=" ".join)
def test_round_trip(words):
    cfg = compose(words)
    printed = yaml.safe_load(to_yaml(cfg))
    assert printed == as_dict(cfg) == json.loads(json.dumps(as_dict(cfg)))
    if "wandb.entity='null'" not in words:  # the one text that has to be typed with quotes
        typed = [f"{key}={word}" for key, word in flatten(printed).items()]
        assert compose(typed) == cfg
    assert to_yaml(cfg) == to_yaml(compose(words))


def test_a_number_like_text_is_quoted_for_every_yaml_reader():
    from omegaconf import OmegaConf

    text = to_yaml(compose(["data.revision=12345e67", "optimizer.lr=2e-5"]))
    assert "revision: '12345e67'" in text
    assert OmegaConf.create(text).data.revision == "12345e67"
    assert OmegaConf.create(text).optimizer.lr == 2e-5


SAME_ID = {"seed", "seed_init", "seed_data", "force", "trainer.accelerator", "trainer.threads"}
SAME_ID |= {"monitor.bias_ratio", "monitor.weight_change", "paths.runs", "paths.cache"}
SAME_ID |= {"wandb.mode", "wandb.project", "wandb.entity", "wandb.tags"}
BY_CONTENT = {"data.source", "data.revision", "model.name", "model.revision"}
# where another value cannot be guessed from the type
OTHER = {
    "trainer.precision": "32-true", "trainer.accelerator": "cpu", "trainer.select_by": "accuracy",
    "wandb.mode": "offline", "optimizer.betas": (0.5, 0.5), "wandb.tags": ("x",), "task": "cola",
    "method": "bert_adam", "length": "longer", "scale": "paper", "mixout.mask": "weight",
    "trainable.patterns": ("x",), "optimizer.decay_to": "start", "intermediate.task": "mnli",
}  # fmt: skip


def replaced(cfg, key, new):
    group, _, name = key.rpartition(".")
    if group:
        return dataclasses.replace(
            cfg, **{group: dataclasses.replace(getattr(cfg, group), **{name: new})}
        )
    return dataclasses.replace(cfg, **{key: new})


@pytest.mark.parametrize("key", KEYS)
def test_config_id_is_changed_by_what_changes_the_result(key):
    cfg = compose([])
    old = value(cfg, key)
    new = OTHER.get(key, not old if isinstance(old, bool) else 7 if old is None else old * 2 or 5)
    assert new != old
    first = config_id(cfg, data="d", model="m")
    other = config_id(replaced(cfg, key, new), data="d", model="m")
    assert (first == other) == (key in SAME_ID | BY_CONTENT)


def test_config_id_follows_the_content_and_the_recipe(monkeypatch):
    cfg = compose([])
    first = config_id(cfg, data="d", model="m")
    assert len(first) == 10
    assert set(first) <= set("0123456789abcdef")
    assert first == config_id(compose([]), data="d", model="m")
    assert first != config_id(cfg, data="D", model="m")
    assert first != config_id(cfg, data="d", model="M")
    assert first != config_id(cfg, data="m", model="d")
    monkeypatch.setattr(identity, "RECIPE_VERSION", identity.RECIPE_VERSION + 1)
    assert first != config_id(cfg, data="d", model="m")


def test_keys_that_came_later_leave_old_records_theirs(monkeypatch):
    """The id of `standard` before there were methods with keys of their own."""
    cfg = compose(["scale=demo", "task=rte", "method=standard"])
    assert config_id(cfg, data="d", model="m") == "2cf278d9cd"
    for key, entry in KEYS.items():
        if "neutral" in entry.metadata:
            assert value(cfg, key) == entry.metadata["neutral"]
            assert parse_value(str(entry.metadata["neutral"]), key) == value(cfg, key)


def test_config_id_is_the_same_in_another_process():
    code = "from stablebert.config.compose import compose\n"
    code += "from stablebert.config.identity import config_id\n"
    code += "print(config_id(compose([]), data='d', model='m'))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert out.stdout.strip() == config_id(compose([]), data="d", model="m")
