"""Grids of `seed_init` by `seed_data`: variance components and margins."""

from itertools import product

import numpy as np
import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.statistics.scores import holm_adjust
from stablebert.report.statistics.variance_components import variance_components
from stablebert.report.sweep_report import write_report
from tests.helpers.analyses import numbers_of
from tests.helpers.records import make_cell, make_record, table_lines

INIT = np.array([-0.04, -0.02, 0.0, 0.02, 0.04])
"""Effects of `seed_init` on validation scores, sd 3.16 points."""
NOISE = np.array([[0, 1, 0, -1, 0], [1, 0, -1, 0, 0], [0, -1, 0, 1, 0], [-1, 0, 1, 0, 0], [0] * 5])
"""Residuals, whose rows and columns sum to 0."""
VALIDATION = 0.7 + INIT[:, None] + NOISE / 1000
TEST = 0.65 + np.zeros((5, 5))


def write(folder, validation=VALIDATION, test=TEST, missing=0):
    pairs = list(product(range(len(validation)), range(len(validation[0]))))
    cell = make_cell(seeds=pairs)
    records = [
        make_record(cell, (i, j), float(test[i][j]), val=float(validation[i][j])) for i, j in pairs
    ]
    request = Request(names=["randomness"])
    records = records[: len(records) - missing]
    text = write_report([cell], records, out=folder, name="t", request=request)
    return text.partition("t: randomness\n")[2] or text


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write(folder), folder


@pytest.fixture(scope="module")
def components():
    return variance_components(100 * VALIDATION, seed=0)


def test_components_are_shown(report, components):
    lines = table_lines(report[0], "Variance components (score x 100)")
    assert lines[0] == "task score source sd [95% CI] variance share p F p Holm"
    sd = components.init.sd
    assert lines[1] == (
        f"RTE validation seed_init {sd.value:.2f} [{sd.low:.2f}, {sd.high:.2f}] 10.00 1.00 "
        "<.001 <.001"
    )


def test_a_negative_estimate_is_shown_as_it_is(report):
    """Columns differ less than the residual makes them: MS_data = 0, so -MS_residual / 5."""
    residual = (NOISE**2).sum() / 100 / 16
    lines = table_lines(report[0], "Variance components (score x 100)")
    assert lines[2].startswith("RTE validation seed_data 0.00 [0.00, ")
    (number,) = numbers_of(
        report[1] / "t-randomness.csv", quantity="val_variance", level="seed_data"
    )
    assert number.value == pytest.approx(-residual / 5)


@pytest.mark.parametrize("part", ["init", "data"])
def test_the_csv_has_estimates_intervals_and_p_values(report, components, part):
    path, level = report[1] / "t-randomness.csv", f"seed_{part}"
    component = getattr(components, part)
    (variance,) = numbers_of(path, quantity="val_variance", level=level)
    interval = component.variance.low, component.variance.high
    assert variance == pytest.approx((component.estimate, *interval))
    (p,) = numbers_of(path, quantity="val_p_f", level=level)
    assert p.value == pytest.approx(getattr(components, f"p_{part}"))


def test_p_values_are_corrected_over_seeds_and_scores(report, components):
    path = report[1] / "t-randomness.csv"
    corrected = holm_adjust([components.p_init, components.p_data, 1.0, 1.0])
    (p,) = numbers_of(path, quantity="val_p_holm", level="seed_init")
    assert p.value == pytest.approx(corrected[0])


def test_margins_are_shown(report):
    lines = table_lines(report[0], "Margins (score x 100)")
    assert lines[0] == (
        "task score mean best worst means, seed_init fixed means, seed_data fixed "
        "mean sd, seed_init fixed mean sd, seed_data fixed"
    )
    sds = [(100 * VALIDATION).std(axis=axis, ddof=1).mean() for axis in (1, 0)]
    assert lines[1] == (
        f"RTE validation 70.0 74.0 65.9 66.0 to 74.0 70.0 to 70.0 {sds[0]:.2f} {sds[1]:.2f}"
    )
    assert lines[2] == "RTE test 65.0 65.0 65.0 65.0 to 65.0 65.0 to 65.0 0.00 0.00"


def test_scores_are_shown_by_both_seeds_with_margins(report):
    title = "Validation score x 100 of RTE standard: seed_init (rows) by seed_data (columns)"
    lines = table_lines(report[0], title)
    assert lines[0] == "seed_init 0 1 2 3 4 mean sd"
    assert lines[1] == "0 66.0 66.1 66.0 65.9 66.0 66.0 0.07"
    assert lines[5] == "4 74.0* 74.0* 74.0* 74.0* 74.0* 74.0 0.00"
    assert lines[6] == "mean 70.0 70.0 70.0 70.0 70.0 70.0 -"
    sds = (100 * VALIDATION).std(axis=0, ddof=1)
    assert lines[7] == " ".join(["sd", *(f"{sd:.2f}" for sd in sds), "- -"])


@pytest.mark.parametrize(
    ("quantity", "level", "value"),
    [
        ("val", "seed_init=1 seed_data=2", 67.9),
        ("val_mean", "seed_init=1", 68.0),
        ("val_sd", "seed_init=1", 0.0707107),
        ("val_mean", "seed_data=0", 70.0),
        ("val_mean", "", 70.0),
        ("val_best", "", 74.0),
        ("val_worst", "", 65.9),
        ("test_mean", "", 65.0),
    ],
)
def test_the_csv_has_the_margin(report, quantity, level, value):
    (number,) = numbers_of(report[1] / "t-randomness.csv", quantity=quantity, level=level)
    assert number.value == pytest.approx(value)


def test_the_sentences_name_shares_and_effects(report):
    assert (
        "\nRTE standard, validation scores: the variance is 100% seed_init, 0% seed_data, 0% "
        "residual; seed_init has an effect of its own (p <.001), and seed_data has no significant "
        "effect of its own (p 1.000).\n"
        "RTE standard, test scores: all of 25 runs are equal.\n"
    ) in report[0]


def test_small_grids_have_margins_only(tmp_path):
    text = write(tmp_path, VALIDATION[:3, :2], TEST[:3, :2])
    assert (
        "RTE standard, validation scores: 3 x 2 seeds; variance components need 5 values of each"
    ) in text
    assert "Variance components (" not in text
    assert "Margins (score x 100)" in text


def test_an_incomplete_grid_is_not_analyzed(tmp_path):
    assert write(tmp_path, missing=1).endswith(
        "randomness does not apply: RTE standard: 24 of 25 runs, needs all combinations of the "
        "seeds\n"
    )


def test_incomplete_grids_are_named_next_to_complete_ones(tmp_path):
    pairs = list(product(range(2), range(2)))
    cells = [make_cell(method=method, seeds=pairs) for method in ("standard", "reinit")]
    records = [make_record(cell, pair) for cell in cells for pair in pairs][:-1]
    request = Request(names=["randomness"])
    text = write_report(cells, records, out=tmp_path, name="t", request=request)
    assert "Not analyzed: RTE reinit: 3 of 4 runs, needs all combinations of the seeds.\n" in text


@pytest.mark.parametrize("seeds", [range(5), [(0, 1), (0, 2)], [(0, 1), (1, 0), (0, 0)]])
def test_other_seeds_are_no_grid(tmp_path, seeds):
    cell = make_cell(seeds=seeds)
    records = [make_record(cell, seed) for seed in seeds]
    request = Request(names=["randomness"])
    text = write_report([cell], records, out=tmp_path, name="t", request=request)
    assert text.endswith(
        "randomness does not apply: needs every combination of several seed_init and seed_data, "
        "such as in the sweep randomness\n"
    )
