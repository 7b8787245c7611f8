"""The paper's printed numbers: complete, unaltered, and accessible by what they are about."""

from collections import Counter

import pytest

from stablebert.report import paper
from stablebert.report.paper import differs_from_printed, paper_numbers, paper_scores
from stablebert.report.sweep_report import write_report
from stablebert.report.table3 import write_table3
from tests.helpers.records import make_cell, make_record, table_lines


def test_every_table_has_all_its_numbers():
    assert Counter(p.table for p in paper_numbers()) == {
        "1": 2 * 2 * 12,
        "2": 8 * 4,
        "3": 7 * 8,
        "4": 2 * 4,
        "5": 2 * 2,
        "6": 5 * (1 + 4 * 4),
        "7": 4 * 2 * 4,
    }


def test_no_number_is_listed_twice():
    keys = [(p.table, p.row, p.length, p.task, p.statistic) for p in paper_numbers()]
    assert len(set(keys)) == len(keys)


def test_table_1_covers_its_tasks_methods_and_lengths():
    full = ["rte", "mrpc", "stsb", "cola"]
    few_samples = [f"{task}_1k" for task in (*full, "sst2", "qnli", "qqp", "mnli")]
    assert {(p.task, p.method, p.length) for p in paper_numbers() if p.table == "1"} == {
        (task, method, length)
        for task in (*full, *few_samples)
        for method in ("standard", "reinit")
        for length in ("3epochs", "longer")
    }


SCORES = [p for p in paper_numbers() if p.statistic in ("test", "dev")]


def test_scores_have_one_decimal():
    assert [p for p in SCORES if p.value != f"{float(p.value):.1f}"] == []


def test_scores_and_deviations_are_in_points():
    assert [p for p in SCORES if not (0 < float(p.value) < 100 and 0 < float(p.sd) < 30)] == []


def test_scores_are_over_20_seeds_and_3_in_table_5():
    assert {(p.table == "5", p.n) for p in SCORES} == {(True, "3"), (False, "20")}


@pytest.mark.parametrize(
    ("table", "row", "task", "statistic", "length", "text"),
    [
        ("1", "Standard", "rte", "test", "3epochs", "69.5 ± 2.5"),
        ("1", "Re-init", "cola", "test", "longer", "61.9 ± 2.3"),
        ("1", "Standard", "mnli_1k", "test", "3epochs", "52.2 ± 4.2"),
        ("1", "Re-init", "stsb_1k", "test", "longer", "88.4 ± 0.2"),
        ("2", "Int. Task (MNLI)", "rte", "test", "3epochs", "81.8 ± 1.7"),
        ("2", "Pre-trained WD", "cola", "test", "3epochs", "63.4 ± 1.5"),
        ("3", "# train", "sst2", "train_rows", "", "61.3k"),
        ("3", "majority (val)", "mrpc", "majority_val", "", "81.3"),
        ("4", "full precision", "rte", "test", "3epochs", "71.4 ± 2.2"),
        ("5", "no bias correction", "mnli", "test", "3epochs", "87.0 ± 0.4"),
        ("6", "RoBERTa", "stsb", "length", "", "3598 steps"),
        ("6", "BART", "mrpc", "batch_size", "", "64"),
        ("7", "ELECTRA Re-init", "cola", "test", "", "61.3 ± 20.1"),
        ("7", "XLNet Standard", "stsb", "test", "", "86.8 ± 20.4"),
    ],
)
def test_numbers_are_as_printed(table, row, task, statistic, length, text):
    key = (table, row, task, statistic, length)
    matches = [p for p in paper_numbers() if (p.table, p.row, p.task, p.statistic, p.length) == key]
    assert [p.text for p in matches] == [text]


CONTRADICTIONS = {
    ("cola", "reinit", "3epochs"): ("63.9 ± 1.9", "64.2 ± 1.6"),
    ("mrpc", "standard", "longer"): ("90.5 ± 1.5", "91.0 ± 1.3"),
}


def numbers_of(table):
    return {
        (p.task, p.method, p.length): p
        for p in paper_numbers()
        if (p.table, p.statistic) == (table, "test")
    }


def test_tables_1_and_2_disagree_only_where_known():
    first, second = numbers_of("1"), numbers_of("2")
    shared = first.keys() & second.keys()
    assert {
        key: (first[key].text, second[key].text)
        for key in shared
        if first[key].text != second[key].text
    } == CONTRADICTIONS


@pytest.mark.parametrize("key", CONTRADICTIONS)
def test_a_contradiction_is_noted_in_both_tables(key):
    assert "Table 2" in numbers_of("1")[key].note
    assert "Table 1" in numbers_of("2")[key].note


@pytest.mark.parametrize("key", CONTRADICTIONS)
def test_table_1_takes_precedence_over_table_2(key):
    assert paper_scores()["BERT", *key].text == CONTRADICTIONS[key][0]


def test_weight_decay_is_the_standard_method():
    standard, decay = (
        {p.task: p.text for p in paper_numbers() if (p.table, p.row) == ("2", row)}
        for row in ("Standard", "WD")
    )
    assert decay == standard


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("google-bert/bert-large-uncased", "BERT"),
        ("FacebookAI/roberta-large", "RoBERTa"),
        ("/models/xlnet-large-cased", "XLNet"),
        ("google/electra-large-discriminator", "ELECTRA"),
        ("facebook/bart-large", "BART"),
    ],
)
def test_models_are_recognized_by_hub_id_or_folder(name, model):
    assert paper.paper_model(name) == model


@pytest.mark.parametrize(
    ("ours", "printed", "differs"),
    [
        (2490, "2.5k", False),
        (5749, "5.8k", True),
        (392_702, "392k", True),  # 393k; without the 1,000 held-out rows it is 392k
        (391_702, "392k", False),
        (138, "139", True),
        (139, "139", False),
        (52.899, "52.9", False),
        (52.81, "52.9", True),
        (0.0, "0", False),
        (999, "1k", False),
    ],
)
def test_numbers_are_compared_after_rounding(ours, printed, differs):
    assert differs_from_printed(ours, printed) is differs


@pytest.fixture
def no_paper(tmp_path, monkeypatch):
    """An installation without results/paper.csv."""
    caches = (paper.paper_numbers, paper.paper_scores, paper.paper_data)
    monkeypatch.setattr(paper, "_LOCATIONS", (tmp_path / "none.csv",))
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_without_the_file_the_column_of_the_paper_is_empty(no_paper, tmp_path):
    records = [make_record(make_cell(), seed) for seed in (0, 1)]
    text = write_report([make_cell()], records, out=tmp_path, name="t")
    assert table_lines(text, "Test score")[1] == "standard 3epochs 70.0 ± 0.0 -"


def test_without_the_file_the_caption_reports_it(no_paper, tmp_path):
    assert "not installed" in write_report([make_cell()], [], out=tmp_path, name="t")


def test_without_the_file_table_3_shows_our_data(no_paper, tmp_path):
    assert write_table3([make_record(make_cell())], [], tmp_path).count("2,490") == 1
