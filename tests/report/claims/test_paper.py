"""Verdicts on runs with the means and deviations that the paper prints."""

import pytest

from stablebert.report.paper import paper_numbers
from tests.helpers.claims import judge, make_report, spaced_scores


@pytest.fixture(scope="module")
def reports():
    """Tables 1, 2, and 7 with 20 runs per cell."""
    tables = {"1": {}, "2": {}, "7": {}}
    for number in paper_numbers():
        if number.table in tables and number.statistic == "test" and number.sd:
            key = (number.task, number.method, number.length)
            if number.model != "BERT":
                key += (("model.name", number.model), ("paper_model", number.model))
            mean, sd = float(number.value) / 100, float(number.sd) / 100
            tables[number.table][key] = spaced_scores(mean, sd, 20)
    return [make_report(f"table{name}", scores) for name, scores in tables.items()]


@pytest.mark.parametrize(
    ("key", "outcome"),
    [
        ("C5", "holds"),
        ("C6", "holds"),
        ("C11", "inconclusive"),
        ("C12", "inconclusive"),
        ("C15", "inconclusive"),
    ],
)
def test_on_the_papers_numbers(reports, key, outcome):
    assert judge(key, *reports).outcome == outcome


def test_the_gap_shrinks_significantly_on_four_of_twelve_data_sets(reports):
    effects = [e for e in judge("C11", *reports).effects if e.quantity == "change of the gap"]
    assert [effect.finding for effect in effects].count("as claimed") == 4
    assert len(effects) == 12
