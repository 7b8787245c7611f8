"""Tables written as the official GLUE download has them."""

import numpy as np

# The official files: folder, header ("": none), and the cells of a row; {0} and {1} are the texts,
# {y} the label as the file spells it, {n} the row's number. Stated independently of the package.
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
    """Write both splits as in the official download and return their files."""
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


def read_splits(source, task):
    """Read `train` and the dev split."""
    return {split: source.read(split) for split in ("train", task.dev_split)}
