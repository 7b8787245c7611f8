"""The two seeds of a run, as text and as a folder."""

from itertools import product

import pytest

from stablebert.config.compose import compose
from stablebert.runs.seeds import Seeds, format_seeds, parse_seeds
from tests.helpers.records import make_seeds


@pytest.mark.parametrize(
    ("overrides", "seeds"),
    [
        (["seed=3"], (3, 3)),
        (["seed=3", "seed_init=1"], (1, 3)),
        (["seed_init=1", "seed_data=2"], (1, 2)),
    ],
)
def test_a_configuration_has_two_seeds(overrides, seeds):
    assert Seeds.of(compose(overrides)) == seeds


@pytest.mark.parametrize(
    ("seeds", "text", "folder"),
    [(Seeds(3, 3), "3", "seed3"), (Seeds(1, 2), "1/2", "init1-data2")],
)
def test_seeds_have_a_text_and_a_folder(seeds, text, folder):
    assert (str(seeds), seeds.folder) == (text, folder)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ([4, 0, 1, 2, 9, 1], "0..2, 4, 9"),
        ([3, (5, 1), 4], "3..4, 5/1"),
        ([(5, 1), 5], "5/1, 5/5"),
        ([*product(range(10), range(10))], "0..9/0..9"),
        (set(product(range(3), range(3))) - {(1, 1)}, "0/0..2, 2/0..2, 1/0, 1/2"),
        ([], ""),
    ],
)
def test_seeds_are_joined_into_ranges(seeds, text):
    assert format_seeds(make_seeds(seeds)) == text


@pytest.mark.parametrize(
    "seeds",
    [
        [3],
        [0, 1, 2, 7],
        [100, 101, (1, 2)],
        [*product(range(3), range(10))],
        [0, (0, 1), (2, 2), (4, 1), (4, 2)],
    ],
)
def test_seeds_can_be_read_from_their_text(seeds):
    assert parse_seeds(format_seeds(make_seeds(seeds))) == set(make_seeds(seeds))
