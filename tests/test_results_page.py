"""Tables and numbers of docs/results.md, and of its table in the README, from the records."""

import re

import pytest

from tests.helpers.documents import ROOT, prose_of, text_of, words_of

PARTS = [
    *("effects", "rates", "depths", "bias_correction", "optimizers", "best_rates", "machines"),
    *("shift", "rescaled", "reinit", "probes", "position", "cka", "longer", "sensitivity"),
    *("remedies", "equal_cost", "minilm_rates", "minilm_depths", "minilm_bias_correction"),
    *("minilm_optimizers", "minilm_best_rates", "minilm_reinit", "minilm_spread", "instability"),
]
RESULTS = ROOT / "docs/results.md"


def test_all_parts_of_the_results_page_are_checked():
    from benchmarks.results import TABLES

    assert [*PARTS, "summary"] == [*TABLES]


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_tables_on_the_results_page_follow_the_command_that_prints_them(name):
    from benchmarks.results import TABLES

    output = TABLES[name](ROOT / "results")
    command = f"python -m benchmarks.results {name}"
    assert f"{command} {words_of(output)}" in words_of(text_of(RESULTS))


@pytest.mark.slow
def test_table_of_real_english_in_the_readme_is_that_of_the_records():
    from benchmarks.results import summary

    assert summary(ROOT / "results") in text_of(ROOT / "README.md")


FIGURES = {
    "bias_correction-distribution": ["fixed_rate_cells"],
    "rate_optimizer-rates": ["optimizer_cells"],
    "table1-distribution": ["standard_cells", "reinit_cells", "longer_cells"],
}
"""Functions of `benchmarks.result_cells` that return the cells of each figure."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_the_results_page_show_the_runs_of_its_tables(name):
    from benchmarks import result_cells

    seeds = {"standard_cells": ["seed=0..19"]}
    cells = [
        cell
        for function in FIGURES[name]
        for cell in getattr(result_cells, function)(ROOT / "results", *seeds.get(function, ()))
    ]
    score = "val" if name.endswith("rates") else "test"
    expected = {
        f"mini/{x.cell.task}/{x.cell.method}/{x.cell.config_id}/seed{record.seeds.init}": y
        for x in cells
        for record, y in zip(x.records, getattr(x, score), strict=True)
    }
    image = text_of(ROOT / f"docs/images/results/{name}.svg").replace("\N{MINUS SIGN}", "-")
    shown = re.findall(r"score x 100: ([^;\"]+);[^\"]*folder: ([^\"]+)\"", image)
    assert {folder: float(y) for y, folder in shown} == pytest.approx(expected, abs=1e-3)


def test_scores_in_the_text_of_the_results_page_are_in_its_tables_or_the_paper():
    """Every decimal number outside of tables and verdicts, but rates and versions."""
    from stablebert.report.paper import paper_numbers

    number = r"(?<![\d.])\d*\.\d+(?![\d.]|e-)"
    lines = prose_of(RESULTS).splitlines()
    tables = "\n".join(line for line in lines if line.startswith("|"))
    text = re.sub(r"\d{4}\.\d{5}", "", "\n".join(x for x in lines if not x.startswith("|")))
    sources = {*re.findall(number, tables), *(paper.value for paper in paper_numbers())}
    sources |= set(re.findall(r"ratio.*: ([\d.]+)\.$", text, re.MULTILINE))
    assert [x for x in re.findall(number, text) if x not in sources] == []
