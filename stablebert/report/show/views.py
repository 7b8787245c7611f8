"""Views of one run and of two runs side by side."""

from stablebert.report.cell_predictions import have_equal_rows
from stablebert.report.show.blocks import Block, Facts, Panels, View
from stablebert.report.show.compare import (
    difference_table,
    disagreement_facts,
    most_different_rows,
    score_table,
)
from stablebert.report.show.curves import panels_of_run, panels_of_runs
from stablebert.report.show.predicted import count_table, hardest
from stablebert.report.show.run import ShownRun
from stablebert.report.show.summary import quote_crash, summarize_run

ROWS = 5
"""Default number of rows of the data."""


def view_run(run: ShownRun, *, rows: int = ROWS, source: str | None = None) -> View:
    """Return the view of a run.

    Args:
        run: The run.
        rows: Number of rows of the data to show.
        source: Value of `data.source` for their texts; None for that of the run.
    """
    blocks: list[Block] = [summarize_run(run)]
    if run.crash:
        blocks.append(quote_crash(run.crash))
    if panels := panels_of_run(run.history, run.record):
        blocks.append(Panels(panels=panels))
    if run.test:
        blocks.append(count_table(run, run.test))
        blocks.append(hardest(run, run.test, n=rows, source=source))
    return View(title=run.name, blocks=blocks, notes=run.notes)


def view_two_runs(a: ShownRun, b: ShownRun, *, rows: int = ROWS, source: str | None = None) -> View:
    """Return the view that compares two runs, with the arguments of `view_run`."""
    runs = {"A": a, "B": b}
    texts = {name: f"{run.name}: {run.state}, {run.place}" for name, run in runs.items()}
    blocks: list[Block] = [Facts(texts=texts)]
    notes = [f"{name}: {note}" for name, run in runs.items() for note in run.notes]
    if differences := difference_table(a, b):
        blocks.append(differences)
    else:
        notes.append("A and B have the same configuration and circumstances")
    if absent := [name for name, run in runs.items() if not run.config]:
        notes.append(
            f"the configuration of {' and '.join(absent)} is not available: only what records say "
            "is compared"
        )
    if a.record and b.record:
        blocks.append(score_table(a.record, b.record))
    if a.test and b.test:
        if have_equal_rows(a.test, b.test):
            blocks.append(disagreement_facts(a.test, b.test, _weights(a, b)))
        else:
            notes.append("A and B were tested on different rows, which are not compared")
    if panels := panels_of_runs({name: run.history for name, run in runs.items()}):
        blocks.append(Panels(panels=panels))
    if a.test and b.test and have_equal_rows(a.test, b.test):
        blocks.append(most_different_rows([a, b], [a.test, b.test], n=rows, source=source))
    return View(title="Two runs", blocks=blocks, notes=notes)


def _weights(a: ShownRun, b: ShownRun) -> str:
    """Return the weights whose test predictions are compared."""
    if a.test_weights == b.test_weights:
        return f"the {a.test_weights} weights"
    return f"the {a.test_weights} weights of A and the {b.test_weights} of B"
