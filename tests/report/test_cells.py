"""Names of cells and tasks."""

from dataclasses import replace

import pytest

from stablebert.report.cells import describe_cell, parameter_text, task_title, varying_parameters
from stablebert.text import count_of
from tests.helpers.records import make_cell


def test_parameters_that_all_cells_share_do_not_vary():
    cells = [make_cell(depth=d, epochs="1") for d in ("1", "2")]
    assert varying_parameters(cells) == ["depth"]


def test_task_method_and_length_are_not_among_the_varying_parameters():
    cells = [make_cell(), make_cell("cola", "reinit", "longer")]
    assert varying_parameters(cells) == []


def test_the_scale_varies_last():
    cells = [make_cell(depth="1"), make_cell(depth="2", scale="demo")]
    assert varying_parameters(cells) == ["depth", "scale"]


def test_a_parameter_that_a_cell_lacks_is_a_dash():
    assert parameter_text(make_cell(), "depth") == "-"


def test_a_generated_task_does_not_have_the_name_of_the_real_one():
    assert (task_title("rte", "demo"), task_title("rte", "mini")) == ("demo-rte", "RTE")


def test_a_cell_is_described_with_its_config_id():
    cell = make_cell(method="reinit")
    assert describe_cell(cell) == "RTE reinit 3epochs (rte-reinit-3epochs-mini)"


@pytest.mark.parametrize(("n", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_nouns_agree_with_their_number(n, text):
    assert count_of(n, "run") == text


def test_a_task_that_is_not_ours_has_its_name_as_title():
    assert task_title("my_task", "mini") == "my_task"


def test_a_cell_of_a_generated_task_is_described_as_such():
    assert describe_cell(make_cell(scale="demo")).startswith("demo-rte standard 3epochs (")


def test_the_text_of_an_identity_is_that_of_the_cell_whatever_its_sweep_sets():
    assert parameter_text(replace(make_cell(), params={}), "task") == "rte"
