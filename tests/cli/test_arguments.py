from argparse import ArgumentTypeError

import pytest

from stablebert.cli.arguments import RESULTS, committed_folders, positive_int, sweep_parser


def test_committed_records_count_by_default():
    assert committed_folders(sweep_parser("report").parse_args(["table1"])) == [RESULTS]


def test_fresh_ignores_committed_records():
    assert committed_folders(sweep_parser("report").parse_args(["table1", "--fresh"])) == []


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1_0", "²", "٣", "1.0", "9" * 5000])
def test_a_count_is_an_integer_of_at_least_1(text):
    with pytest.raises(ArgumentTypeError, match=f"'{text}': expected an integer of at least 1"):
        positive_int(text)


def test_a_count_is_parsed():
    assert positive_int("12") == 12


def test_only_the_sweep_is_required(capsys):
    with pytest.raises(SystemExit):
        sweep_parser("grid").parse_args([])
    assert capsys.readouterr().err.endswith("the following arguments are required: sweep\n")
