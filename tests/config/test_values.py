import pytest

from stablebert.config.compose import compose
from stablebert.config.values import choices_of, did_you_mean, is_list_key, unquote
from stablebert.tasks import TASKS
from tests.helpers.config import problem, value_of

RATE = "a number above 0, at most 1, or a multiple of the value in conf/, such as 0.5x"


def test_the_choices_of_task_are_the_tasks():
    assert set(choices_of("task")) == set(TASKS)


def test_a_number_has_no_choices():
    assert choices_of("seed") == []


@pytest.mark.parametrize(
    ("override", "expected"),
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
def test_text_is_parsed_by_the_type_of_its_key(override, expected):
    key = override.strip("'").partition("=")[0]
    value = value_of(compose(["scale=mini", override]), key)
    assert (value, type(value)) == (expected, type(expected))


def test_a_value_may_contain_an_equals_sign():  # docs/pitfalls.md, 16
    assert compose(["paths.runs=a=b=c"]).paths.runs == "a=b=c"


@pytest.mark.parametrize("text", ["true", "True", "on", "yes", "1"])
def test_a_choice_between_flags_and_names_takes_every_spelling_of_a_flag(text):
    assert compose([f"optimizer.bias_correction={text}"]).optimizer.bias_correction is True


@pytest.mark.parametrize("key", ["optimizer.bias_correction", "reinit.pooler"])
def test_a_false_flag_is_false(key):  # docs/pitfalls.md, 16
    assert value_of(compose([f"{key}=False"]), key) is False


@pytest.mark.parametrize(
    ("override", "allowed"),
    [
        ("seed=3.5", "an integer from 0 to 4294967295"),
        ("seed=True", "an integer from 0 to 4294967295"),
        ("seed=-1", "an integer from 0 to 4294967295"),
        ("seed=null", "an integer from 0 to 4294967295"),
        ("seed=", "an integer from 0 to 4294967295"),
        ("seed_init=x", "an integer from 0 to 4294967295, or null"),
        ("force=maybe", "true or false"),
        ("force=2", "true or false"),
        ("optimizer.lr=fast", RATE),
        ("optimizer.lr=nan", RATE),
        ("optimizer.lr=inf", RATE),
        ("optimizer.lr=0", RATE),
        ("optimizer.eps=True", "a number above 0"),
        ("optimizer.warmup=1.1", "a number from 0 to 1"),
        ("optimizer.warmup=-0.1", "a number from 0 to 1"),
        ("optimizer.weight_decay=-1", "a number of at least 0"),
        ("optimizer.betas=0.9", "a list of 2 values, each a number from 0 to below 1"),
        ("optimizer.betas=[0.9, 1.0]", "a list of 2 values, each a number from 0 to below 1"),
        ("optimizer.betas=[0.9,,0.99]", "a list of 2 values, each a number from 0 to below 1"),
        ("wandb.tags=[a,,b]", "a list of values, each text"),
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
        ("optimizer.bias_correction=2", "one of true, false, second_moment, learning_rate"),
        ("trainer.accelerator=gpu", "one of auto, cpu, cuda"),
        ("adapter.kind=loss", "one of lora, ia3, or null"),
        ("mixout.p=1", "a number from 0 to below 1"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_answered_with_the_allowed_ones(override, allowed):
    assert problem(override) == f"{override}: {override.partition('=')[0]} takes {allowed}"


@pytest.mark.parametrize(
    ("override", "message"),
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
        ("reinit={'pooler': True}", "reinit is a group; its keys are reinit.num_layers, reinit.sk"),
        ("rte", "rte is not of the form KEY=VALUE; did you mean task=rte?"),
        ("reinit", "reinit is not of the form KEY=VALUE; did you mean method=reinit?"),
        ("--force", "--force is not of the form KEY=VALUE; did you mean force?"),
        ("task=RTE", "; did you mean rte?"),
        ("task=sst-2", "; did you mean sst2"),
        ("method=re-init", "; did you mean reinit?"),
        ("scale=papr", "takes one of demo, mini, paper; did you mean paper?"),
        ("method=reinit+mixup", "method takes one of standard, bert_adam,"),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest(override, message):
    assert message in problem(override)


@pytest.mark.parametrize("key", ["reinit.layers", "optimizer.decay", "optimizer.lr.head"])
def test_a_key_that_sets_nothing_is_refused(key):  # docs/pitfalls.md, 22
    assert "unknown key" in problem(f"{key}=1")


@pytest.mark.parametrize("value", [1, 2])
def test_a_retired_key_explains_what_replaces_it(value):
    assert problem(f"trainer.devices={value}") == (
        f"trainer.devices={value}: trainer.devices no longer exists: a run uses one device; choose "
        "it with CUDA_VISIBLE_DEVICES, and start one run per GPU (`stablebert grid` and "
        "`stablebert agent` do)"
    )


OTHER_DIGITS = ["\u0663", "\u00b2", "\uff11"]
"""An Arabic, a superscript and a full-width digit."""


@pytest.mark.parametrize(
    "text",
    [*OTHER_DIGITS, "08", "1_0", "+1", "0x1", "1.0", "1e1", "1 0", "9" * 5000],
    ids=lambda text: ascii(text[:9]),
)
def test_an_integer_has_one_spelling(text):
    assert "seed takes an integer from 0 to 4294967295" in problem(f"seed={text}")


@pytest.mark.parametrize(
    "text",
    [*OTHER_DIGITS, "1_0", "inf", "Infinity", "nan", "1e999", "0x1p-3", "1,0"],
    ids=ascii,
)
def test_a_number_is_written_in_plain_decimal_digits(text):
    assert "optimizer.eps takes a number above 0" in problem(f"optimizer.eps={text}")


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0e-03", ".001", "+0.001", " 0.001 "])
def test_every_spelling_of_a_number_is_one_value(text):
    assert compose([f"optimizer.lr={text}"]) == compose(["optimizer.lr=0.001"])


@pytest.mark.parametrize("scale", ["demo", "mini", "paper"])
@pytest.mark.parametrize(
    ("text", "factor"), [("0.125x", 0.125), (".5x", 0.5), ("8x", 8), ("'2x'", 2)]
)
def test_a_rate_may_be_a_multiple_of_that_of_the_files(scale, text, factor):
    files = compose([f"scale={scale}"])
    expected = compose([f"scale={scale}", f"optimizer.lr={factor * files.optimizer.lr}"])
    assert compose([f"scale={scale}", f"optimizer.lr={text}"]) == expected


def test_a_multiple_is_one_of_the_rate_of_the_method():
    assert compose(["method=bitfit", "optimizer.lr=2x"]).optimizer.lr == 2e-2


def test_a_multiple_has_no_rounding_error():
    """In binary, 3 x 0.001 is 0.003 and one unit in the last place."""
    assert compose(["optimizer.lr=3x"]).optimizer.lr == 3e-3


@pytest.mark.parametrize("text", ["0x", "-1x", "2000x", "1e400x"])
def test_a_multiple_must_be_an_allowed_rate(text):
    message = problem(f"optimizer.lr={text}")
    assert message.startswith("optimizer.lr=")
    assert "x: optimizer.lr is 0.001 without it, and takes a number above 0, at most 1" in message


@pytest.mark.parametrize("argument", ["optimizer.lr=x", "optimizer.lr=2 x", "optimizer.eps=2x"])
def test_other_texts_and_keys_are_no_multiples(argument):
    key = argument.partition("=")[0]
    assert f"{argument}: {key} takes a number above 0" in problem(argument)


def test_a_multiple_does_not_settle_which_rate_it_multiplies():
    message = problem("method=bitfit+mosbach", "optimizer.lr=2x")
    assert "set optimizer.lr to combine them" in message


def test_a_multiple_and_a_rate_are_two_values():
    assert "given twice" in problem("optimizer.lr=1x", "optimizer.lr=0.001")


def test_negative_zero_is_zero():
    assert str(compose(["optimizer.weight_decay=-0.0"]).optimizer.weight_decay) == "0.0"


def test_spaces_around_a_text_do_not_make_another_value():
    assert compose(["wandb.project= x "]) == compose(["wandb.project=x"])


def test_nothing_is_suggested_for_a_name_unlike_all_others():
    assert did_you_mean("xyzzy", ["task", "seed"]) == ""


def test_one_pair_of_quotes_is_removed():
    assert unquote("'a b'") == "a b"


def test_quotes_that_do_not_match_stay():
    assert unquote("'a") == "'a"


@pytest.mark.parametrize(
    ("key", "is_list"), [("wandb.tags", True), ("optimizer.betas", True), ("task", False)]
)
def test_a_list_key_takes_a_list(key, is_list):
    assert is_list_key(key) == is_list
