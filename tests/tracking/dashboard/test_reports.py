import re

import pytest

from stablebert.report.paper import paper_numbers
from tests.tracking.dashboard import specs
from tests.tracking.dashboard.specs import BIAS_RATIO, DISTRIBUTION, TEXT, bars, line

TASK = [
    *(TEXT, bars("test_at_best"), DISTRIBUTION, bars("val_best"), bars("failed")),
    bars("at_chance"),
    *(line("val/score"), BIAS_RATIO, line("weight_change/classifier"), line("train/loss")),
]
DATA = [
    *(bars(f"splits.{split}.rows") for split in ("train", "val", "test")),
    *(bars(f"majority.{split}") for split in ("val", "test")),
]
GRIDS = {
    "table1": [TASK] * 12,
    "table2": [TASK] * 4,
    "table3": [DATA],
    "table4": [TASK] * 4,
    "table5": [TASK],
    "table6": [[bars("test_at_best"), DISTRIBUTION, bars("steps"), line("train/lr")]],
    "table7": [TASK] * 4,
}
SMALL = ["cola", "mrpc", "rte", "stsb"]
FILTERS = {
    "table1": {"tags": ["table1"], "task.value": ["rte"]},
    "table2": {"tags": ["table2"], "task.value": ["rte"]},
    "table3": {"task.value": sorted({p.task for p in paper_numbers() if p.table == "3"})},
    "table4": {"tags": ["table4"], "task.value": ["cola"]},
    "table5": {"tags": ["table5"], "task.value": ["mnli"]},
    "table6": {"task.value": SMALL},
    "table7": {"tags": ["table7"], "task.value": ["rte"]},
}


@pytest.fixture
def report_of(dashboard):
    """Function that returns the report of a table."""
    return lambda table: dashboard["reports"][int(table[-1]) - 1]


def first_filter(report):
    filters = specs.grids_of(report)[0]["runSets"][0]["filters"]["filters"]
    return {f["key"]["name"]: f["value"] for f in filters}


def test_every_table_has_a_report(dashboard):
    titles = [report["displayName"] for report in dashboard["reports"]]
    assert [re.search(r"Table (\d)", title)[1] for title in titles] == list("1234567")


@pytest.mark.parametrize("table", GRIDS)
def test_a_report_has_these_panels_per_task(report_of, table):
    grids = specs.grids_of(report_of(table))
    assert [specs.shapes_of(specs.panels_of(grid)) for grid in grids] == GRIDS[table]


@pytest.mark.parametrize("table", FILTERS)
def test_a_report_shows_the_runs_of_its_table(report_of, table):
    assert first_filter(report_of(table)) == FILTERS[table]


@pytest.mark.parametrize("table", GRIDS)
def test_a_report_contains_every_number_of_its_table(report_of, table):
    blocks = report_of(table)["spec"]["blocks"]
    (text,) = [b["content"] for b in blocks if b["type"] == "markdown-block"]
    cells = {cell for line in text.splitlines() for cell in line.strip("| ").split(" | ")}
    assert {p.text for p in paper_numbers() if f"table{p.table}" == table} <= cells


def test_the_report_of_a_sweep_shows_its_runs():
    (report,) = specs.build(tables=["table1"], sweep="v3x")["reports"]
    assert first_filter(report) == {"sweep": ["v3x"], "task.value": ["rte"]}


def test_the_report_of_a_sweep_is_named_after_it():
    (report,) = specs.build(tables=["table7"], sweep="v3x")["reports"]
    assert report["displayName"] == "stablebert v3x: Table 7: other pre-trained models"


def test_a_task_shows_its_column_of_the_paper_next_to_its_runs(report_of):
    panel = specs.panels_of(specs.grids_of(report_of("table1"))[-1])[0]
    assert panel["config"]["value"].splitlines()[2:] == [
        "|  | length | mnli_1k |",
        "| --- | --- | --- |",
        "| Standard | 3epochs | 52.2 ± 4.2 |",
        "| Standard | longer | 67.5 ± 1.1 |",
        "| Re-init | 3epochs | 66.4 ± 0.6 |",
        "| Re-init | longer | 68.8 ± 0.5 |",
    ]
