"""Damaged data: refused by the name of a file, or other content with valid rows."""

from functools import partial

import pytest

from stablebert.errors import InputError
from stablebert.glue.rows import WITH_GAPS
from stablebert.glue.sources import resolve
from tests.helpers.campaign import run_campaign
from tests.helpers.data_damage import damage_data, write_task
from tests.helpers.official_glue import read_splits


@pytest.mark.parametrize(
    "numbers", [range(24), pytest.param(range(24, 5024), marks=pytest.mark.stress)]
)
def test_damaged_data_are_refused_or_other_data(numbers, tmp_path, capsys):
    run_campaign(capsys, partial(check_damage, tmp_path, {}), numbers)


def check_damage(root, rows_by_identity, number):
    """Damage a task, read it, and describe the outcome.

    Args:
        root: Folder of all tasks.
        rows_by_identity: Rows of each content so far; a content always has the same rows.
        number: Determines the task, its layout and the damage.
    """
    folder = root / str(number)
    task, paths = write_task(folder, number)
    original = resolve(folder, task)
    rows_by_identity[original.identity] = describe(read_splits(original, task))
    text, damaged_paths = damage_data(task, paths, number)
    source, tables, problem = read_data(folder, task)
    if problem:
        names = [task.config, *(path.name for path in damaged_paths)]
        assert any(name in problem for name in names), (text, problem)
        assert len(problem) < 3000, (text, problem)
        return f"{number}: {text}: refused: {problem[:150]!a}"
    check_rows(task, tables, text)
    rows = describe(tables)
    assert rows_by_identity.setdefault(source.identity, rows) == rows, text
    return f"{number}: {text}: {'as before' if source.identity == original.identity else 'other'}"


def read_data(folder, task):
    """Return the source of a task and its rows, or why they are refused."""
    try:
        source = resolve(folder, task)
        return source, read_splits(source, task), ""
    except InputError as error:
        return None, {}, str(error).replace(str(folder), "")


def describe(tables):
    return {split: table.to_pydict() for split, table in tables.items()}


def check_rows(task, tables, text):
    """Check that rows can be trained on."""
    low, high = task.score_range if task.regression else (0, task.num_labels - 1)
    for table in tables.values():
        assert len(table), text
        for row in table.to_pylist():
            texts = [row[column] for column in task.columns]
            assert all(isinstance(x, str) and "\0" not in x for x in texts), (text, row)
            assert task.config in WITH_GAPS or all(x.strip() for x in texts), (text, row)
            assert low <= row["label"] <= high, (text, row)
