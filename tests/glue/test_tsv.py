"""Files of the official GLUE download."""

import csv
import logging

import pyarrow as pa
import pytest

from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.glue.tsv import TSV_LAYOUTS
from stablebert.tasks import TASKS
from tests.helpers.official_glue import OFFICIAL, read_splits, write_tsv


def with_hazards(table, task):
    """The table with texts that a reader with quoting would get wrong."""
    texts = table[task.columns[0]].to_pylist()
    texts[:6] = ['a lone " quote', '"quoted"', "it ''s , fine", "Zürich ½", "end ", "a\u2028b"]
    return table.set_column(0, task.columns[0], pa.array(texts))


@pytest.mark.parametrize("name", TSV_LAYOUTS)
def test_tsv_files_have_the_rows_of_the_parquet_files(name, tiny_glue, tmp_path):
    task = TASKS[name]
    tables = read_splits(resolve(tiny_glue, task), task)
    tables = {split: with_hazards(table.slice(0, 50), task) for split, table in tables.items()}
    write_tsv(tmp_path, task, tables)
    source = resolve(tmp_path, task)
    assert all(source.read(split).equals(table) for split, table in tables.items())


@pytest.mark.parametrize("name", ["rte", "mrpc", "stsb", "cola", "sst2"])
def test_real_data_survive_the_tsv_layout(name, shared, tmp_path):
    task = TASKS[name]
    tables = read_splits(resolve(shared / "glue", task), task)
    write_tsv(tmp_path, task, tables)
    for split, table in read_splits(resolve(tmp_path, task), task).items():
        assert table.equals(tables[split]), split


class TestMicrosoftsMrpc:
    """MRPC as Microsoft publishes it: one file of rows, with a BOM and Windows line ends."""

    @pytest.fixture
    def tables(self, tiny_glue):
        return read_splits(resolve(tiny_glue, TASKS["mrpc"]), TASKS["mrpc"])

    @pytest.fixture
    def folder(self, tables, tmp_path):
        files = write_tsv(tmp_path / "official", TASKS["mrpc"], tables)
        train, dev = (files[split].read_text().splitlines() for split in ("train", "validation"))
        header, train, dev = train[0], train[1:], dev[1:]
        mixed = [*train[:9], *dev[:30], *train[9:], *dev[30:]]
        ids = ["\t".join(row.split("\t")[1:3]) for row in reversed(dev)]
        folder = tmp_path / "microsoft" / "MRPC"
        folder.mkdir(parents=True)
        lines = "\r\n".join(["\ufeff" + header, *mixed, ""])
        (folder / "msr_paraphrase_train.txt").write_text(lines, encoding="utf-8", newline="")
        (folder / "dev_ids.tsv").write_text("\n".join(ids) + "\n")
        return folder

    def test_rows_are_those_of_the_hub(self, folder, tables):
        source = resolve(folder.parent, TASKS["mrpc"])
        assert all(source.read(split).equals(table) for split, table in tables.items())

    def test_missing_list_of_dev_rows_is_reported(self, folder):
        (folder / "dev_ids.tsv").unlink()
        with pytest.raises(DataError, match=r"mrpc lacks .*dev_ids\.tsv"):
            resolve(folder.parent, TASKS["mrpc"])

    def test_unknown_dev_row_is_reported(self, folder):
        with (folder / "dev_ids.tsv").open("a") as file:
            file.write("77\t88\n")
        with pytest.raises(
            DataError, match=r"dev_ids\.tsv: 1 malformed row: line 61: .*'77', '88'"
        ):
            resolve(folder.parent, TASKS["mrpc"]).read("train")

    def test_a_header_of_the_list_is_no_pair(self, folder, tables):
        ids = folder / "dev_ids.tsv"
        ids.write_text("#1 ID\t#2 ID\n" + ids.read_text())
        source = resolve(folder.parent, TASKS["mrpc"])
        assert source.read("validation").equals(tables["validation"])

    @pytest.mark.parametrize("cells", ["1", "1\t77", "1\t77\t88"])
    def test_a_row_that_ends_early_is_reported(self, folder, cells):
        with (folder / "msr_paraphrase_train.txt").open("a", newline="") as file:
            file.write(f"{cells}\r\n")
        count = len(cells.split("\t"))
        with pytest.raises(DataError, match=rf"train\.txt: .*: {count} columns, 5 needed"):
            resolve(folder.parent, TASKS["mrpc"]).read("train")


RTE = "index\tsentence1\tsentence2\tlabel"
COLA = "gj04\t1\t\tFine."
STSB = "sentence1\tsentence2\tscore"
QQP = "id\tqid1\tquestion1\tquestion2\tis_duplicate"
MNLI = "sentence1\tsentence2\tgold_label"


@pytest.mark.parametrize(
    ("name", "lines", "reason"),
    [
        ("rte", [RTE, "0\ta\tb\tentailment", "1\ta\tb"], "line 3: 3 columns, 4 needed"),
        ("rte", [RTE, "0\ta\tb\tyes"], "line 2: label 'yes', allowed: entailment, not_entailment"),
        ("rte", [RTE, "0\ta\tb\t"], "line 2: no label"),
        ("rte", [RTE, "0\ta\t \tentailment"], "line 2: sentence2 has no text"),
        ("rte", ["0\ta\tb\tentailment"], r"no column \['sentence1', 'sentence2', 'label'\]"),
        ("rte", [RTE], "no rows"),
        ("cola", [COLA, "gj04\t0"], "line 2: 2 columns, 4 needed"),
        ("cola", [COLA, "", "gj04\t2\t\tFine."], "line 3: label '2', allowed: 0, 1"),
        ("stsb", [STSB, "a\tb\t5.1"], r"line 2: label 5\.\d+, allowed: 0 to 5"),
        ("stsb", [STSB, "a\tb\tnan"], "line 2: label nan, allowed: 0 to 5"),
        ("stsb", [STSB, "a\tb\tgood"], "label 'good', allowed: a number"),
        ("mnli", [MNLI, "a\tb\t-"], "line 2: label '-', allowed: ent"),
        ("stsb", [STSB, "a\trated 4.5\t4.5\t3.0"], "line 2: 4 columns, 3 needed"),
        ("rte", [RTE, "0\ta\tb\tentailment\t"], "line 2: 5 columns, 4 needed"),
        ("cola", [COLA, "gj04\t1\t\tFine.\tReally."], "line 2: 5 columns, 4 needed"),
        ("qqp", [QQP, "0\ta\tb\tc\t1\t1"], "line 2: 6 columns, 5 needed"),
        ("stsb", [STSB, "a\tb\t0_4"], "line 2: label '0_4', allowed: a number from 0 to 5"),
        ("stsb", [STSB, "a\tb\t\u0664"], "line 2: label '\u0664', allowed: a number"),
        ("rte", [RTE, "0\ta\0\tb\tentailment"], "line 2: sentence1 contains a NUL character"),
        ("rte", [f"{RTE}\tlabel", "0\ta\tb\tentailment\tentailment"],
         r"more than one column \['label'\]"),
    ],
)  # fmt: skip
def test_malformed_row_is_reported_with_its_line(name, lines, reason, tmp_path):
    task = TASKS[name]
    folder = tmp_path / OFFICIAL[task.config][0]
    folder.mkdir()
    for file in ("train.tsv", "dev_matched.tsv" if name == "mnli" else "dev.tsv"):
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"train\.tsv: .*{reason}"):
        resolve(tmp_path, task).read("train")


def test_malformed_rows_are_reported_together_and_counted(tmp_path):
    (tmp_path / "CoLA").mkdir()
    for file in ("train.tsv", "dev.tsv"):
        (tmp_path / "CoLA" / file).write_text(f"{COLA}\n" + "gj04\t7\t\tFine.\n" * 8)
    with pytest.raises(DataError) as raised:
        resolve(tmp_path, TASKS["cola"]).read("train")
    assert "8 malformed rows: line 2:" in str(raised.value)
    assert "line 6:" in str(raised.value)
    assert str(raised.value).endswith("and 3 more")


def test_file_that_is_not_utf8_is_reported(tmp_path):
    (tmp_path / "CoLA").mkdir()
    for file in ("train.tsv", "dev.tsv"):
        (tmp_path / "CoLA" / file).write_bytes(b"gj04\t1\t\tone\ngj04\t1\t\tcaf\xe9\n")
    with pytest.raises(DataError, match=r"train\.tsv: line 2: not UTF-8"):
        resolve(tmp_path, TASKS["cola"]).read("train")


class TestCsvQuotes:
    """A CSV writer puts some cells in quotation marks and doubles those inside."""

    TEXTS = ("plain", 'He said "no".', '"Why?"', "a, b")

    @pytest.fixture
    def read(self, tmp_path):
        def read(content):
            (tmp_path / "STS-B").mkdir()
            for file in ("train.tsv", "dev.tsv"):
                (tmp_path / "STS-B" / file).write_text(content, encoding="utf-8", newline="")
            return resolve(tmp_path, TASKS["stsb"]).read("train")["sentence1"].to_pylist()

        return read

    @pytest.fixture
    def table(self):
        pandas = pytest.importorskip("pandas")
        n = len(self.TEXTS)
        return pandas.DataFrame(
            {"sentence1": self.TEXTS, "sentence2": ["x"] * n, "score": [1.5] * n}
        )

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_file_written_by_pandas_is_refused(self, read, table, end):
        with pytest.raises(
            DataError, match=r'train\.tsv: cells have CSV quotes, as in "He said ""no""\.", '
        ):
            read(table.to_csv(sep="\t", index=False, lineterminator=end))

    def test_the_advice_gives_a_file_that_is_read(self, read, table):
        text = table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_NONE)
        assert read(text) == list(self.TEXTS)

    def test_a_file_with_every_cell_quoted_is_refused(self, read, table):
        with pytest.raises(DataError, match="cells have CSV quotes"):
            read(table.to_csv(sep="\t", index=False, quoting=csv.QUOTE_ALL))

    def test_a_line_break_inside_a_cell_is_no_obstacle(self, read, table):
        table.loc[0, "sentence2"] = "two\nlines"
        with pytest.raises(DataError, match="cells have CSV quotes"):
            read(table.to_csv(sep="\t", index=False))

    @pytest.mark.parametrize(
        "text", ['"quoted"', '"a" and "b"', 'a lone " quote', '"open', '""', '""Hello"", he said']
    )
    def test_quotation_marks_of_the_text_are_kept(self, read, text):
        assert read(f"{STSB}\n{text}\tb\t1.0\n") == [text]

    def test_one_other_quotation_mark_makes_all_of_them_text(self, read):
        cells = ['"He said ""no"""', '5" long']
        assert read(STSB + "".join(f"\n{cell}\tb\t1.0" for cell in cells)) == cells


class TestIncompleteRowsOfQqp:
    LINES = (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "0\t1\t2\tHow?\tWhy?\t1",
        "1\t1\t2\tcut short",
        "and its rest\t\t0",
        "2\t1\t2\tno label\tnone\t",
        "3\t1\t2\tWho?\t\t0",
    )

    @pytest.fixture
    def write(self, tmp_path):
        def write(lines):
            (tmp_path / "QQP").mkdir()
            for file in ("train.tsv", "dev.tsv"):
                (tmp_path / "QQP" / file).write_text("\n".join(lines) + "\n")
            return resolve(tmp_path, TASKS["qqp"])

        return write

    def test_they_are_skipped_as_in_the_hubs_version(self, write):
        assert write(self.LINES).read("train").to_pylist() == [
            {"question1": "How?", "question2": "Why?", "label": 1},
            {"question1": "Who?", "question2": "", "label": 0},
        ]

    def test_their_number_is_logged(self, write, caplog):
        with caplog.at_level(logging.WARNING):
            write(self.LINES).read("train")
        assert "skipped 3 incomplete rows" in caplog.text

    def test_malformed_rows_are_still_reported(self, write):
        with pytest.raises(DataError, match="line 7: label '5'"):
            write([*self.LINES, "4\t1\t2\ta\tb\t5"]).read("train")
