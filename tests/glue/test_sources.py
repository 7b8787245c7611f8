"""Both layouts of a folder give the same rows; what is malformed is named."""

import logging
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import TASKS

FULL = [name for name, task in TASKS.items() if not task.few_sample]

# The official files: folder, header ("": none), and the cells of a row; {0} and {1} are the texts,
# {y} the label as the file spells it, {n} the row's number. Written down here a second time.
OFFICIAL = {
    "rte": ("RTE", "index sentence1 sentence2 label", "{n} {0} {1} {y}"),
    "mrpc": ("MRPC", "Quality,#1 ID,#2 ID,#1 String,#2 String", "{y} {n}1 {n}2 {0} {1}"),
    "stsb": (
        "STS-B",
        "index genre filename year old_index source1 source2 sentence1 sentence2 score",
        "{n} news a.txt 2012 {n} s t {0} {1} {y}",
    ),
    "cola": ("CoLA", "", "gj04 {y} * {0}"),
    "sst2": ("SST-2", "sentence label", "{0} {y}"),
    "qnli": ("QNLI", "index question sentence label", "{n} {0} {1} {y}"),
    "qqp": ("QQP", "id qid1 qid2 question1 question2 is_duplicate", "{n} 1 2 {0} {1} {y}"),
    "mnli": (
        "MNLI",
        "index promptID pairID genre sentence1 sentence2 label1 gold_label",
        "{n} 1 1e fiction {0} {1} neutral {y}",
    ),
}


def write_tsv(folder, task, tables):
    """The rows of both splits as the official download has them; returns their files."""
    name, header, cells = OFFICIAL[task.config]
    (folder / name).mkdir(parents=True)
    files = {}
    for split, table in tables.items():
        matched = "_matched" if task.config == "mnli" and split != "train" else ""
        files[split] = folder / name / f"{'train' if split == 'train' else 'dev'}{matched}.tsv"
        lines = [("\t".join(header.split("," if "," in header else " ")))] if header else []
        for n, row in enumerate(table.to_pylist()):
            label = row["label"]
            if task.config in ("rte", "qnli", "mnli"):
                label = task.labels[label]
            if task.regression:
                label = str(np.float32(label))
            texts = [row[column] for column in task.columns]
            number = n + 10**6 * (split != "train")
            lines.append(
                "\t".join(cell.format(*texts, y=label, n=number) for cell in cells.split(" "))
            )
        files[split].write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return files


def read(source, task):
    return {split: source.read(split) for split in ("train", task.dev_split)}


def hazards(table, task):
    """The table with texts that a reader with quoting, or a careless one, gets wrong."""
    texts = table[task.columns[0]].to_pylist()
    texts[:6] = ['a lone " quote', '"quoted"', "it ''s , fine", "Zürich ½", "end ", "a\u2028b"]
    return table.set_column(0, task.columns[0], pa.array(texts))


@pytest.mark.parametrize("name", FULL)
def test_the_tsv_download_reads_as_the_parquet(name, tiny_glue, tmp_path):
    task = TASKS[name]
    tables = read(resolve(tiny_glue, task), task)
    tables = {split: hazards(table.slice(0, 50), task) for split, table in tables.items()}
    write_tsv(tmp_path, task, tables)
    source = resolve(tmp_path, task)
    for split, table in tables.items():
        assert source.read(split).equals(table), split
    assert tables["train"].schema.names == [*task.columns, "label"]
    kind = pa.float32() if task.regression else pa.int64()
    assert source.read("train").schema.field("label").type == kind


def test_mrpc_as_microsoft_ships_it(tiny_glue, tmp_path):
    task = TASKS["mrpc"]
    tables = read(resolve(tiny_glue, task), task)
    files = write_tsv(tmp_path, task, tables)
    train, dev = (files[split].read_text().splitlines() for split in ("train", "validation"))
    header, train, dev = train[0], train[1:], dev[1:]
    mixed = [*train[:9], *dev[:30], *train[9:], *dev[30:]]
    ids = ["\t".join(row.split("\t")[1:3]) for row in reversed(dev)]
    msr = tmp_path / "msr" / "MRPC"
    msr.mkdir(parents=True)
    lines = "\r\n".join(["\ufeff" + header, *mixed, ""])  # as published: a BOM, Windows line ends
    (msr / "msr_paraphrase_train.txt").write_text(lines, encoding="utf-8", newline="")
    with pytest.raises(DataError, match=r"mrpc lacks .*dev_ids\.tsv"):
        resolve(tmp_path / "msr", task)
    (msr / "dev_ids.tsv").write_text("\n".join(ids) + "\n")
    for split, table in read(resolve(tmp_path / "msr", task), task).items():
        assert table.equals(tables[split]), split
    (msr / "dev_ids.tsv").write_text("\n".join([*ids, "77\t88"]) + "\n")
    with pytest.raises(DataError, match=r"dev_ids\.tsv: 1 malformed rows: line 61: .*'77', '88'"):
        resolve(tmp_path / "msr", task).read("train")


@pytest.mark.parametrize("name", ["rte", "mrpc", "stsb", "cola", "sst2"])
def test_real_data_survive_the_tsv_layout(name, shared, tmp_path):
    task = TASKS[name]
    tables = read(resolve(shared / "glue", task), task)
    write_tsv(tmp_path, task, tables)
    for split, table in read(resolve(tmp_path, task), task).items():
        assert table.equals(tables[split]), split


def test_rows_that_repeat_stay(shared):
    rows = resolve(shared / "glue", TASKS["sst2"]).read("train")["sentence"]
    assert (len(rows), len(rows.unique())) == (67349, 66978)


def test_identity_is_the_content(tiny_glue, tmp_path):
    task = TASKS["rte"]
    here = resolve(tiny_glue, task)
    assert here.identity.startswith("sha256:")
    assert here.revision is None
    shutil.copytree(tiny_glue / "rte", tmp_path / "elsewhere" / "rte")
    (tmp_path / "elsewhere" / "rte" / "test-00000-of-00001.parquet").write_bytes(b"never read")
    assert resolve(tmp_path / "elsewhere", task).identity == here.identity
    assert resolve(tiny_glue, TASKS["rte_1k"]).identity == here.identity
    write_tsv(tmp_path, task, read(here, task))
    tsv = resolve(tmp_path, task).identity
    assert tsv != here.identity
    dev = tmp_path / "RTE" / "dev.tsv"
    dev.write_text(dev.read_text().replace("w1", "w2", 1))
    assert resolve(tmp_path, task).identity != tsv


def test_shards_are_read_in_order(tiny_glue, tmp_path):
    whole = pq.read_table(tiny_glue / "rte" / "train-00000-of-00001.parquet")
    shutil.copytree(tiny_glue / "rte", tmp_path / "rte")
    (tmp_path / "rte" / "train-00000-of-00001.parquet").unlink()
    pq.write_table(whole.slice(0, 700), tmp_path / "rte" / "train-00000-of-00002.parquet")
    with pytest.raises(DataError, match="lacks train, or a shard"):
        resolve(tmp_path, TASKS["rte"])
    pq.write_table(whole.slice(700), tmp_path / "rte" / "train-00001-of-00002.parquet")
    table = resolve(tmp_path, TASKS["rte"]).read("train")
    assert table.equals(resolve(tiny_glue, TASKS["rte"]).read("train"))


def test_a_folder_that_cannot_be_a_source(tiny_glue, tmp_path):
    task = TASKS["mnli"]
    with pytest.raises(
        DataError, match=r"data\.source='/no/such' is not a folder; allowed: hub, demo or a folder"
    ):
        resolve("/no/such", task)
    looked = r"found nothing, looked for mnli/train-\*\.parquet.*MNLI/dev_matched\.tsv"
    with pytest.raises(DataError, match=looked):
        resolve(tmp_path, task)
    (tmp_path / "MNLI").mkdir()
    (tmp_path / "MNLI" / "train.tsv").write_text("x\n")
    with pytest.raises(DataError, match=r"lacks validation_matched.*found \['train\.tsv'\]"):
        resolve(tmp_path, task)


RTE = "index\tsentence1\tsentence2\tlabel"
COLA = "gj04\t1\t\tFine."
STSB = "sentence1\tsentence2\tscore"
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
    ],
)  # fmt: skip
def test_a_malformed_tsv_row(name, lines, reason, tmp_path):
    task = TASKS[name]
    folder = tmp_path / OFFICIAL[task.config][0]
    folder.mkdir()
    for file in ("train.tsv", "dev_matched.tsv" if name == "mnli" else "dev.tsv"):
        (folder / file).write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"train\.tsv: .*{reason}"):
        resolve(tmp_path, task).read("train")


def test_problems_are_told_together_and_counted(tmp_path):
    (tmp_path / "CoLA").mkdir()
    for file in ("train.tsv", "dev.tsv"):
        (tmp_path / "CoLA" / file).write_text(f"{COLA}\n" + "gj04\t7\t\tFine.\n" * 8)
    with pytest.raises(DataError) as raised:
        resolve(tmp_path, TASKS["cola"]).read("train")
    assert "8 malformed rows: line 2:" in str(raised.value)
    assert "line 6:" in str(raised.value)
    assert str(raised.value).endswith("and 3 more")


def test_not_utf8(tmp_path):
    (tmp_path / "CoLA").mkdir()
    for file in ("train.tsv", "dev.tsv"):
        (tmp_path / "CoLA" / file).write_bytes(b"gj04\t1\t\tcaf\xe9\n")
    with pytest.raises(DataError, match=r"train\.tsv: not UTF-8"):
        resolve(tmp_path, TASKS["cola"]).read("train")


def test_incomplete_rows_of_qqp_are_skipped_as_the_hub_does(tmp_path, caplog):
    (tmp_path / "QQP").mkdir()
    lines = [
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "0\t1\t2\tHow?\tWhy?\t1",
        "1\t1\t2\tcut short",
        "and its rest\t\t0",
        "2\t1\t2\tno label\tnone\t",
        "3\t1\t2\tWho?\t\t0",
    ]
    for file in ("train.tsv", "dev.tsv"):
        (tmp_path / "QQP" / file).write_text("\n".join(lines) + "\n")
    with caplog.at_level(logging.WARNING):
        rows = resolve(tmp_path, TASKS["qqp"]).read("train").to_pylist()
    assert rows == [
        {"question1": "How?", "question2": "Why?", "label": 1},
        {"question1": "Who?", "question2": "", "label": 0},
    ]
    assert "skipped 3 incomplete rows" in caplog.text
    (tmp_path / "QQP" / "train.tsv").write_text("\n".join([*lines, "4\t1\t2\ta\tb\t5"]) + "\n")
    with pytest.raises(DataError, match="line 7: label '5'"):
        resolve(tmp_path, TASKS["qqp"]).read("train")


def parquet(tmp_path, config, columns, dev=None):
    for split in ("train", "validation"):
        path = tmp_path / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return resolve(tmp_path, TASKS[config])


@pytest.mark.parametrize(
    ("config", "columns", "reason"),
    [
        ("cola", {"sentence": ["a", "b"], "label": [0, 2]}, r"row \(from 0\) 1: label 2, allow"),
        ("cola", {"sentence": ["a", "b"], "label": [-1, 1]}, r"0: label -1, .*the hidden labels"),
        ("cola", {"sentence": ["a", "b"], "label": [0, None]}, "1: no label"),
        ("cola", {"sentence": ["a", ""], "label": [0, 1]}, "1: sentence has no text"),
        ("cola", {"sentence": [None, "a"], "label": [0, 1]}, "0: sentence has no text"),
        ("cola", {"sentence": ["a"]}, r"no column \['label'\]"),
        ("cola", {"sentence": ["a"], "label": ["1"]}, "column 'label' is string, not class"),
        ("cola", {"sentence": [1], "label": [1]}, "column 'sentence' is int64, not string"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [1]}, "is int64, not numbers"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [float("nan")]}, "0: label nan"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [-0.5]}, "0: label -0.5"),
    ],
)  # fmt: skip
def test_a_malformed_parquet(config, columns, reason, tmp_path):
    with pytest.raises(DataError, match=rf"train-00000-of-00001\.parquet: .*{reason}"):
        parquet(tmp_path, config, columns).read("train")


def test_label_names_in_another_order(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["good", "bad"])})
    rows = Dataset.from_dict({"sentence": ["a"], "label": [0]}, features=features)
    (tmp_path / "cola").mkdir()
    for split in ("train", "validation"):
        rows.to_parquet(tmp_path / "cola" / f"{split}-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"\['good', 'bad'\], cola needs \['unacceptable', 'acc"):
        resolve(tmp_path, TASKS["cola"]).read("train")


def test_not_a_parquet_file(tmp_path):
    (tmp_path / "cola").mkdir()
    for split in ("train", "validation"):
        (tmp_path / "cola" / f"{split}-00000-of-00001.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(DataError, match="not a readable parquet file"):
        resolve(tmp_path, TASKS["cola"]).read("train")


def test_questions_without_text_are_only_qqp_s(tmp_path):
    columns = {"question1": ["a", None], "question2": ["", "b"], "label": [0, 1]}
    rows = parquet(tmp_path, "qqp", columns).read("train")
    assert rows["question1"].to_pylist() == ["a", ""]
    assert rows["question2"].to_pylist() == ["", "b"]
