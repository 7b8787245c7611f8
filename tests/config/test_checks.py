"""One test for each rule, by its refusal; `ACCEPTED` has the neighbors that are allowed."""

import json

import pytest

from stablebert.config.checks import RULES
from stablebert.config.compose import compose
from tests.helpers.config import problem

MINI = "sentence-transformers/all-MiniLM-L6-v2"
# fmt: off
REFUSED = {
    "epochs_or_steps": ("trainer.epochs=3 trainer.max_steps=100",
        "trainer.epochs=3 and trainer.max_steps=100 both set the length; drop one"),
    "some_length": ("trainer.epochs=null",
        "trainer.epochs and trainer.max_steps are both null; set one"),
    "longer_without_epochs": ("scale=mini length=longer trainer.epochs=5",
        "length=longer is counted in steps; drop it or trainer.epochs=5"),
    "longer_has_steps": ("scale=mini task=qqp length=longer",
        "length=longer: the paper trains task=qqp for three epochs only, so its number of steps is "
        "unknown; set trainer.max_steps=N"),
    "longer_as_planned": ("scale=mini length=longer trainer.max_steps=9",
        "length=longer is 400 steps for task=rte; drop it or trainer.max_steps=9"),
    "each_method_once": ("method=mixout+mixout", "method=mixout+mixout: name each method once"),
    "standard_alone": ("method=standard+mixout",
        "method=standard+mixout: standard is the baseline that methods differ from; drop it"),
    "methods_agree": ("method=wd+pretrained_wd",
        "method=pretrained_wd+wd: pretrained_wd has optimizer.weight_decay=0.001 and "
        "optimizer.decay_to=start, wd has optimizer.weight_decay=0.01 and optimizer.decay_to=zero; "
        "set optimizer.weight_decay and optimizer.decay_to to combine them"),
    "method_has_values": ("scale=paper method=reinit",
        "method=reinit: conf/methods.yaml has no reinit.num_layers for task=rte; add it to "
        "per_task, or set reinit.num_layers"),
    "reinitialized_is_trained": ("method=reinit reinit.num_layers=3 trainable.top_layers=2",
        "trainable.top_layers=2: reinit.num_layers=3 would freeze layers at random weights; train "
        "at least 3"),
    "skip_is_of_reinit": ("reinit.skip=2",
        "reinit.skip=2 has no effect with reinit.num_layers=0; drop it"),
    "intermediate_differs": ("task=mnli method=intermediate",
        "intermediate.task=mnli is the task itself; choose another"),
    "decay_has_strength": ("optimizer.decay_to=start",
        "optimizer.decay_to=start has no effect with optimizer.weight_decay=0; set it above 0"),
    "one_average": ("method=ema+swa",
        "ema.decay=0.99 and swa.start=0.5 both average the weights; drop one"),
    "constant_rate_is_not_rising": ("swa.start=0.05",
        "swa.start=0.05 is during the warm-up, optimizer.warmup=0.1; choose at least 0.1"),
    "adapters_have_no_pretrained_weights": ("method=lora+mixout",
        "mixout.p=0.1: adapter.kind=lora has no pre-trained weights to mix with; drop one"),
    "muon_has_matrices": ("scale=mini method=ia3+muon optimizer.lr=1e-3",
        "optimizer.matrices=muon: adapter.kind=ia3 trains vectors, no matrices; drop one"),
    "rank_is_of_lora": ("method=ia3 adapter.rank=4",
        "adapter.rank=4 has no effect without adapter.kind=lora; drop it"),
    "mask_is_of_mixout": ("mixout.mask=weight",
        "mixout.mask=weight has no effect with mixout.p=0; drop it"),
    "factors_do_not_decay": ("method=ia3+wd",
        "optimizer.weight_decay=0.01 would shrink the factors of adapter.kind=ia3 from 1 toward 0; "
        "set it to 0"),
    "reinit_depth_exists": ("scale=mini reinit.num_layers=7",
        f"reinit.num_layers=7: model.name={MINI} has 6 layers; choose 0 to 6"),
    "trainable_layers_exist": ("trainable.top_layers=13",
        "trainable.top_layers=13: model.name=demo has 12 layers; choose 0 to 12"),
    "demo_model_on_demo_data": ("data.source=hub",
        "data.source=hub: model.name=demo only knows the language of the demo tasks; use "
        "scale=mini, scale=paper or model.name=..."),
    "demo_tasks_are_small": ("task=rte_1k",
        "task=rte_1k: demo tasks have no 1,000-sample version; use task=rte or scale=mini"),
    "batch_divides": ("trainer.batch_size=30 trainer.accumulate=4",
        "trainer.batch_size=30 is not divisible by trainer.accumulate=4, the number of equal "
        "micro-batches"),
    "metric_of_task": ("task=mrpc trainer.select_by=mcc",
        "trainer.select_by=mcc: task=mrpc has f1, accuracy"),
}
ACCEPTED = [
    "trainer.epochs=5 trainer.max_steps=null",
    "scale=mini length=longer trainer.max_steps=400",
    "scale=mini task=qqp length=longer trainer.max_steps=9",
    "method=bitfit+wd",
    "method=mosbach+bitfit optimizer.lr=1e-3",
    "method=reinit reinit.num_layers=0",
    "method=reinit reinit.num_layers=2 trainable.top_layers=2",
    "method=reinit reinit.num_layers=2 reinit.skip=1 trainable.top_layers=3",
    "scale=mini reinit.num_layers=2 reinit.skip=4",
    "task=mnli intermediate.task=rte",
    "optimizer.decay_to=start optimizer.weight_decay=0.1",
    "method=ema+swa swa.start=1",
    "swa.start=0 optimizer.warmup=0",
    "swa.start=0.1",
    "method=lora+wd",
    "scale=mini method=lora+muon optimizer.lr=1e-3",
    "method=lora+muon optimizer.lr=1e-3",
    "method=lora adapter.rank=4 adapter.alpha=8",
    "adapter.rank=8",
    "method=mixout mixout.mask=weight",
    "method=lora+mixout mixout.p=0",
    "method=ia3+wd optimizer.weight_decay=0",
    "scale=mini reinit.num_layers=6",
    "scale=mini reinit.num_layers=7 model.name=not/listed",
    "trainable.top_layers=12",
    "data.source=demo:70:1",
    "trainer.batch_size=30 trainer.accumulate=3",
    "task=mrpc trainer.select_by=accuracy",
]
# fmt: on


def test_every_rule_has_a_test():
    assert [rule.check.__name__ for rule in RULES] == list(REFUSED)


# changes of conf/ without which a rule has nothing to refuse
CONF = {
    "method_has_values": {
        "methods": {"reinit": {"per_task": {"cola": {"reinit": {"num_layers": 1}}}}}
    }
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_contradiction_is_refused(rule, request):
    if rule in CONF:
        request.getfixturevalue("conf")(**CONF[rule])
    overrides, message = REFUSED[rule]
    assert problem(*overrides.split()) == message


@pytest.mark.parametrize("overrides", ACCEPTED)
def test_a_valid_neighbor_is_accepted(overrides):
    compose(overrides.split())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            "reinit.num_layers=2 reinit.skip=1 trainable.top_layers=2",
            "trainable.top_layers=2: reinit.num_layers=2 and reinit.skip=1 would freeze layers at "
            "random weights; train at least 3",
        ),
        (
            "scale=mini reinit.num_layers=2 reinit.skip=5",
            f"reinit.num_layers=2 and reinit.skip=5: model.name={MINI} has 6 layers; choose 0 to 6 "
            "in all",
        ),
    ],
)
def test_skipped_layers_count_toward_the_depth(overrides, message):
    assert problem(*overrides.split()) == message


@pytest.mark.parametrize(
    ("methods", "value"),
    [
        ("bert_adam+adamd", "bert_adam has optimizer.bias_correction=false, adamd"),
        ("bitfit+head_only", "bitfit has trainable.patterns=[classifier, *.bias] and"),
    ],
)
def test_values_in_a_refusal_are_as_typed(methods, value):
    assert value in problem(f"method={methods}")


@pytest.mark.parametrize("methods", ["bitfit+layernorm", "mosbach+bert_adam", "mosbach+bitfit"])
def test_methods_that_set_a_key_differently_are_refused(methods):
    assert " has " in problem(f"method={methods}")


def test_removing_the_steps_of_longer_is_refused():
    message = problem("scale=mini", "length=longer", "trainer.max_steps=null")
    assert message.endswith("drop it or trainer.max_steps=null")


def test_a_depth_on_the_command_line_replaces_a_missing_entry(conf):
    conf(**CONF["method_has_values"])
    assert compose(["scale=paper", "method=reinit", "reinit.num_layers=0"]).reinit.num_layers == 0


def test_methods_with_selected_values_that_differ_are_refused(conf):
    steps = {m: {"per_length": {"longer": {"trainer": {"max_steps": n}}}}
             for m, n in (("reinit", 300), ("mixout", 400))}  # fmt: skip
    conf(selected={"demo": {"rte": steps}})
    assert problem("method=reinit+mixout", "length=longer").endswith(
        "reinit has trainer.max_steps=300, mixout has trainer.max_steps=400; "
        "set trainer.max_steps to combine them"
    )


def test_methods_with_different_values_combine_if_both_have_one_selected(conf):
    conf(selected={"demo": {"rte": {"mosbach+bitfit": {"optimizer": {"lr": 0.5}}}}})
    assert compose(["method=bitfit+mosbach"]).optimizer.lr == 0.5


@pytest.fixture
def two_layers(tmp_path):
    """The folder of a model with two layers."""
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 2}))
    return tmp_path


def test_a_depth_from_a_method_is_refused_with_its_origin(two_layers):  # docs/pitfalls.md, 22
    assert problem("scale=paper", "method=reinit", f"model.name={two_layers}") == (
        f"reinit.num_layers=5 (method=reinit): model.name={two_layers} has 2 layers; choose 0 to 2"
    )


def test_all_layers_of_a_folder_can_be_reinitialized(two_layers):
    overrides = ["scale=paper", f"model.name={two_layers}", "reinit.num_layers=2"]
    assert compose(overrides).reinit.num_layers == 2


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"num_hidden_layers": "x"}'])
def test_a_folder_without_a_usable_config_is_left_to_the_loader(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert compose([f"model.name={tmp_path}", "reinit.num_layers=99"]).reinit.num_layers == 99


def test_adapters_are_not_pulled_to_pretrained_weights():
    message = "optimizer.decay_to=start: adapter.kind=lora has no pre-trained weights to decay to"
    assert problem("method=lora+pretrained_wd") == f"{message}; drop one"
