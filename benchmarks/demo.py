"""How hard the demo tasks are, and what pre-training is good for.

    python -m benchmarks.demo                        # majority class and bag of words, task by task
    python -m benchmarks.demo examples               # rows of each class
    python -m benchmarks.demo random FOLDER          # the demo's BERT with random weights, to run
    python -m benchmarks.demo baselines --models demo FOLDER   # beside them, what the two came to
    python -m benchmarks.demo rates                  # validation at each rate that was tried

The bag of words is a linear model of the counts of words in each sentence and, of two, of how many
words they share: regularised by cross-validation on the training rows, scored on the test rows.
"""

import argparse
import shutil
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV

from stablebert.config import DEMO, compose, model_folder
from stablebert.glue.metrics import evaluate, majority_score
from stablebert.glue.sources import resolve
from stablebert.glue.splits import split
from stablebert.glue.tasks import TASKS
from stablebert.locate import locate
from stablebert.report import read_all
from stablebert.report.expected import gather
from stablebert.results import RunRecord
from stablebert.sweep import read_sweep

FULL = [name for name, task in TASKS.items() if not task.few_sample]

RATES = (
    "scale=demo",
    "task=rte,mrpc,stsb,cola",
    "optimizer.lr=1.25e-4,2.5e-4,5e-4,1e-3,2e-3",
    "seed=100..107",
)
"""Narrows the sweep bias_correction to the runs that the rate was chosen by."""


def bag_of_words(name: str, source: str = "demo") -> tuple[float, float]:
    """Test scores of the majority class and of a bag of words, in the task's metric."""
    task = TASKS[name]
    found = resolve(source, task)
    tables = {part: found.read(part).to_pydict() for part in ("train", task.dev_split)}
    labels = {part: np.array(table["label"]) for part, table in tables.items()}
    parts = split(task, labels["train"], labels[task.dev_split], found.held_out)
    texts, truth = {}, {}
    for which in ("train", "test"):
        source_part, rows = parts[which].source, parts[which].rows
        columns = [tables[source_part][column] for column in task.columns]
        texts[which] = [[column[i] for i in rows] for column in columns]
        truth[which] = labels[source_part][rows]
    counter = CountVectorizer(token_pattern=r"\w+").fit(chain.from_iterable(texts["train"]))
    train, test = (features(counter, texts[which]) for which in ("train", "test"))
    if task.regression:
        model = RidgeCV(np.logspace(-2, 3, 12)).fit(train, truth["train"])
        logits = torch.from_numpy(model.predict(test))[:, None]
    else:
        model = LogisticRegressionCV(
            Cs=np.logspace(-3, 1, 9), cv=5, max_iter=2000, use_legacy_attributes=False
        )
        guesses = model.fit(train, truth["train"]).predict(test)
        logits = torch.nn.functional.one_hot(torch.from_numpy(guesses), task.num_labels).float()
    right = torch.from_numpy(truth["test"])
    majority = majority_score(task.metric, right, num_labels=task.num_labels)
    return majority, evaluate([task.metric], logits, right)[task.metric]


def fine_tuned(
    records: Sequence[RunRecord], name: str, model: str, length: str, source: str
) -> list[float]:
    """Test scores of the runs of `standard`, seeds 0 to 4."""
    words = [f"task={name}", "scale=demo", f"length={length}", f"data.source={source}"]
    wanted = locate(compose([*words, f"model.name={model}"])).config_id
    return [r.test_at_best for r in records if r.config_id == wanted and r.seed_init < 5]


def baselines(source: str, models: Sequence[str], runs: Path) -> list[str]:
    """A table of all tasks, as lines: majority class, bag of words, and models in runs."""
    records, _ = read_all(runs)
    cells = [(model, length) for model in models for length in ("3epochs", "longer")]
    head = ["task", "metric", "majority", "bag of words"]
    head += [f"{Path(model).name}, {length}" for model, length in cells]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name in FULL:
        row = [f"demo-{name}", TASKS[name].metric]
        row += [f"{100 * score:.1f}" for score in bag_of_words(name, source)]
        for model, length in cells:
            scores = fine_tuned(records, name, model, length, source)
            row.append(f"{100 * np.mean(scores):.1f} ({len(scores)})" if scores else "-")
        lines.append(f"| {' | '.join(row)} |")
    return lines


def rates(runs: Path) -> list[str]:
    """A table of learning rates against validation scores, as lines, from the runs of `RATES`."""
    cells, records, _ = gather(
        read_sweep("bias_correction").narrowed([*RATES, f"paths.runs={runs}"])
    )
    found: dict[tuple[float, str], dict[str, list[RunRecord]]] = {}
    for cell in cells:
        of = found.setdefault((float(cell.params["optimizer.lr"]), cell.method), {})
        of[cell.task] = [
            r for r in records if (r.config_id, r.seed_init in cell.seeds) == (cell.config_id, True)
        ]
    tasks = list(next(iter(found.values())))
    head = ["rate", "method", *(f"demo-{task}" for task in tasks), "mean", "failed"]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for (rate, method), of in sorted(found.items(), key=lambda item: item[0]):
        scores = [[100 * r.val_best for r in of[task]] for task in tasks]
        runs_of = [r for task in tasks for r in of[task]]
        row = [
            f"{rate:g}",
            method,
            *(f"{np.mean(s):.1f} ± {np.std(s, ddof=1):.1f}" for s in scores),
        ]
        failed = sum(r.status == "failed" for r in runs_of)
        row += [f"{np.mean([np.mean(s) for s in scores]):.1f}", f"{failed} of {len(runs_of)}"]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def features(counter: CountVectorizer, texts: Sequence[Sequence[str]]) -> csr_matrix:
    """Counts of words per sentence; of two, words shared, not shared, and the share of both."""
    counts = [counter.transform(column) for column in texts]
    if len(counts) == 1:
        return counts[0]
    first, second = ((count > 0).astype(int) for count in counts)
    shared, own = first.multiply(second).sum(1), [first.sum(1), second.sum(1)]
    of_all = shared / (own[0] + own[1] - shared)
    more = np.asarray(np.hstack([shared, of_all, own[0] - shared, own[1] - shared]), float)
    return hstack([*counts, csr_matrix(more)]).tocsr()


def examples(name: str, source: str = "demo", each: int = 2) -> list[str]:
    """The first rows of each class, or of each grade of STS-B, as lines of a table."""
    task = TASKS[name]
    table = resolve(source, task).read("train").to_pydict()
    shown: dict[str, list[str]] = {}
    for *texts, label in zip(*(table[c] for c in (*task.columns, "label")), strict=True):
        kind = task.labels[label] if task.labels else f"{label:.0f}"
        lines = shown.setdefault(kind, [])
        if len(lines) < (each if task.labels else 1):
            said = kind if task.labels else f"{label:.1f}"
            lines.append(f"| demo-{name} | {said} | {' / '.join(texts)} |")
    return [line for kind in sorted(shown) for line in shown[kind]]


def write_random(folder: Path) -> None:
    """Write a BERT of the demo's shape with random weights, and its tokenizer."""
    from transformers import AutoConfig, BertModel

    model = model_folder(DEMO)
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.manual_seed(0)
    BertModel(AutoConfig.from_pretrained(model)).save_pretrained(folder)


def main() -> None:
    """Read the command line and print, or write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="baselines", choices=["baselines", "examples", "random", "rates"]
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--data", default="demo", help="demo, demo:ROWS or demo:ROWS:SEED")
    parser.add_argument("--models", nargs="*", default=[], help="that were run: demo or a folder")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the records")
    args = parser.parse_args()
    if args.what == "random":
        write_random(args.folder)
        return
    if args.what == "examples":
        print("| task | label | text |\n| --- | --- | --- |")
        print("\n".join(line for name in FULL for line in examples(name, args.data)))
        return
    if args.what == "rates":
        print("\n".join(rates(args.runs)))
        return
    print("\n".join(baselines(args.data, args.models, args.runs)))


if __name__ == "__main__":
    main()
