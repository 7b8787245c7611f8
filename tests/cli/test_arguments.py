import pytest

from stablebert.cli.arguments import RESULTS, committed_folders, positive_int, sweep_parser


def test_committed_records_count_by_default():
    assert committed_folders(sweep_parser("report").parse_args(["table1"])) == [RESULTS]


def test_fresh_ignores_committed_records():
    assert committed_folders(sweep_parser("report").parse_args(["table1", "--fresh"])) == []


@pytest.mark.parametrize("text", ["0", "-1", "x"])
def test_a_count_is_at_least_1(text):
    with pytest.raises(ValueError, match=text):
        positive_int(text)
