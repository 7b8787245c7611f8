"""Tasks of the user's own: their file, their options and their metrics."""

import contextlib
import io
import json
import os
import re

import pytest
import yaml

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.identity import prerequisite
from stablebert.config.own_tasks import TASKS_VARIABLE, load_own_tasks, use_tasks
from stablebert.errors import ConfigError
from stablebert.runs.record import read_record
from stablebert.runs.seeds import Seeds
from stablebert.runs.soup import read_soup
from stablebert.tasks import TASKS
from tests.helpers.own_tasks import PAGE, documented, write_reviews, write_tasks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder; tasks are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TASKS_VARIABLE, raising=False)
    yield tmp_path
    use_tasks([])


def config_of(capsys, *arguments):
    """Return status and output of `stablebert config`."""
    status = main(["config", *arguments])
    return status, capsys.readouterr()


def test_the_default_file_defines_tasks(folder, capsys):
    write_tasks(folder / "stablebert.yaml")
    status, output = config_of(capsys, "task=mine", "scale=mini")
    assert status == 0
    assert yaml.safe_load(output.out)["data"]["source"] == str(folder / "reviews")


def test_the_option_takes_precedence_over_the_environment(folder, capsys, monkeypatch):
    write_tasks(folder / "a.yaml", longer_steps=10)
    write_tasks(folder / "b.yaml", longer_steps=20)
    monkeypatch.setenv(TASKS_VARIABLE, "a.yaml")
    arguments = ["task=mine", "scale=mini", "length=longer"]
    outputs = [config_of(capsys, *arguments, *more)[1] for more in ([], ["--tasks", "b.yaml"])]
    steps = [yaml.safe_load(output.out)["trainer"]["max_steps"] for output in outputs]
    assert steps == [10, 20]


def test_child_processes_inherit_the_file(folder, monkeypatch):
    from stablebert.cli import runs

    write_tasks(folder / "a.yaml")
    seen = []
    monkeypatch.setattr(runs, "config", lambda _: seen.append(os.environ[TASKS_VARIABLE]) or 0)
    main(["config", "--tasks=a.yaml"])
    assert seen == [str(folder / "a.yaml")]
    assert TASKS_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--tasks", "absent.yaml"], r"--tasks=absent\.yaml: there is no such file"),
        (["--tasks"], "--tasks takes one file"),
        (["--tasks", "a", "--tasks", "b"], "--tasks takes one file"),
        (["task=mine"], r"task takes one of rte, .*; define your own tasks in \./stablebert\.yaml"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_wrong_option_is_refused(capsys, arguments, problem):
    status, output = config_of(capsys, *arguments)
    assert status == 2
    assert re.search(problem, output.err)


def test_commands_to_copy_have_the_option(folder, tiny_bert, capsys):
    write_tasks(folder / "a.yaml")
    write_reviews(folder / "reviews", {"train": 3, "dev": 3, "test": 3})
    (folder / "runs").mkdir()
    overrides = ["task=mine", "scale=mini", "length=3epochs", f"model.name={tiny_bert}"]
    assert main(["report", "table1", *overrides, "--tasks", "a.yaml"]) == 1
    output = " ".join(capsys.readouterr())
    assert re.search("stablebert grid table1 .*--tasks a.yaml", output)
    assert re.search("stablebert report table1 .*--tasks a.yaml --full", output)


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_command_that_trains_a_missing_run_has_the_option(
    folder, tiny_bert, capsys, monkeypatch, way
):
    write_tasks(folder / "a.yaml")
    write_reviews(folder / "reviews", {"train": 3, "dev": 3, "test": 3})
    (folder / "runs").mkdir()
    option = ["--tasks", "a.yaml"] if way == "option" else []
    monkeypatch.setenv(TASKS_VARIABLE, "" if option else "a.yaml")
    assert main(["show", "task=mine", "scale=mini", f"model.name={tiny_bert}", *option]) == 1
    assert re.search("`stablebert train task=mine .*--tasks a.yaml`", capsys.readouterr().err)


def test_all_commands_to_copy_are_built_in_one_place():
    files = (PAGE.parents[1] / "stablebert").rglob("*.py")
    builders = [
        f.name for f in files if 'shlex.join(["stablebert"' in f.read_text(encoding="utf-8")
    ]
    assert builders == ["own_tasks.py"]


def test_problems_of_the_file_are_printed_one_per_line(folder, capsys):
    write_tasks(folder / "stablebert.yaml", samples=0, rule="half")
    status, output = config_of(capsys)
    assert status == 2
    assert output.err.count("stablebert.yaml: tasks.mine.") == 2


@pytest.mark.parametrize("labels", [["good"], {"good": 1}, [True, False], None])
def test_wrong_labels_are_one_problem(folder, capsys, labels):
    write_tasks(folder / "stablebert.yaml", labels=labels, metrics=["f1"])
    (line,) = config_of(capsys)[1].err.splitlines()
    assert "tasks.mine.labels: " in line


def test_tasks_of_an_earlier_file_are_forgotten(folder):
    write_tasks(folder / "stablebert.yaml")
    load_own_tasks(folder / "stablebert.yaml")
    assert "mine_1k" in TASKS
    load_own_tasks(None)
    assert "mine" not in TASKS
    with pytest.raises(ConfigError, match="task takes one of rte"):
        compose(["task=mine"])


def test_the_demo_is_refused(folder, capsys):
    write_tasks(folder / "stablebert.yaml")
    status, output = config_of(capsys, "task=mine")
    assert status == 2
    assert "task=mine: data.source=demo does not generate it; use scale=mini" in output.err


def test_the_steps_of_longer_are_asked_for(folder, capsys):
    write_tasks(folder / "stablebert.yaml")
    status, output = config_of(capsys, "task=mine", "scale=mini", "length=longer")
    assert status == 2
    assert "the entry of task=mine has no longer_steps" in output.err


def test_an_intermediate_task_has_its_own_data(folder):
    write_tasks(folder / "stablebert.yaml")
    load_own_tasks(folder / "stablebert.yaml")
    cfg = compose(["task=mine", "scale=mini", "intermediate.task=mnli"])
    assert cfg.data.source == str(folder / "reviews")
    assert prerequisite(cfg).data.source == "hub"


def test_a_missing_test_split_is_reported(folder, tiny_bert, capsys):
    write_tasks(folder / "stablebert.yaml", splits={"train": "train.csv", "dev": "dev.csv"})
    write_reviews(folder / "reviews", {"train": 3, "dev": 6})
    main(["grid", "table1", "task=mine", "scale=mini", "length=3epochs", "seed=0", "--dry-run",
          f"model.name={tiny_bert}"])  # fmt: skip
    assert "no test split, so validation and test are the halves of dev" in capsys.readouterr().err


# ---------------------------------------------------------------- init-task


def test_init_task_prints_ten_rows_and_the_next_command(folder, capsys):
    write_reviews(folder / "my reviews", {"train": 48, "dev": 30})
    assert main(["init-task", "my reviews", "--out", "a.yaml"]) == 0
    rows, text = capsys.readouterr().out.split("\n\n", 1)
    assert len(rows.splitlines()) == 10
    assert rows.startswith("bad\tw")
    assert text.startswith("tasks:\n  my_reviews:\n    data: my reviews\n")
    assert "stablebert doctor task=my_reviews scale=mini --tasks a.yaml" in text


def test_an_entry_that_was_guessed_is_valid(folder, capsys):
    write_reviews(folder / "reviews", {"train": 48, "dev": 30})
    main(["init-task", "reviews"])
    assert config_of(capsys, "task=reviews", "scale=mini")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["absent"], "absent is not a folder"),
        (["reviews", "--out", "old.yaml"], "old.yaml exists; write to another file with --out"),
        (["."], r"needs a file with train in its name.*found none"),
    ],
)
def test_init_task_refuses(folder, capsys, arguments, problem):
    write_reviews(folder / "reviews", {"train": 48, "dev": 30})
    (folder / "old.yaml").touch()
    assert main(["init-task", *arguments]) == 1
    assert re.search(problem, capsys.readouterr().err)


def test_a_name_that_is_not_allowed_leaves_no_file(folder, capsys):
    write_reviews(folder / "reviews", {"train": 48, "dev": 30})
    assert main(["init-task", "reviews", "--name", "rte"]) == 2
    assert not (folder / "stablebert.yaml").exists()


# ---------------------------------------------------------------- a metric of one's own


@pytest.mark.parametrize(
    ("key", "status"), [("F1Score_macro", 0), ("HammingDistance_micro", 2), ("mcc", 2)]
)
def test_weights_are_selected_by_a_metric_that_is_best_at_1(folder, capsys, key, status):
    classes = [{"F1Score": {"average": "macro"}}, {"HammingDistance": {"average": "micro"}}]
    write_tasks(folder / "stablebert.yaml", metrics=classes)
    result, output = config_of(capsys, "task=mine", "scale=mini", f"trainer.select_by={key}")
    assert result == status
    allowed = f"trainer.select_by={key}: task=mine has F1Score_macro, accuracy"
    assert (allowed in output.err) == bool(status)


@pytest.fixture(scope="module")
def macro_f1(tmp_path_factory, tiny_bert):
    """Output of commands for the documented metrics, a record of five runs, and their soup."""
    folder = tmp_path_factory.mktemp("macro_f1")
    write_reviews(folder / "reviews", {"train": 30, "dev": 30, "test": 30})
    metrics = yaml.safe_load(documented(" +metrics"))
    overrides = ["task=mine", "scale=mini", "method=standard", "length=3epochs"]
    overrides += [f"model.name={tiny_bert}", "paths.cache=cache", "trainer.max_steps=4"]
    overrides += ["trainer.accelerator=cpu", "trainer.threads=1", "trainer.keep_weights=true"]
    overrides += ["optimizer.lr=0.01"]
    output = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv(TASKS_VARIABLE, raising=False)
        write_tasks(folder / "stablebert.yaml", **metrics)
        for seed in range(5):
            assert main(["train", *overrides, f"seed={seed}"]) == 0
        for name, *arguments in (
            [
                "report",
                "table1",
                *overrides,
                "seed=0..4",
                "--full",
                "--analysis=noise,disagreement",
            ],
            ["soup", "table1", *overrides, "seed=0..4"],
            ["show", *overrides, "seed=0"],
        ):
            text = io.StringIO()
            with contextlib.redirect_stdout(text):
                assert main([name, *arguments]) == 0, name
            output[name] = " ".join(text.getvalue().split())
        use_tasks([])
    (file,) = folder.glob("runs/mini/mine/standard/*/seed0/result.json")
    (soup_file,) = file.parents[1].glob("soup-*.json")
    content = json.loads(soup_file.read_text(encoding="utf-8"))
    pairs = [(seed, seed) for seed in range(5)]
    soup = read_soup(soup_file, config_id=content["config_id"], seeds=map(Seeds._make, pairs))
    return output, read_record(file.parent), soup


@pytest.mark.slow
def test_the_record_has_the_metrics_of_the_entry(macro_f1):
    record = macro_f1[1]
    assert record.metric == "F1Score_macro"
    assert list(record.metrics["val_at_best"]) == ["F1Score_macro", "CohenKappa", "accuracy"]
    # always one of three classes with ten rows each: F1 of 2 * 10 / (30 + 10), and of 0 twice
    assert record.majority == pytest.approx(
        {"val": 1 / 6, "test": 1 / 6, "dev": 1 / 6, "dev_accuracy": 1 / 3}
    )


@pytest.mark.slow
def test_the_report_names_the_metric_and_how_chance_is_tested(macro_f1):
    assert "Score x 100: F1Score (average=macro) for mine." in macro_f1[0]["report"]
    assert "for F1 tasks too, and for torchmetrics classes;" in macro_f1[0]["report"]


@pytest.mark.slow
def test_scores_that_a_report_computes_again_are_those_of_the_records(macro_f1):
    report = macro_f1[0]["report"]
    mean, sd = re.search(r"standard 3epochs (\S+) ± (\S+)", report).groups()
    assert sd != "0.0"
    of_predictions = re.search(r"left out -+ mine 5 30 (\S+) (\S+) ", report)
    assert (of_predictions[1], f"{float(of_predictions[2]):.1f}") == (mean, sd)
    assert re.search(rf"left out -+ mine 5 {of_predictions[2]} .* {mean} \S+ \S+ 0 stand", report)


@pytest.mark.slow
def test_a_soup_is_scored_by_the_metric(macro_f1):
    score = 100 * macro_f1[2].score("test_uniform")
    assert f": test {score:.1f} with all 5 runs" in macro_f1[0]["soup"]
    assert macro_f1[2].metric == "F1Score_macro"


@pytest.mark.slow
def test_the_run_is_shown_with_the_metric(macro_f1):
    record = macro_f1[1]
    score = 100 * record.test_at_best
    assert f"test F1Score_macro {score:.1f} with the best weights" in macro_f1[0]["show"]
    assert " (not x 100)" in macro_f1[0]["show"]
