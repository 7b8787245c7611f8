"""The part of a sweep that has been run."""

import pytest

from stablebert.report.narrowing import (
    finished_seeds,
    narrow_cells,
    replace_depths,
    runs_of,
    seeds_in_use,
)
from tests.helpers.records import make_cell, make_record, make_seeds

STANDARD, REINIT, LONGER = (
    make_cell(seeds=range(20)),
    make_cell(method="reinit", seeds=range(20)),
    make_cell(length="longer", seeds=range(20)),
)
CELLS = [STANDARD, REINIT, LONGER]


def finished(*seeds, cells=CELLS):
    """Finished runs of cells, given the seeds of each."""
    return finished_seeds(
        make_record(cell, seed) for cell, own in zip(cells, seeds, strict=True) for seed in own
    )


def seeds_of(*seeds, is_search=False):
    return seeds_in_use(CELLS, finished(*seeds), is_search=is_search).get("rte", set())


def test_finished_seeds_are_grouped_by_configuration():
    assert finished((0, 3), (), (5,)) == {
        STANDARD.config_id: {*make_seeds([0, 3])},
        LONGER.config_id: {*make_seeds([5])},
    }


def test_seeds_that_all_cells_have_are_in_use():
    assert seeds_of(range(10), range(10), range(10)) == {*make_seeds(range(10))}


def test_seeds_that_half_of_the_cells_have_are_in_use():
    assert seeds_of(range(20), range(20), range(10)) == {*make_seeds(range(20))}


def test_seeds_that_one_cell_shares_with_a_larger_sweep_are_not_in_use():
    assert seeds_of(range(20), range(5), range(5)) == {*make_seeds(range(5))}


def test_cells_without_runs_do_not_count():
    assert seeds_of(range(20), (), ()) == {*make_seeds(range(20))}


def test_disjoint_cells_put_all_their_seeds_in_use():
    assert seeds_of((0, 1), (0, 1), (7,)) == {*make_seeds([0, 1, 7])}


def test_a_table_does_not_use_the_seeds_of_a_search():
    assert seeds_of((100, 101), (100, 101), (0,)) == {*make_seeds([0])}


def test_a_search_uses_other_seeds_that_more_cells_have():
    seeds = seeds_of((0, 100, 101), (100, 101), (100,), is_search=True)
    assert seeds == {*make_seeds([100, 101])}


def test_a_search_uses_its_own_seeds_if_as_many_cells_have_them():
    assert seeds_of((0, 100), (0, 100), (0, 100), is_search=True) == {*make_seeds([0])}


def test_a_search_does_not_use_the_pairs_of_another_sweep():
    pairs = [(0, 1), (1, 0)]
    assert seeds_of([*pairs, 100], [*pairs, 100], [100], is_search=True) == {*make_seeds([100])}


def test_each_task_has_its_own_seeds():
    cells = [STANDARD, make_cell("cola", seeds=range(20))]
    seeds = seeds_in_use(cells, finished((0, 1), (4,), cells=cells), is_search=False)
    assert seeds == {"rte": {*make_seeds([0, 1])}, "cola": {*make_seeds([4])}}


def test_a_narrowed_cell_expects_all_seeds_in_use():
    runs = finished((0, 1), (0,), ())
    cells = narrow_cells(CELLS, {"rte": {*make_seeds([0, 1])}}, runs)
    assert [(c.method, c.seeds) for c in cells] == [
        ("standard", make_seeds([0, 1])),
        ("reinit", make_seeds([0, 1])),
    ]


def test_a_cell_without_any_seed_in_use_is_left_out():
    assert narrow_cells([STANDARD], {"rte": {*make_seeds([0])}}, finished((3,), (), ())) == []


def test_runs_of_cells_are_those_with_expected_seeds():
    runs = runs_of([STANDARD], finished((0, 100), (1,), ()))
    assert runs == {"rte": {(STANDARD.config_id, *make_seeds([0]))}}


# ---------------------------------------------------------------- depths

DEPTHS = [make_cell(method="reinit", **{"reinit.num_layers": str(n)}) for n in (1, 2)]


def test_a_depth_without_runs_is_replaced_by_the_only_one_with_runs():
    runs = finished((0, 1), cells=[DEPTHS[1]])
    (cell,), notes = replace_depths([REINIT], DEPTHS, runs)
    assert (cell.config_id, cell.params) == (DEPTHS[1].config_id, REINIT.params)
    assert notes == [
        "rte reinit 3epochs: reinit.num_layers=2, the only depth with runs of these seeds, and not "
        "the configured one"
    ]


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param({0: (0,), 1: (0,)}, id="several depths have runs"),
        pytest.param({1: (100,)}, id="of other seeds"),
        pytest.param({}, id="no depth has runs"),
    ],
)
def test_a_depth_stays_if_the_runs_do_not_decide(seeds):
    runs = finished(*seeds.values(), cells=[DEPTHS[i] for i in seeds])
    assert replace_depths([REINIT], DEPTHS, runs) == ([REINIT], [])


def test_a_depth_with_runs_stays():
    runs = finished((0,), (0,), cells=[REINIT, DEPTHS[0]])
    assert replace_depths([REINIT], DEPTHS, runs) == ([REINIT], [])
