"""Print the tables of docs/results.md from the committed records of DistilBERT on real GLUE.

Neither the data nor the model is needed: the records identify both.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import minilm
from benchmarks.contrasts import (
    cka,
    equal_cost,
    machines,
    paper_difference,
    position,
    remedies,
    sensitivity,
)
from benchmarks.demo import bold, counts_of, depth_table, markdown_table
from benchmarks.rate_shift import rate_shift
from benchmarks.result_cells import (
    DROPPED,
    PAIR,
    RATE,
    RATES,
    SELECTION,
    TASKS,
    best_rate_cells,
    fixed_rate_cells,
    longer_cells,
    optimizer_cells,
    plain_cells,
    reinit_cells,
    reinit_longer_cells,
    select_cells,
    standard_cells,
)
from benchmarks.result_parts import (
    effect,
    mean_bias_ratio,
    rate_choice,
    rate_of,
    rate_table,
    show,
    titles,
)
from stablebert.report.analyses.base import Basis, Request
from stablebert.report.analyses.registry import ANALYSES
from stablebert.report.cells import task_title
from stablebert.report.compare import Comparison, analyze_cells
from stablebert.report.join import CellResult
from stablebert.report.render import render_markdown_table
from stablebert.report.tables import (
    comparison_tables,
    format_interval,
    format_mean_sd,
    format_p,
)
from stablebert.signals import run_script

MODELS = {
    "sha256:eea5cfdf176251907274cf6d393345f6": "DistilBERT",
    "sha256:8391b481943aea5f89dc773136bdc7e7": "MiniLM",
}
"""Names of the models by their identity."""
FEATURES = {"first": "first token", "mean": "mean of tokens"}
"""Hidden states that a probe reads."""


# ---------------------------------------------------------------- tables of the page


def effects(folder: Path) -> str:
    """Return the effects of the paper's Table 1 and of bias correction, next to ours."""
    groups = [
        ("DistilBERT", fixed_rate_cells(folder)),
        ("DistilBERT", [*standard_cells(folder, "seed=0..19"), *reinit_cells(folder)]),
        ("DistilBERT", [*standard_cells(folder, "seed=0..9"), *longer_cells(folder)]),
        ("MiniLM", minilm.fixed_rate_cells(folder)),
        ("MiniLM", [*minilm.standard_cells(folder), *minilm.reinit_cells(folder)]),
    ]
    rows = []
    for model, cells in groups:
        for row in analyze_cells(cells, mark_by="test"):
            if isinstance(c := row.comparison, Comparison):
                rows.append(
                    [
                        model,
                        task_title(row.cell.task, row.cell.scale),
                        *(f"{cell.method} {cell.length}" for cell in (row.cell, c.baseline)),
                        str(row.result.n),
                        paper_difference(c.baseline, row.cell),
                        format_interval(c.difference, "+"),
                        format_p(c.p_holm),
                        c.mean_verdict or "inconclusive",
                        c.spread_verdict or "inconclusive",
                    ]
                )
    head = ["model", "task", "runs", "against", "seeds", "paper's Δ", "our Δ [95% CI]", "p Holm"]
    return markdown_table([*head, "mean", "spread"], rows)


def rates(folder: Path) -> str:
    """Return a table of validation scores of `standard` by learning rate."""
    overrides = ("method=standard", SELECTION, RATES)
    cells = select_cells(folder, "bias_correction", (*TASKS, *DROPPED), *overrides)
    return rate_choice(cells, TASKS, dropped=DROPPED)


def depths(folder: Path) -> str:
    """Return a table of validation scores by task and depth of re-initialization."""
    standard = plain_cells(folder, "bias_correction", TASKS, "method=standard", SELECTION, RATE)
    return depth_table(select_cells(folder, "reinit_depth", TASKS, SELECTION, RATE), standard)


def bias_correction(folder: Path) -> str:
    """Return the report on BERTAdam and Adam at one learning rate."""
    return effect(fixed_rate_cells(folder), "bias_correction")


def optimizers(folder: Path) -> str:
    """Return scores by optimizer and learning rate, and optimizers at the best rate of each."""
    cells = optimizer_cells(folder)
    curves = [f"{task_title(task, 'mini')}:\n\n{rate_table(cells, task)}" for task in PAIR]
    basis = Basis(rows=analyze_cells(cells, mark_by="val"), request=Request())
    findings = ANALYSES["rates"].analyze(basis)
    tables = map(show, findings.tables[1:])
    sentences = [f"* {line}" for line in findings.sentences if line.startswith("Each at its own")]
    ratio = f"* Mean bias ratio, weighted by the learning rate: {mean_bias_ratio(96):.1f}."
    return "\n\n".join([*curves, *tables, "\n".join([*sentences, ratio])])


def best_rates(folder: Path) -> str:
    """Return the report on BERTAdam and Adam at the best rate of each, on new seeds."""
    cells = best_rate_cells(folder)
    basis = Basis(rows=analyze_cells(cells, mark_by="test"), request=Request())
    findings = ANALYSES["equivalence"].analyze(basis)
    verdicts = [f"* {line}" for line in findings.sentences if "against" in line]
    tables = map(show, findings.tables)
    return "\n\n".join([effect(cells, "bias_correction"), *tables, "\n".join(verdicts)])


def shift(folder: Path) -> str:
    """Return how far each optimizer's curve over learning rates is from that of Adam."""
    own: dict[tuple[str, str], list[CellResult]] = {}
    for result in optimizer_cells(folder):
        own.setdefault((result.cell.task, result.cell.method), []).append(result)
    rows = []
    for (task, method), cells in own.items():
        adam = own[task, "standard"]
        if method == "standard":
            continue
        for name, score in (("validation", "val"), ("test", "test")):
            curves = [np.stack([getattr(x, score) for x in each], axis=1) for each in (adam, cells)]
            found = rate_shift(list(map(rate_of, adam)), *curves)
            numbers = format_interval(found.factor), f"{found.error:.1f}", f"{found.unshifted:.1f}"
            rows.append([task_title(task, "mini"), method, name, *numbers])
    head = ["task", "method", "scores", "factor [95% CI]", "RMS after the shift", "RMS without it"]
    return markdown_table(head, rows)


def rescaled(folder: Path) -> str:
    """Return the differences between rescaled BERTAdam and Adam at every learning rate."""
    cells = optimizer_cells(folder, "method=standard,bert_adam_rescaled")
    (table,) = comparison_tables(analyze_cells(cells, mark_by="val"))
    names = ("task", "optimizer.lr", "Δ mean [95% CI]", "p Welch", "p Holm")
    columns = [table.head.index(name) for name in names]
    head = [table.head[i] for i in columns]
    rows = [[row[i] for i in columns] for row in table.rows]
    return render_markdown_table(replace(table, head=head, rows=rows, labels=2))


def reinit(folder: Path) -> str:
    """Return the report on Re-init at the depths that validation selected."""
    return effect([*standard_cells(folder, "seed=0..19"), *reinit_cells(folder)], "table1")


def probes(folder: Path) -> str:
    """Return test scores of linear probes on each layer of the pre-trained models.

    Bold is the layer with the best validation score.
    """
    by_row: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    lines = (folder / "mini/probes.csv").read_text("utf-8").splitlines()
    for probe in csv.DictReader(lines):  # in the order of layers
        if probe["task"] in TASKS:
            key = MODELS[probe["model"]], probe["task"], FEATURES[probe["features"]]
            by_row.setdefault(key, []).append((float(probe["val"]), float(probe["test"])))
    rows = []
    for (model, task, features), scores in by_row.items():
        best = max(val for val, _ in scores)
        texts = [bold(f"{100 * test:.1f}", val == best) for val, test in scores]
        rows.append([model, task_title(task, "mini"), features, *texts])
    return markdown_table(["model", "task", "features", *map(str, range(7))], rows)


def longer(folder: Path) -> str:
    """Return the report on longer training."""
    return effect([*standard_cells(folder, "seed=0..9"), *longer_cells(folder)], "table1")


def instability(folder: Path) -> str:
    """Return test-set noise, disagreement of seeds, and the cost of a good run."""
    cells = [*fixed_rate_cells(folder), *reinit_cells(folder), *longer_cells(folder)]
    basis = Basis(rows=analyze_cells(cells, mark_by="test"), request=Request(roots=[folder]))
    names = ("noise", "disagreement", "cost")
    return "\n\n".join(show(t) for name in names for t in ANALYSES[name].analyze(basis).tables)


def summary(folder: Path) -> str:
    """Return test scores, failed runs and runs at chance by method, the table of the README."""
    groups: dict[tuple[str, str], list[CellResult]] = {}
    plain = [*fixed_rate_cells(folder), *longer_cells(folder)]
    for result in [*plain, *reinit_cells(folder), *reinit_longer_cells(folder)]:
        groups.setdefault((result.cell.method, result.cell.length), []).append(result)
    rows = [
        [*name, str(own[0].n), *(format_mean_sd(r.test) for r in own), *counts_of(own)]
        for name, own in groups.items()
    ]
    head = ["method", "length", "seeds", *titles(TASKS), "failed runs", "at chance"]
    return markdown_table(head, rows)


TABLES: Mapping[str, Callable[[Path], str]] = {
    "effects": effects,
    "rates": rates,
    "depths": depths,
    "bias_correction": bias_correction,
    "optimizers": optimizers,
    "best_rates": best_rates,
    "machines": machines,
    "shift": shift,
    "rescaled": rescaled,
    "reinit": reinit,
    "probes": probes,
    "position": position,
    "cka": cka,
    "longer": longer,
    "sensitivity": sensitivity,
    "remedies": remedies,
    "equal_cost": equal_cost,
    "minilm_rates": minilm.rates,
    "minilm_depths": minilm.depths,
    "minilm_bias_correction": minilm.bias_correction,
    "minilm_optimizers": minilm.optimizers,
    "minilm_best_rates": minilm.best_rates,
    "minilm_reinit": minilm.reinit,
    "minilm_spread": minilm.spread,
    "instability": instability,
    "summary": summary,
}
"""Parts of the page by name, given the folder of the records."""


# ---------------------------------------------------------------- command line


def print_table(
    tables: Mapping[str, Callable[[Path], str]],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str,
    runs: Path,
) -> None:
    """Parse a command line that names a table, and print the table.

    Args:
        tables: Functions from a folder of records to a table, by name.
        argv: Arguments; None for those of the process.
        prog: Name of the program.
        description: Purpose of the program.
        runs: Default folder of the records.
    """
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("table", choices=tables)
    text = f"folder of the records (default: {runs})"
    parser.add_argument("--runs", type=Path, default=runs, metavar="FOLDER", help=text)
    args = parser.parse_args(argv)
    print(tables[args.table](args.runs))


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print a part of the page."""
    print_table(
        TABLES,
        argv,
        prog="python -m benchmarks.results",
        description="Print the tables of docs/results.md.",
        runs=Path("results"),
    )


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.results"))
