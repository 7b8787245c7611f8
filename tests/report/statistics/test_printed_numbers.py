"""Student's t and the marks of the paper, from its own printed numbers."""

import math

import pytest
import scipy.stats

from stablebert.report.paper import paper_numbers
from stablebert.report.statistics import scores as stats
from tests.helpers.printed import PrintedScore, t_from_printed, t_range_from_printed
from tests.helpers.samples import normal, unit_cell

CRITICAL = 1.686  # one-tailed, .05, 38 degrees of freedom


def printed_score(table, task, row, length=""):
    (number,) = (
        p
        for p in paper_numbers()
        if (p.table, p.task, p.row, p.statistic) == (table, task, row, "test")
        and length in ("", p.length)
    )
    return PrintedScore(float(number.value), float(number.sd), int(number.n))


COLA_REINIT, COLA_STANDARD = PrintedScore(63.9, 1.9, 20), PrintedScore(63.0, 1.5, 20)


def test_t_from_printed_numbers_is_scipys():
    first, second = PrintedScore(63.9, 1.9, 20), PrintedScore(63.0, 1.5, 12)
    expected = scipy.stats.ttest_ind_from_stats(*first, *second).statistic
    assert t_from_printed(first, second) == pytest.approx(expected)


def test_the_critical_value():
    assert scipy.stats.t.ppf(0.95, 38) == pytest.approx(CRITICAL, abs=5e-4)


def test_t_from_printed_numbers_agrees_with_the_test_of_the_scores():
    a, b = normal(10, 20), normal(11, 20, 0.7)
    first, second = (PrintedScore(x.mean(), x.std(ddof=1), 20) for x in (b, a))
    p = scipy.stats.t.sf(t_from_printed(first, second), 38)
    assert p == pytest.approx(stats.student_test(a, b))


PAPERS_TESTS = [
    (("1", "cola", "Re-init", "3epochs"), ("1", "cola", "Standard", "3epochs"), 1.66),
    (("1", "qnli_1k", "Re-init", "longer"), ("1", "qnli_1k", "Re-init", "3epochs"), 1.53),
    (("7", "rte", "XLNet Re-init"), ("7", "rte", "XLNet Standard"), 2.96),
    (("7", "mrpc", "XLNet Re-init"), ("7", "mrpc", "XLNet Standard"), 2.25),
    (("7", "cola", "XLNet Re-init"), ("7", "cola", "XLNet Standard"), 2.02),
    (("7", "rte", "RoBERTa Re-init"), ("7", "rte", "RoBERTa Standard"), 1.95),
    (("2", "rte", "Mixout"), ("2", "rte", "Standard"), 2.8),
    (("2", "cola", "Mixout"), ("2", "cola", "Standard"), -2.8),
    (("2", "mrpc", "Re-init"), ("2", "mrpc", "Standard"), 1.76),
    (("2", "cola", "Int. Task (MNLI)"), ("2", "cola", "Standard"), 1.72),
]


@pytest.mark.parametrize(("better", "worse", "t"), PAPERS_TESTS)
def test_t_of_the_papers_tables(better, worse, t):
    got = t_from_printed(printed_score(*better), printed_score(*worse))
    assert round(got, len(str(t).partition(".")[2])) == t


@pytest.mark.parametrize(("better", "worse", "t"), PAPERS_TESTS)
def test_t_is_within_the_range_that_rounding_leaves(better, worse, t):
    low, high = t_range_from_printed(printed_score(*better), printed_score(*worse))
    assert low < t < high


def test_rounding_leaves_the_verdict_on_cola_open():
    low, high = t_range_from_printed(COLA_REINIT, COLA_STANDARD)
    assert low < CRITICAL < high


def test_rounding_does_not_affect_the_verdict_on_xlnet():
    reinit, standard = PrintedScore(80.1, 1.6, 20), PrintedScore(71.7, 12.6, 20)
    assert t_range_from_printed(reinit, standard)[0] > CRITICAL


def test_the_range_of_t_by_hand():
    low, high = t_range_from_printed(COLA_REINIT, COLA_STANDARD)
    extremes = (
        (PrintedScore(63.85, 1.95, 20), PrintedScore(63.05, 1.55, 20)),
        (PrintedScore(63.95, 1.85, 20), PrintedScore(62.95, 1.45, 20)),
    )
    expected = [t_from_printed(first, second) for first, second in extremes]
    assert [low, high] == pytest.approx(expected)


def test_the_range_of_swapped_cells_is_mirrored():
    low, high = t_range_from_printed(COLA_REINIT, COLA_STANDARD)
    mirrored = t_range_from_printed(COLA_STANDARD, COLA_REINIT)
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


def test_deviations_that_print_as_zero_give_an_infinite_t():
    first, second = PrintedScore(91.7, 0.0, 20), PrintedScore(91.6, 0.0, 20)
    low, high = t_range_from_printed(first, second)
    assert (low, high) == (pytest.approx(0.0, abs=1e-9), math.inf)


MARKED = {
    "rte": {"73.1", "72.3", "72.6"},
    "mrpc": {"91.4"},
    "stsb": {"89.9"},
    "cola": {"63.9", "63.0"},
    "rte_1k": {"65.8", "65.2", "65.6"},
    "mrpc_1k": {"86.0"},
    "stsb_1k": {"88.4"},
    "cola_1k": {"48.8", "48.4"},
    "sst2_1k": {"91.2"},
    "qnli_1k": {"82.1", "81.9"},
    "qqp_1k": {"77.6", "77.4"},
    "mnli_1k": {"68.8"},
}


@pytest.mark.parametrize("task", MARKED)
def test_the_papers_numbers_give_the_papers_marks(task):
    """Runs with exactly the printed mean and deviation are marked as in Table 1."""
    numbers = [p for p in paper_numbers() if p.table == "1" and p.task == task]
    cells = [float(p.value) + float(p.sd) * unit_cell() for p in numbers]
    marks = stats.marks_of_the_paper(cells)
    assert {p.value for p, marked in zip(numbers, marks, strict=True) if marked} == MARKED[task]
