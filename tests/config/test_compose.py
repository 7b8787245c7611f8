import dataclasses

import pytest
import yaml

from stablebert.config import files
from stablebert.config.compose import compose
from stablebert.config.files import CONF
from stablebert.config.values import choices_of
from stablebert.errors import ConfigError
from tests.helpers.config import problem, problems

TASK_VALUES = yaml.safe_load((CONF / "tasks.yaml").read_text(encoding="utf-8"))
WITHOUT_STEPS = {task for task, values in TASK_VALUES.items() if "length" not in values}


def test_the_paper_trains_large_tasks_for_three_epochs_only():
    assert {"sst2", "qnli", "qqp", "mnli"} <= WITHOUT_STEPS


@pytest.mark.parametrize("scale", choices_of("scale"))
@pytest.mark.parametrize("length", choices_of("length"))
@pytest.mark.parametrize("task", choices_of("task"))
def test_every_combination_composes_or_is_refused_for_a_reason(task, length, scale):
    for method in choices_of("method"):
        if method == "longer":
            continue
        overrides = [f"task={task}", f"method={method}", f"length={length}", f"scale={scale}"]
        reasons = []
        if method == "intermediate" and task == "mnli":
            reasons.append("is the task itself")
        if scale == "demo" and task.endswith("_1k"):
            reasons.append("have no 1,000-sample version")
        if method == "mosbach" and length == "longer":
            reasons.append("has its own length of training, trainer.epochs=20")
        elif scale != "demo" and length == "longer" and task in WITHOUT_STEPS:
            reasons.append("for three epochs only")
        if reasons:
            refusal = "; ".join(problems(*overrides))
            assert all(reason in refusal for reason in reasons)
            continue
        cfg = compose(overrides)
        assert (cfg.task, cfg.method, cfg.length, cfg.scale) == (task, method, length, scale)
        assert (cfg.reinit.num_layers > 0) == (method == "reinit")
        is_epochs = length == "3epochs"
        assert (cfg.trainer.max_steps is None, cfg.trainer.epochs is None) == (
            is_epochs,
            not is_epochs,
        )


def test_methods_combine_in_any_order_to_one_configuration():
    overrides = ["task=rte", "scale=paper"]
    assert compose(["method=mixout+reinit", *overrides]) == compose(
        ["method=reinit+mixout", *overrides]
    )


def test_a_combination_is_named_in_the_order_of_the_file():
    assert compose(["method=ema+llrd+wd", "scale=mini"]).method == "llrd+wd+ema"


def test_a_combination_has_the_values_of_all_its_methods():
    cfg = compose(["method=mixout+reinit", "task=rte", "scale=paper"])
    assert (cfg.reinit.num_layers, cfg.reinit.pooler, cfg.mixout.p) == (5, True, 0.1)


@pytest.mark.parametrize(
    ("method", "others"), [("longer", []), ("longer+reinit", ["method=reinit"])]
)
def test_method_longer_is_the_same_as_length_longer(method, others):
    overrides = ["task=rte", "scale=paper"]
    assert compose([*overrides, f"method={method}"]) == compose(
        [*overrides, "length=longer", *others]
    )


def test_method_longer_with_another_length_is_refused():
    assert problem("method=longer", "length=3epochs") == (
        "length=3epochs and method=longer contradict; drop one"
    )


@pytest.mark.parametrize("overrides", [["seed=1", "seed=1"],
                                       ["optimizer.lr=1e-5", "optimizer.lr=0.00001"]])  # fmt: skip
def test_a_key_may_be_repeated_with_the_same_value(overrides):
    assert compose(overrides) == compose(overrides[:1])


def test_a_key_given_twice_with_different_values_is_refused():
    assert problem("seed=1", "seed=2") == "seed=2: seed is given twice, with different values"


def test_all_problems_are_reported_at_once():
    refusals = problems(
        "tsk=rte", "rte", "seed=x", "seed.init=1", "optimizer.warmup=2", "length=longer",
        "trainer.epochs=2", "trainer.batch_size=30", "trainer.accumulate=4", "reinit.num_layers=19",
        "trainer.select_by=mcc",
    )  # fmt: skip
    assert [line.partition(":")[0].partition(" ")[0] for line in refusals] == [
        "tsk=rte", "rte", "seed=x", "seed.init=1", "optimizer.warmup=2", "length=longer",
        "reinit.num_layers=19", "trainer.batch_size=30", "trainer.select_by=mcc",
    ]  # fmt: skip


def test_the_message_of_the_error_is_its_problems():
    with pytest.raises(ConfigError) as error:
        compose(["tsk=rte", "seed=x"])
    assert str(error.value) == "\n".join(error.value.problems)


@pytest.mark.parametrize(
    "overrides",
    [
        ["task=RTE", "trainer.select_by=mcc"],
        ["trainer.accumulate=x", "trainer.batch_size=31"],
        ["task=MNLI", "length=longer", "trainer.max_steps=7"],
        ["task=MNLI", "scale=paper", "method=reinit", "trainable.top_layers=1"],
        ["length=long", "scale=paper", "method=reinit", "trainable.top_layers=1"],
        ["scale=Mini", "method=swa", "optimizer.warmup=0.6"],
        ["scale=Paper", "trainer.accumulate=32"],
    ],
)
def test_a_refused_value_causes_no_second_problem(overrides):
    assert len(problems(*overrides)) == 1


@pytest.mark.parametrize(
    ("overrides", "seeds"),
    [
        (["seed=7", "seed_init=0"], (0, 7)),
        (["seed=0", "seed_data=3"], (0, 3)),
        (["seed=0"], (0, 0)),
    ],
)
def test_seed_zero_is_a_seed(overrides, seeds):  # docs/pitfalls.md, 12
    cfg = compose(overrides)
    assert (cfg.init_seed, cfg.data_seed) == seeds


def test_the_values_that_a_sweep_agent_writes_are_understood():
    overrides = ["reinit.pooler=True", "seed_init=None", "optimizer.betas=[0.9, 0.98]",
             "optimizer.lr=2e-05", "wandb.project=a b"]  # fmt: skip
    cfg = compose(overrides)
    assert (cfg.reinit.pooler, cfg.seed_init, cfg.optimizer.betas) == (True, None, (0.9, 0.98))
    assert (cfg.optimizer.lr, cfg.wandb.project) == (2e-5, "a b")


def test_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        compose([]).seed = 1


def test_a_group_of_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        compose([]).optimizer.lr = 1.0


def test_equal_configurations_have_the_same_hash():
    assert hash(compose([])) == hash(compose([]))


def test_a_key_that_base_lacks_is_named(conf):
    base = files.CONF / "base.yaml"
    base.write_text(base.read_text().replace("  threads:", "  thread:"))
    conf()
    with pytest.raises(ConfigError, match=r"conf/base\.yaml lacks trainer\.threads"):
        compose([])
