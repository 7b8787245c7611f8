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
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV

from stablebert.config.files import model_folder
from stablebert.config.sweep import read_sweep
from stablebert.glue.metrics import compute_metrics, majority_score
from stablebert.glue.sources import resolve
from stablebert.glue.splits import split_rows
from stablebert.report.expected import read_sweep_records
from stablebert.report.join import CellResult, join_records
from stablebert.tasks import DEMO, TASKS

FULL = [name for name, task in TASKS.items() if not task.few_sample]

LENGTHS = ("3epochs", "longer")
STANDARD = ("scale=demo", f"task={','.join(FULL)}", "method=standard", "seed=0..4")
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
    parts = split_rows(task, labels["train"], labels[task.dev_split], found.held_out)
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
            Cs=np.logspace(-3, 1, 9),
            l1_ratios=(0.0,),
            cv=5,
            scoring="accuracy",
            max_iter=2000,
            use_legacy_attributes=False,
        )
        guesses = model.fit(train, truth["train"]).predict(test)
        logits = torch.nn.functional.one_hot(torch.from_numpy(guesses), task.num_labels).float()
    right = torch.from_numpy(truth["test"])
    majority = majority_score(task.metric, right, num_labels=task.num_labels)
    return majority, compute_metrics([task.metric], logits, right)[task.metric]


def summaries(sweep: str, words: Sequence[str], runs: Path) -> list[CellResult]:
    """The cells of a narrowed sweep with their runs; not one run is an error."""
    basis = read_sweep_records(read_sweep(sweep).narrow([*words, f"paths.runs={runs}"]))
    found = join_records(basis.cells, basis.records).results
    if not any(s.n for s in found):
        raise SystemExit(f"no run of `stablebert grid {sweep} {' '.join(words)}` in {runs}")
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def baselines(source: str, models: Sequence[str], runs: Path) -> str:
    """A table of all tasks: majority class, bag of words, and what `standard` made of models."""
    head = ["task", "metric", "majority", "bag of words"]
    head += [f"{Path(model).name}, {length}" for model in models for length in LENGTHS]
    words = [*STANDARD, f"data.source={source}"]
    found = {
        (model, s.cell.task, s.cell.length): s
        for model in models
        for s in summaries("table1", [*words, f"model.name={model}"], runs)
    }
    rows = []
    for name in FULL:
        row = [f"demo-{name}", TASKS[name].metric]
        row += [f"{100 * score:.1f}" for score in bag_of_words(name, source)]
        of = [found[model, name, length] for model in models for length in LENGTHS]
        rows.append([*row, *(f"{s.test.mean():.1f} ({s.n})" if s.n else "-" for s in of)])
    return table(head, rows)


def rates(runs: Path) -> str:
    """A table of learning rates against validation scores, from the runs of `RATES`."""
    found: dict[tuple[float, str], list[CellResult]] = {}
    for s in summaries("bias_correction", RATES, runs):
        found.setdefault((float(str(s.cell.params["optimizer.lr"])), s.cell.method), []).append(s)
    tasks = [f"demo-{s.cell.task}" for s in next(iter(found.values()))]
    rows = []
    for (rate, method), of in sorted(found.items(), key=lambda item: item[0]):
        row = [f"{rate:g}", method, *(f"{s.val.mean():.1f} ± {s.val.std(ddof=1):.1f}" for s in of)]
        failed, n = sum(s.failed for s in of), sum(s.n for s in of)
        rows.append([*row, f"{np.mean([s.val.mean() for s in of]):.1f}", f"{failed} of {n}"])
    return table(["rate", "method", *tasks, "mean", "failed"], rows)


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


def examples(name: str, source: str = "demo", each: int = 2) -> list[list[str]]:
    """The first rows of each class, or of each grade of STS-B, with task and label."""
    task = TASKS[name]
    data = resolve(source, task).read("train").to_pydict()
    shown: dict[str, list[list[str]]] = {}
    for *texts, label in zip(*(data[c] for c in (*task.columns, "label")), strict=True):
        kind = task.labels[label] if task.labels else f"{label:.0f}"
        rows = shown.setdefault(kind, [])
        if len(rows) < (each if task.labels else 1):
            said = kind if task.labels else f"{label:.1f}"
            rows.append([f"demo-{name}", said, " / ".join(texts)])
    return [row for kind in sorted(shown) for row in shown[kind]]


def write_random(folder: Path) -> None:
    """Write a BERT of the demo's shape with random weights, and its tokenizer."""
    from transformers import AutoConfig, BertModel

    model = model_folder(DEMO)
    others = shutil.ignore_patterns("*.safetensors", "loss.csv", "state.pt*")
    shutil.copytree(model, folder, ignore=others)
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
        rows = [row for name in FULL for row in examples(name, args.data)]
        print(table(["task", "label", "text"], rows))
        return
    if args.what == "rates":
        print(rates(args.runs))
        return
    print(baselines(args.data, args.models, args.runs))


if __name__ == "__main__":
    main()
