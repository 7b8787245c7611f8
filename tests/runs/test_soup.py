"""Soups: stored for each set of seeds, and a damaged one is reported with its file."""

import json
from dataclasses import replace

import pytest

from stablebert.runs.record import RecordError
from stablebert.runs.soup import read_soup, soup_file, write_soup
from tests.helpers.records import make_seeds
from tests.helpers.soups import make_soup_of

SEEDS = make_seeds(range(3))
SOUP = make_soup_of(SEEDS)


@pytest.fixture
def file(tmp_path):
    """File of the soup."""
    path = soup_file(tmp_path, SEEDS)
    write_soup(path, SOUP)
    return path


def read(file):
    return read_soup(file, config_id=SOUP.config_id, seeds=SEEDS)


def test_a_soup_is_read_as_it_was_written(file):
    assert read(file) == SOUP


def test_a_cell_without_a_soup_has_none(tmp_path):
    assert read(tmp_path / "soup.json") is None


def test_every_set_of_seeds_has_its_own_file(tmp_path):
    sets = [SEEDS, SEEDS[:2], make_seeds([(0, 0), (0, 1), (0, 2)])]
    assert len({soup_file(tmp_path, seeds) for seeds in sets}) == 3


def test_the_order_of_the_seeds_does_not_matter(tmp_path):
    assert soup_file(tmp_path, SEEDS) == soup_file(tmp_path, SEEDS[::-1])


def test_a_score_without_a_number_is_zero():
    metrics = {**SOUP.metrics, "val_uniform": {"accuracy": None}}
    assert replace(SOUP, metrics=metrics).score("val_uniform") == 0


@pytest.mark.parametrize("text", ["", '{"metric": 1', "[]", "{}"])
def test_a_damaged_soup_is_reported_with_its_file(file, text):
    file.write_text(text)
    with pytest.raises(RecordError, match=r"soup-[0-9a-f]{10}\.json: .*; delete it and rerun"):
        read(file)


def test_an_edited_soup_is_reported(file):
    file.write_text(file.read_text().replace("0.75", "0.85"))
    with pytest.raises(RecordError, match="its digest does not match"):
        read(file)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"metrics": {**SOUP.metrics, "val_uniform": {"accuracy": 1.5}}}, "impossible scores"),
        ({"metrics": {"val_uniform": {"accuracy": 0.5}}}, "impossible scores"),
        ({"metrics": {place: {"f1": 0.5} for place in SOUP.metrics}}, "no scores of accuracy"),
        ({"greedy": []}, "are not some of its runs"),
        ({"greedy": ["seed9"]}, "are not some of its runs"),
        ({"seconds": "1"}, "invalid values: seconds='1'"),
        ({"inputs": {"seed0": "0"}}, "greedy=|the soup of other runs"),
        ({"config_id": "fedc"}, "the soup of other runs"),
    ],
)
def test_an_impossible_soup_is_reported(file, changes, problem):
    data = json.loads(file.read_text()) | changes
    del data["digest"]
    file.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=problem):
        read(file)
