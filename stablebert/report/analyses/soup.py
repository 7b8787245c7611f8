"""Soups of the runs of each cell, next to its mean run and its best run by validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablebert.report.analyses.base import Analysis, Basis, Findings, Number, numbers_by_name
from stablebert.report.cells import describe_cell
from stablebert.report.join import CellResult
from stablebert.report.render import Entry, Table
from stablebert.report.tables import label_entries
from stablebert.runs.files import cell_folder
from stablebert.runs.record import RecordError
from stablebert.runs.soup import Soup, inputs_of, read_soup, soup_file
from stablebert.text import count_of


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """A cell and the soup of all its runs."""

    result: CellResult
    soup: Soup

    def scores(self, split: str) -> dict[str, float]:
        """Return scores x 100 on `val` or `test`, by column."""
        val = self.result.val
        scores = val if split == "val" else self.result.test
        return {
            "mean_run": float(scores.mean()),
            "best_run": float(scores[val == val.max()].mean()),
            "uniform_soup": 100 * self.soup.score(f"{split}_uniform"),
            "greedy_soup": 100 * self.soup.score(f"{split}_greedy"),
        }


def _obstacle(basis: Basis) -> str:
    if any(_file(result, basis.request.roots) for result in basis.results):
        return ""
    return "no cell has a soup of all its runs; `stablebert soup SWEEP` computes them"


def _file(result: CellResult, roots: Sequence[Path]) -> Path | None:
    """Return the file of the soup of all runs of a cell, if there is one."""
    cell = result.cell
    for root in roots:
        folder = cell_folder(
            root,
            scale=cell.scale,
            task=cell.task,
            method=cell.method,
            config_id=cell.config_id,
        )
        if (file := soup_file(folder, cell.seeds)).exists():
            return file
    return None


def _analyze(basis: Basis) -> Findings:
    comparisons, problems = [], []
    for result in basis.results:
        file = _file(result, basis.request.roots)
        if not file:
            continue
        cell = result.cell
        try:
            soup = read_soup(file, config_id=cell.config_id, seeds=cell.seeds)
        except RecordError as error:
            problems.append(str(error))
            continue
        if soup and soup.inputs == inputs_of(result.records):
            comparisons.append(_Comparison(result=result, soup=soup))
        else:
            problems.append(f"{describe_cell(cell)}: {file.name} is from earlier runs; {_ADVICE}")
    if absent := len(basis.cells) - len(comparisons) - len(problems):
        problems.append(f"{count_of(absent, 'cell')} without a soup; {_ADVICE}")
    splits = ("test", "val") if comparisons else ()
    return Findings(
        tables=[_table(comparisons, basis, split) for split in splits],
        sentences=[*problems, *_DEFINITIONS],
        numbers=[number for each in comparisons for number in _numbers(each)],
    )


_ADVICE = "`stablebert soup SWEEP` computes it"
_DEFINITIONS = (
    "Soup: one model whose weights are the mean of those of the runs (Wortsman et al., 2022). "
    "Uniform: of all runs. Greedy: of runs added one by one, best validation score first, and "
    "kept if the validation score does not drop; its own validation score is therefore too high. "
    "Best run: by validation.",
    "Every soup is a single number without an interval. Runs of different seed_init start from "
    "different heads and share only the encoder, so nothing guarantees that their mean works.",
)


def _table(comparisons: Sequence[_Comparison], basis: Basis, split: str) -> Table:
    head = ["n", "mean run", "best run", "uniform soup", "greedy soup", "runs in it"]
    rows = [
        [
            *label_entries(each.result.cell, basis.labels),
            *(
                Entry(text=text)
                for text in (
                    str(each.result.n),
                    *(f"{score:.1f}" for score in each.scores(split).values()),
                    str(len(each.soup.greedy)),
                )
            ),
        ]
        for each in comparisons
    ]
    return Table(
        title=f"Soups of runs ({'validation' if split == 'val' else 'test'} score x 100)",
        head=["task", *basis.labels, *head],
        rows=rows,
        labels=1 + len(basis.labels),
    )


def _numbers(each: _Comparison) -> list[Number]:
    cell = each.result.cell
    counts = {"n": each.result.n, "greedy_runs": len(each.soup.greedy)}
    return [
        *numbers_by_name(cell, counts),
        *(
            number
            for split in ("test", "val")
            for number in numbers_by_name(cell, each.scores(split), level=split)
        ),
    ]


SOUP = Analysis(
    name="soup",
    summary="one model with the mean weights of all runs",
    obstacle=_obstacle,
    analyze=_analyze,
)
