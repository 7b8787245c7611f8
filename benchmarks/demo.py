"""Print the tables of docs/demo.md: how hard the tasks are, and what the records of runs say.

The bag of words is a linear model of the word counts of each sentence and of the number of words
that two sentences share, regularized by cross-validation on the training rows and scored on the
test rows.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
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
from stablebert.report.cells import task_title
from stablebert.report.expected import read_sweep_records
from stablebert.report.join import CellResult, join_records
from stablebert.report.tables import format_mean_sd
from stablebert.signals import run_script
from stablebert.tasks import DEMO, TASKS

FULL = [name for name, task in TASKS.items() if not task.few_sample]

LENGTHS = ("3epochs", "longer")
SEARCH_TASKS = ("rte", "mrpc", "stsb", "cola")
SEARCH = ("scale=demo", f"task={','.join(SEARCH_TASKS)}", "seed=100..107")
"""Overrides of the searches: tasks, and seeds that no other table reports."""
RATES = {"bert_adam,standard": "optimizer.lr=1.25e-4,2.5e-4,5e-4,1e-3,2e-3"}
METHOD_RATES = {
    "bitfit,layernorm,head_only,mosbach": (
        "optimizer.lr=6.25e-5,1.25e-4,2.5e-4,5e-4,1e-3,3e-3,1e-2,3e-2,0.1,0.2,0.4"
    )
}
METHOD_SCREENS = {
    "noisytune": "noise.intensity=0.05,0.15,0.3,0.6",
    "component_clipping": "optimizer.clip_norm=0.01,0.05,0.1,0.5",
    "swa": "swa.start=0.25,0.5,0.75,0.9",
    "sam": "sam.rho=0.02,0.05,0.1,0.2",
    "lora": "optimizer.lr=1e-3,3e-3,1e-2,3e-2",
    "ia3": "optimizer.lr=3e-3,1e-2,3e-2,1e-1",
    "muon": "optimizer.lr=2.5e-4,5e-4,1e-3,2e-3",
}
"""Key and values of the search for each method."""
ALL_TASKS = ("scale=demo", f"task={','.join(FULL)}")


def bag_of_words(name: str, source: str = "demo") -> tuple[float, float]:
    """Return the test scores of the majority class and of a bag of words, in the task's metric."""
    task = TASKS[name]
    data = resolve(source, task)
    tables = {split: data.read(split).to_pydict() for split in ("train", task.dev_split)}
    labels = {split: np.array(table["label"]) for split, table in tables.items()}
    splits = split_rows(task, labels["train"], labels[task.dev_split], data.held_out)
    texts, targets = {}, {}
    for split in ("train", "test"):
        source_split, rows = splits[split].source, splits[split].rows
        columns = [tables[source_split][column] for column in task.columns]
        texts[split] = [[column[i] for i in rows] for column in columns]
        targets[split] = labels[source_split][rows]
    counter = CountVectorizer(token_pattern=r"\w+").fit(chain.from_iterable(texts["train"]))
    train, test = (features(counter, texts[split]) for split in ("train", "test"))
    if task.regression:
        model = RidgeCV(np.logspace(-2, 3, 12)).fit(train, targets["train"])
        logits = torch.from_numpy(model.predict(test))[:, None]
    else:
        model = LogisticRegressionCV(
            Cs=np.logspace(-3, 1, 9),
            l1_ratios=(0.0,),
            cv=5,
            scoring="neg_log_loss",  # accuracies tie, and rounding would decide
            tol=1e-8,
            max_iter=20000,
            use_legacy_attributes=False,
        )
        predictions = model.fit(train, targets["train"]).predict(test)
        classes = torch.from_numpy(predictions)
        logits = torch.nn.functional.one_hot(classes, task.num_labels).float()
    actual = torch.from_numpy(targets["test"])
    majority = majority_score(task.metric, actual, num_labels=task.num_labels)
    return majority, compute_metrics([task.metric], logits, actual)[task.metric.key]


def features(counter: CountVectorizer, texts: Sequence[Sequence[str]]) -> csr_matrix:
    """Return word counts per sentence; for two, also shared and own words and the shared fraction.

    Args:
        counter: Counter of words, fitted.
        texts: The sentences of all rows, by column.
    """
    counts = [counter.transform(column) for column in texts]
    if len(counts) == 1:
        return counts[0]
    first, second = ((count > 0).astype(int) for count in counts)
    common, sizes = first.multiply(second).sum(1), [first.sum(1), second.sum(1)]
    fraction = common / (sizes[0] + sizes[1] - common)
    more = np.asarray(np.hstack([common, fraction, sizes[0] - common, sizes[1] - common]), float)
    return hstack([*counts, csr_matrix(more)]).tocsr()


def baselines(source: str, models: Sequence[str], runs: Path) -> str:
    """Return a table of the majority class, a bag of words, and `standard` with some models.

    Args:
        source: Value of `data.source`.
        models: Values of `model.name`, which must have been trained.
        runs: Folder of the records.
    """
    head = ["task", "metric", "majority", "bag of words"]
    head += [f"{Path(model).name}, {length}" for model in models for length in LENGTHS]
    overrides = [*ALL_TASKS, "method=standard", "seed=0..4", f"data.source={source}"]
    results = {
        (model, result.cell.task, result.cell.length): result
        for model in models
        for result in summaries("table1", [*overrides, f"model.name={model}"], runs)
    }
    rows = []
    for name in FULL:
        row = [f"demo-{name}", TASKS[name].metric.title]
        row += [f"{100 * score:.1f}" for score in bag_of_words(name, source)]
        cells = [results[model, name, length] for model in models for length in LENGTHS]
        row += [_mean_of_all(cell) for cell in cells]
        rows.append(row)
    return markdown_table(head, rows)


def search(searches: Mapping[str, str], runs: Path) -> str:
    """Return a table of validation scores by method and value of a hyperparameter.

    Args:
        searches: Override with the key and its values, by value of `method`.
        runs: Folder of the records.
    """
    rows = []
    for methods, override in searches.items():
        results = summaries("bias_correction", [*SEARCH, f"method={methods}", override], runs)
        rows += search_rows(results, key=override.partition("=")[0])
    tasks = [f"demo-{name}" for name in SEARCH_TASKS]
    return markdown_table(["method", "setting", *tasks, "mean", "failed", "at chance"], rows)


def search_rows(cells: Iterable[CellResult], key: str) -> list[list[str]]:
    """Return a row per method and value of a key; the best mean of each method is bold.

    Args:
        cells: Cells of all tasks; those without a run are left out.
        key: Key of the configuration that the sweep varies.
    """
    results: dict[tuple[str, float], list[CellResult]] = {}
    for result in cells:
        if result.n:
            setting = result.cell.method, float(str(result.cell.params[key]))
            results.setdefault(setting, []).append(result)
    means = {setting: np.mean([x.val.mean() for x in own]) for setting, own in results.items()}
    best = {method: max(means[x] for x in means if x[0] == method) for method, _ in means}
    rows = []
    for (method, value), own in sorted(results.items()):
        mean = means[method, value]
        text = bold(f"{mean:.1f}", mean == best[method])
        scores = [format_mean_sd(result.val) for result in own]
        rows.append([method, f"{key}={value:g}", *scores, text, *counts_of(own)])
    return rows


def depths(runs: Path) -> str:
    """Return a table of mean validation scores by task and depth of re-initialization."""
    return depth_table(summaries("reinit_depth", [*ALL_TASKS, "seed=100..102"], runs))


def depth_table(cells: Iterable[CellResult], standard: Iterable[CellResult] = ()) -> str:
    """Return a table of mean validation scores with a column per depth, the best in bold.

    Args:
        cells: Re-init at every depth.
        standard: Runs without Re-init, for a column of their own.
    """
    results: dict[str, dict[str, float]] = {}
    for result in cells:
        scores = results.setdefault(task_title(result.cell.task, result.cell.scale), {})
        scores[str(result.cell.params["reinit.num_layers"])] = result.val.mean()
    plain = {task_title(x.cell.task, x.cell.scale): [f"{x.val.mean():.1f}"] for x in standard}
    rows = []
    for task, scores in results.items():
        best = max(scores.values())
        texts = (bold(f"{x:.1f}", x == best) for x in scores.values())
        rows.append([task, *plain.get(task, []), *texts])
    head = ["task", *(["standard"] if plain else []), *next(iter(results.values()))]
    return markdown_table(head, rows)


def effects(sweep: str, seeds: str, runs: Path) -> str:
    """Return a table of test scores by method, length and task.

    Args:
        sweep: Sweep whose cells are shown.
        seeds: Value of `seed`.
        runs: Folder of the records.
    """
    results: dict[tuple[str, str], list[CellResult]] = {}
    for result in summaries(sweep, [*ALL_TASKS, f"seed={seeds}"], runs):
        results.setdefault((result.cell.method, result.cell.length), []).append(result)
    rows = [
        [*row, *(format_mean_sd(result.test) for result in cells), *counts_of(cells)]
        for row, cells in results.items()
    ]
    head = ["method", "length", *(f"demo-{name}" for name in FULL), "failed", "at chance"]
    return markdown_table(head, rows)


def _mean_of_all(result: CellResult) -> str:
    """Return the mean test score, with the number of runs if some are missing."""
    mean = f"{result.test.mean():.1f}" if result.n else "-"
    return mean if result.is_complete else f"{mean} ({result.n} runs)"


def bold(text: str, condition: bool) -> str:
    """Return a text in bold if a condition holds."""
    return f"**{text}**" if condition else text


def counts_of(cells: Sequence[CellResult]) -> list[str]:
    """Return the numbers of runs that failed and that are at chance, each `K of N`."""
    n = sum(result.n for result in cells)
    counts = sum(result.failed for result in cells), sum(result.at_chance for result in cells)
    return [f"{count} of {n}" for count in counts]


TABLES: Mapping[str, Callable[[Path], str]] = {
    "rates": partial(search, RATES),
    "method_rates": partial(search, METHOD_RATES),
    "method_screens": partial(search, METHOD_SCREENS),
    "depths": depths,
    "table1": partial(effects, "table1", "0..19"),
    "bias_correction": partial(effects, "bias_correction", "0..37"),
}
"""Tables of records by name."""


def summaries(sweep: str, overrides: Sequence[str], runs: Path) -> list[CellResult]:
    """Return the cells of a narrowed sweep with their runs.

    Raises:
        SystemExit: If there is not a single run.
    """
    basis = read_sweep_records(read_sweep(sweep).narrow([*overrides, f"paths.runs={runs}"]))
    results = join_records(basis.cells, basis.records).results
    if not any(result.n for result in results):
        raise SystemExit(f"no run of `stablebert grid {sweep} {' '.join(overrides)}` in {runs}")
    return results


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def examples(name: str, source: str = "demo", rows_per_class: int = 2) -> list[list[str]]:
    """Return the first rows of each class, or of each grade of STS-B, with task and label."""
    task = TASKS[name]
    data = resolve(source, task).read("train").to_pydict()
    rows_of: dict[str, list[list[str]]] = {}
    for *texts, label in zip(*(data[c] for c in (*task.columns, "label")), strict=True):
        kind = task.labels[label] if task.labels else f"{label:.0f}"
        rows = rows_of.setdefault(kind, [])
        if len(rows) < (rows_per_class if task.labels else 1):
            shown_label = kind if task.labels else f"{label:.1f}"
            rows.append([f"demo-{name}", shown_label, " / ".join(texts)])
    return [row for kind in sorted(rows_of) for row in rows_of[kind]]


def write_random(folder: Path) -> None:
    """Write a BERT of the demo's shape with random weights, and its tokenizer."""
    from transformers import AutoConfig, BertModel

    model = str(model_folder(DEMO))
    others = shutil.ignore_patterns("*.safetensors", "loss.csv", "state.pt*")
    shutil.copytree(model, folder, ignore=others)
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    BertModel(config).save_pretrained(folder)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print a table, or write a model."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.demo",
        description="Print the tables of docs/demo.md, or write a model with random weights.",
    )
    add = parser.add_argument
    add(
        "what",
        nargs="?",
        default="baselines",
        choices=["baselines", "examples", "random", *TABLES],
        help="baselines (default): test scores of the majority class, a bag of words and the "
        "--models; examples: rows of each class; random: write the demo's BERT with random weights "
        f"to FOLDER; {', '.join(TABLES)}: tables of docs/demo.md, from --runs results",
    )
    add("folder", nargs="?", type=Path, metavar="FOLDER", help="new folder, for `random`")
    add("--data", default="demo", help="demo (default), demo:ROWS or demo:ROWS:SEED")
    add(
        "--models",
        nargs="*",
        default=[],
        metavar="MODEL",
        help="trained models for `baselines`: demo or folders",
    )
    add("--runs", type=Path, default=Path("runs"), help="folder of the records (default: runs)")
    args = parser.parse_args(argv)
    if args.what == "random" and args.folder is None:
        parser.error("random requires FOLDER")
    if args.what == "random":
        write_random(args.folder)
    elif args.what == "examples":
        rows = [row for name in FULL for row in examples(name, args.data)]
        print(markdown_table(["task", "label", "text"], rows))
    elif args.what in TABLES:
        print(TABLES[args.what](args.runs))
    else:
        print(baselines(args.data, args.models, args.runs))


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.demo"))
