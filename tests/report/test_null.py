"""Simulated reports on equal cells: how often their sentences and marks are wrong.

A report has 24 comparisons, as one on eight tasks with two methods and two lengths.
"""

from itertools import product
from math import sqrt

import numpy as np
import pytest

from stablebert.report.compare import analyze_cells
from stablebert.report.join import CellResult
from stablebert.report.sentences import summarize_findings
from stablebert.report.statistics.scores import ALPHA
from tests.helpers.records import make_cell, make_record

TASKS = ("rte", "mrpc", "stsb", "cola", "sst2", "qnli", "qqp", "mnli")


def normal(rng, n, cell):
    """Scores with the spread of Table 1."""
    return rng.normal(70, 2.5, n)


def different_spreads(rng, n, cell):
    """Scores of equal means, whose deviations are those of BERTAdam, Re-init, and so on."""
    return rng.normal(70, (0.3, 3, 9, 1)[cell % 4], n)


def discrete(rng, n, cell):
    """Accuracies on RTE's 138 rows, many of them equal."""
    return rng.binomial(138, 0.7, n) / 1.38


def often_failing(rng, n, cell):
    """Accuracies on RTE of which three in ten are the majority class's."""
    return np.where(rng.random(n) < 0.3, 52.7, rng.normal(70, 2.5, n))


def mostly_failing(rng, n, cell):
    """Accuracies of BERTAdam on RTE: 48 % of its runs fail (the paper's Section 4)."""
    return np.where(rng.random(n) < 0.48, 52.7, rng.normal(70, 2.5, n))


class Simulation:
    """Reports on cells whose scores are drawn from one distribution.

    Args:
        draw: Function that returns the n scores of a cell.
        n: Runs of each cell.
    """

    def __init__(self, draw, n=20):
        self.draw, self.n, self.rng = draw, n, np.random.default_rng(1)
        rows = product(TASKS, ("standard", "reinit"), ("3epochs", "longer"))
        self.cells = [make_cell(*row, seeds=range(n)) for row in rows]
        self.records = (make_record(self.cells[0]),) * n  # only their number matters

    def report(self):
        """Rows of one report."""
        results = []
        for i, cell in enumerate(self.cells):
            scores = self.draw(self.rng, self.n, i)
            own = {"cell": cell, "test": scores, "val": scores}
            results.append(CellResult(**own, records=self.records, missing=(), pruned=False))
        return analyze_cells(results, mark_by="test")


MEANS, SPREADS = ("higher", "lower"), ("smaller", "larger")


def has_claim(rows, words=(*MEANS, *SPREADS)):
    """True if a sentence of a report claims one of these differences."""
    text = " ".join(summarize_findings(rows, ["method", "length"]))
    return any(f"significantly {word}" in text for word in words)


def lower_bound(outcomes):
    """Share of true outcomes, less three standard errors of a share of `ALPHA`."""
    return np.mean(outcomes) - 3 * sqrt(ALPHA * (1 - ALPHA) / len(outcomes))


def test_reports_on_equal_cells_seldom_have_a_false_sentence():
    """Uncorrected tests in one direction would be false in a third of them."""
    simulation = Simulation(normal)
    assert lower_bound([has_claim(simulation.report()) for _ in range(40)]) < ALPHA


@pytest.mark.stress
@pytest.mark.parametrize("n", [5, 20])
@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (normal, (*MEANS, *SPREADS)),
        (different_spreads, MEANS),  # what they say about spreads is true
        (discrete, (*MEANS, *SPREADS)),
        (often_failing, (*MEANS, *SPREADS)),
        (mostly_failing, (*MEANS, *SPREADS)),
    ],
)
def test_at_most_one_report_in_twenty_has_a_false_sentence(draw, words, n):
    """The same holds for marks: where all means are equal, every cell is marked."""
    simulation = Simulation(draw, n)
    reports = [simulation.report() for _ in range(1000)]
    false_sentences = [has_claim(rows, words) for rows in reports]
    false_marks = [not all(row.marked for row in rows) for rows in reports]
    print(f"{draw.__name__}, n={n}: {np.mean(false_sentences):.3f}, {np.mean(false_marks):.3f}")
    assert lower_bound(false_sentences) < ALPHA
    assert lower_bound(false_marks) < ALPHA
