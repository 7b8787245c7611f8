"""The tasks of `examples/tasks/`: their script, their rows, and runs from an empty folder."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from stablebert.glue.sources import resolve
from stablebert.tasks.entries import read_tasks

EXAMPLES = Path(__file__).parents[1] / "examples/tasks"
FILES = [
    *(f"tickets/{split}.csv" for split in ("train", "dev", "test")),
    *(f"dishes/{split}.jsonl" for split in ("train", "dev")),
]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A folder with the files that the script writes."""
    folder = tmp_path_factory.mktemp("generated")
    runpy.run_path(str(EXAMPLES / "make_data.py"))["main"](folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_the_script_writes_the_committed_file(generated, name):
    assert (generated / name).read_bytes() == (EXAMPLES / name).read_bytes()


@pytest.mark.parametrize(("name", "sizes"), [("tickets", [300, 120, 120]), ("dishes", [300, 200])])
def test_all_rows_are_valid(name, sizes):
    tasks = {task.name: task for task in read_tasks(EXAMPLES / "stablebert.yaml")}
    task = tasks[name]
    source = resolve(task.own.source, task)
    assert [len(source.read(split)) for split in task.source_splits] == sizes


@pytest.mark.slow
def test_both_tasks_and_a_few_sample_version_become_a_table(installed, tiny_bert, tmp_path):
    shutil.copytree(EXAMPLES, tmp_path / "here")
    labels = "labels: [low, normal, high]"
    file = tmp_path / "here/stablebert.yaml"
    metrics = f"{labels}\n    metrics: [F1Score: {{average: macro}}]"
    file.write_text(file.read_text("utf-8").replace(labels, metrics), "utf-8")
    names = ["task=tickets,dishes,dishes_1k", "method=standard", "length=3epochs", "seed=0"]
    tiny = [f"model.name={tiny_bert}", "paths.cache=cache", "trainer.max_steps=2"]
    tiny += ["trainer.accelerator=cpu", "scale=mini"]
    for command in ("grid", "report"):
        output = subprocess.run(
            [*installed, command, "table1", *names, *tiny],
            cwd=tmp_path / "here",
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    assert re.search(r"method +length +tickets +dishes +dishes \(150\)\n-+\nstandard", output)
    assert "F1Score (average=macro) for tickets; Spearman for dishes" in " ".join(output.split())
