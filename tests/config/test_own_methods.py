"""Methods of a tasks file: merged like shipped ones, and refused with every problem."""

import pytest

from stablebert.config.compose import compose
from stablebert.config.files import load_conf
from stablebert.config.identity import config_id, prerequisite
from stablebert.config.own_tasks import describe_splits, load_own_tasks
from stablebert.errors import ConfigError
from stablebert.tasks import TASKS

ENTRY = """
methods:
  mine:
    optimizer: {lr: 1.0e-4}
    mixout: {p: 0.2}
    per_task:
      cola: {mixout: {p: 0.5}}
"""
TASK = """
tasks:
  mine: {data: rows, text: a, labels: [x, y], splits: {train: train.csv, dev: dev.csv}}
"""


@pytest.fixture
def load(tmp_path):
    """A function that loads a tasks file; its methods are forgotten afterwards."""

    def load(text):
        (tmp_path / "mine.yaml").write_text(text)
        load_own_tasks(tmp_path / "mine.yaml")

    yield load
    load_own_tasks(None)


def problems_of(load, text):
    with pytest.raises(ConfigError) as error:
        load(text)
    return [problem.partition("mine.yaml: ")[2] for problem in error.value.problems]


def test_a_scale_does_not_override_the_values_of_a_method(load):
    load(ENTRY)
    assert compose(["method=mine", "scale=mini"]).optimizer.lr == 1e-4


def test_values_for_a_task_are_used(load):
    load(ENTRY)
    rates = [compose(["method=mine", f"task={task}"]).mixout.p for task in ("rte", "cola")]
    assert rates == [0.2, 0.5]


def test_a_method_combines_with_shipped_ones(load):
    load(ENTRY)
    cfg = compose(["method=mine+reinit", "task=rte", "scale=paper"])
    assert (cfg.method, cfg.reinit.num_layers, cfg.mixout.p) == ("reinit+mine", 5, 0.2)


def test_a_conflict_with_a_shipped_method_is_refused(load):
    load(ENTRY)
    with pytest.raises(ConfigError, match=r"mixout has mixout\.p=0\.1, mine has mixout\.p=0\.2"):
        compose(["method=mine+mixout"])


def test_the_order_in_the_file_does_not_change_a_combination(load):
    load("methods: {b: {rdrop: {alpha: 2}}, a: {mixout: {p: 0.2}}}")
    assert compose(["method=b+a"]).method == "a+b"


def test_the_values_belong_to_the_identity(load):
    ids = []
    for text in (ENTRY, ENTRY.replace("0.2", "0.3")):
        load(text)
        ids.append(config_id(compose(["method=mine"]), data="x", model="y"))
    assert ids[0] != ids[1]


@pytest.mark.parametrize("task", ["mine", "mine_1k"])
def test_a_method_may_name_a_task_of_its_file(load, task):
    load(f"{TASK}methods: {{via: {{intermediate: {{task: {task}}}}}}}")
    start = prerequisite(compose(["task=rte", "method=via", "scale=mini"]))
    assert (start.task, start.method) == (task, "standard")


def test_a_task_that_a_method_names_is_no_problem_where_its_entry_is_one(load):
    text = f"{TASK.replace('x, y', 'x')}methods: {{via: {{intermediate: {{task: mine}}}}}}"
    (problem,) = problems_of(load, text)
    assert problem.startswith("tasks.mine.labels")


def test_a_valid_task_is_not_used_if_a_method_of_its_file_is_invalid(load):
    problems_of(load, f"{TASK}methods: {{via: {{intermediate: {{task: min}}}}}}")
    assert "mine" not in TASKS
    assert "mine" not in load_conf("tasks")


def test_methods_of_an_earlier_file_are_forgotten(load):
    load(ENTRY)
    load_own_tasks(None)
    assert "mine" not in load_conf("methods")
    with pytest.raises(ConfigError, match="method takes one of standard"):
        compose(["method=mine"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["task=rte"], r"the tasks file has no rdrop\.alpha for task=rte"),
        (["task=cola", "length=longer"], r"the tasks file \(m\) has its own length of training"),
    ],
)
def test_a_problem_of_a_run_names_the_tasks_file(load, arguments, problem):
    load("methods: {m: {trainer: {epochs: 9}, per_task: {cola: {rdrop: {alpha: 1}}}}}")
    with pytest.raises(ConfigError, match=problem):
        compose(["method=m", *arguments])


@pytest.mark.parametrize(
    ("methods", "problem"),
    [
        ("3", "methods: expected an entry for each method"),
        ("{reinit: {mixout: {p: 0.1}}}", "methods.reinit: there is a method of this name; choose"),
        ("{a+b: {mixout: {p: 0.1}}}", "methods.a+b: a name has up to 40 letters"),
        ("{yes: {mixout: {p: 0.1}}}", "methods.True: a name has up to 40 letters"),
        ("{m: }", "methods.m: expected keys of a run and their values"),
        ("{m: [mixout]}", "methods.m: expected keys of a run and their values"),
        ("{m: {mixup: {p: 0.1}}}", "methods.m: unknown key mixup.p; did you mean mixout.p?"),
        ("{m: {mixout: 0.1}}", "methods.m: mixout is a group; its keys are mixout.p, mixout.mask"),
        ("{m: {mixout: {p: 2}}}", "methods.m: mixout.p=2: mixout.p takes a number from 0 to below"),
        ("{m: {mixout: {p: true}}}", "methods.m: mixout.p=true: mixout.p takes a number from 0"),
        ("{m: {seed: 3}}", "methods.m: seed is not part of a method; set it on the command line"),
        ("{m: {task: rte}}", "methods.m: task is not part of a method"),
        ("{m: {model: {name: x}}}", "methods.m: model.name is not part of a method"),
        (
            "{m: {trainer: {epochs: 1, max_steps: 2}}}",
            "methods.m: trainer.epochs and trainer.max_steps both set the length; drop one",
        ),
        (
            "{m: {intermediate: {task: col}}}",
            "methods.m: intermediate.task: there is no task col; did you mean cola?",
        ),
        ("{m: {per_task: 3}}", "methods.m.per_task: expected names with their settings, not 3"),
        (
            "{m: {per_task: {col: {mixout: {p: 0.1}}}}}",
            "methods.m.per_task: there is no task col; did you mean cola?",
        ),
        ("&a {m: *a}", "not valid YAML (RecursionError"),
    ],
)
def test_a_problem_names_its_place(load, methods, problem):
    (found,) = problems_of(load, f"methods: {methods}")
    assert found.startswith(problem)


def test_problems_of_tasks_and_methods_are_reported_together(load):
    text = "tasks: {mine: {}}\nmethods: {m: {mixout: {p: 2}, sam: {rho: -1}}}"
    assert {problem.partition(":")[0] for problem in problems_of(load, text)} == {
        *("tasks.mine.data", "tasks.mine.text", "tasks.mine.labels", "tasks.mine.splits"),
        "methods.m",
    }


def test_the_note_on_held_out_rows_counts_those_that_are_held_out(load):
    """As many of each label: 333 of each of three make 999 of the 1,000 of the entry."""
    load(TASK.replace("[x, y]", "[x, y, z]").replace("dev: dev.csv", "test: test.csv"))
    (line,) = describe_splits([compose(["task=mine", "scale=mini"])])
    assert line.startswith("task=mine: 999 rows of train are the validation set, and test is the")
