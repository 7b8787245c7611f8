"""The commands of `docs/own-task.md`, from the data of a task to a table."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.helpers.own_tasks import LABELS, PAGE, documented, write_reviews


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory, tiny_bert, installed):
    """The folder in which all commands of the tutorial ran, with a tiny model, and their output."""
    folder = tmp_path_factory.mktemp("tutorial")
    code = "import stablebert; print(stablebert.__file__)"
    place = subprocess.check_output([*installed[:2], "-c", code], cwd=folder, text=True)
    assert Path(place).is_relative_to(Path(installed[0]).parents[1])
    write_reviews(folder / "reviews", {"train": 48, "dev": 30, "test": 30})
    text = PAGE.read_text(encoding="utf-8")
    tiny = [f"model.name={tiny_bert}", "paths.cache=cache", "trainer.max_steps=2"]
    tiny += ["trainer.accelerator=cpu", "trainer.threads=1"]
    measures = re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    (folder / "measures.py").write_text(measures, encoding="utf-8")
    output = {}
    for line in re.findall(r"^    stablebert (.*)$", text, re.MULTILINE):
        name, *arguments = shlex.split(line)
        arguments += tiny if name != "init-task" else []
        result = subprocess.run(
            [*installed, name, *arguments], cwd=folder, capture_output=True, text=True
        )
        output[name] = output.get(name, "") + result.stdout + result.stderr
        assert result.returncode == 0, output[name]
        if name == "init-task":
            output["tasks file"] = (folder / "stablebert.yaml").read_text(encoding="utf-8")
            entries = documented("tasks") + documented("methods")
            (folder / "stablebert.yaml").write_text(entries, encoding="utf-8")
    return folder, output


@pytest.mark.slow
def test_the_entry_of_the_tutorial_is_guessed(tutorial):
    entry = yaml.safe_load(documented("tasks"))["tasks"]["mine"] | {"labels": sorted(LABELS)}
    guess = yaml.safe_load(tutorial[1]["tasks file"])["tasks"]["mine"]
    assert guess == entry | {"samples": 24}


@pytest.mark.slow
def test_the_tutorial_ends_with_a_table_of_two_methods(tutorial):
    _, output = tutorial
    assert re.search(r"method +length +mine\n-+\nstandard  3epochs .*±", output["report"])
    assert re.search(r"\nreinit +3epochs .*±", output["report"])


@pytest.mark.slow
def test_the_method_of_the_page_becomes_a_row(tutorial):
    assert re.search(r"\ngentle +3epochs .*±", tutorial[1]["report"])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["md", "csv", "tex"])
def test_the_table_is_written_as(tutorial, suffix):
    text = (tutorial[0] / f"reports/table1.{suffix}").read_text(encoding="utf-8")
    assert all(method in text for method in ("standard", "gentle"))


@pytest.mark.slow
def test_the_report_has_no_column_of_the_paper(tutorial):
    text = (tutorial[0] / "reports/table1.md").read_text(encoding="utf-8")
    assert "| method | length | mine |" in text
    assert "paper (" not in text
    assert "Paper:" not in text


@pytest.mark.slow
def test_all_runs_of_the_tutorial_are_trained(tutorial):
    assert len(list(tutorial[0].glob("runs/mini/mine/*/*/seed[0-4]/result.json"))) == 15


@pytest.mark.slow
def test_the_measurement_of_the_tutorial_is_in_the_history(tutorial):
    (history,) = tutorial[0].glob("runs/mini/mine/standard/*/seed5/history.jsonl")
    lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    assert [line["classifier_norm"] > 0 for line in lines] == [True, True]


@pytest.mark.slow
def test_the_texts_of_rows_are_shown(tutorial):
    assert re.search(r"label (bad|mixed|good), predicted .*\n +review: w\d+", tutorial[1]["show"])
