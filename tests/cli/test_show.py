"""The command `show`: what it prints for runs on disk, and for a run that was trained."""

import io
import json
import sys

import pytest

from stablebert.cli.main import main
from stablebert.config.serialize import to_yaml
from stablebert.runs.predictions import digest_of, serialize_predictions
from tests.helpers.predicted_runs import make_part
from tests.helpers.processes import imports_of
from tests.helpers.runs import folder_of, make_run, make_run_record, record_of, store_run_record

PARTS = {"test_at_best": make_part([[0, 1], [1, 0], [0, 2]], labels=[1, 1, 0])}


@pytest.fixture(autouse=True)
def terminal_width(monkeypatch):
    """Let the terminal have 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(tmp_path):
    """Finished run with predictions and a history."""
    return store_run(tmp_path, "seed=1")


def store_run(root, *overrides):
    run = make_run(root, "task=rte", "data.source=/absent", *overrides)
    store_run_record(run, make_run_record(run, predictions_digest=digest_of(PARTS)))
    (run.folder / "config.yaml").write_text(to_yaml(run.cfg))
    (run.folder / "history.jsonl").write_text(
        '{"step": 1, "train/loss": 0.7}\n{"step": 9, "train/loss": 0.4, "val/score": 0.7}\n'
    )
    (run.folder / "predictions.parquet").write_bytes(serialize_predictions({run.key: PARTS}))
    return run


def test_a_run_is_shown_with_its_scores_curves_and_predictions(run, capsys):
    assert main(["show", str(run.folder), "--rows", "1"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("RTE standard 3epochs seed 1\n")
    for text in (
        "test accuracy        70.0 with the best weights, 70.0 with the last",
        "chance               52.5 on test, 52.9 on validation (majority class)",
        "validation score x 100  ⠒ run  ▀ chance",
        "not_entailment           1               1  50.0%",
        "  row 2, loss 2.13, label entailment, predicted not_entailment",
        "no texts: data.source='/absent' is not a folder",
    ):
        assert text in output


def test_two_runs_are_compared(run, tmp_path, capsys):
    other = store_run(tmp_path, "seed=2")
    assert main(["show", str(run.folder), str(other.folder)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "seed_init 1 2" in lines
    assert "different predictions 0 (0.0%)" in lines
    assert "validation score x 100 ⠒ A ▀ B" in lines


def test_a_crashed_run_is_shown_with_its_error(tmp_path, capsys):
    run = make_run(tmp_path, "task=rte")
    run.folder.mkdir(parents=True)
    crash = {"error": "RuntimeError", "message": "\x1b[31mno", "step": 3, "traceback": "Trace\n  x"}
    (run.folder / "crash.json").write_text(json.dumps(crash))
    (run.folder / "config.yaml").write_text(to_yaml(run.cfg))
    assert main(["show", str(run.folder)]) == 0
    output = capsys.readouterr().out
    assert "crashed at step 3" in output
    assert "RuntimeError: \\x1b[31mno\n    Trace\n      x\n" in output


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere/seed1"], 1, "nowhere/seed1: no such folder"),
        (["tsak=rte"], 2, "unknown key tsak; did you mean task?"),
        (["a", "b", "c"], 2, "names 3 runs"),
    ],
)
def test_invalid_arguments_are_reported(arguments, status, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["show", *arguments]) == status
    assert message in capsys.readouterr().err


class Terminal(io.StringIO):
    """A terminal in a given encoding."""

    def __init__(self, encoding):
        super().__init__()
        self.own_encoding = encoding

    encoding = property(lambda self: self.own_encoding)

    def isatty(self):
        return True


@pytest.mark.parametrize(("no_color", "has_codes"), [("", True), ("1", False)])
def test_plots_are_colored_on_a_terminal_unless_no_color_is_set(
    run, monkeypatch, no_color, has_codes
):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys, "stdout", Terminal("utf-8"))
    main(["show", str(run.folder)])
    assert ("\x1b[" in sys.stdout.getvalue()) == has_codes


def test_output_that_is_no_terminal_has_no_color(run, capsys):
    main(["show", str(run.folder)])
    assert "\x1b" not in capsys.readouterr().out


def test_plots_are_ascii_where_the_encoding_lacks_their_characters(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal("ascii"))
    monkeypatch.setenv("NO_COLOR", "1")
    main(["show", str(run.folder)])
    assert sys.stdout.getvalue().isascii()


# ---------------------------------------------------------------- pages


def test_a_page_is_written_on_request(run, tmp_path, capsys):
    file = tmp_path / "pages/one.html"
    assert main(["show", str(run.folder), f"--html={file}"]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert "<h1>RTE standard 3epochs seed 1</h1>" in file.read_text()


def test_a_page_has_a_default_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["show", str(run.folder), "--html"]) == 0
    assert (tmp_path / "show.html").is_file()


def test_a_run_after_the_option_is_not_taken_for_a_file(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["show", "--html", str(run.folder)])
    assert "expected a file that ends in .html" in capsys.readouterr().err


# ---------------------------------------------------------------- a trained run


@pytest.mark.slow
@pytest.mark.parametrize("task", ["rte", "stsb"])
def test_a_trained_run_is_shown_by_its_arguments(task, run_arguments, capsys):
    arguments = run_arguments(f"task={task}")
    assert main(["train", *arguments]) == 0
    capsys.readouterr()
    assert main(["show", *arguments]) == 0
    output, record = capsys.readouterr().out, record_of(arguments)
    assert f"place                {folder_of(arguments)}"[:40] in output
    assert f"{100 * record.test_at_best:.1f} with the best weights" in output
    for title in ("validation score", "loss", "learning rate", "bias ratio", "final weight change"):
        assert any(line.startswith(title) for line in output.splitlines())
    assert output.count("    sentence1: ") == output.count("    sentence2: ") == 5
    assert "no texts" not in output


@pytest.mark.slow
def test_a_run_is_shown_without_packages_that_train(run):
    used = imports_of("show", str(run.folder))
    assert not {"torch", "lightning", "transformers", "wandb", "pandas", "altair", "jinja2"} & used
    assert "plotext" in used
