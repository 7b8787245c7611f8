r"""A report's numbers as LaTeX macros, one per number, such as `\stablebertRteReinitMean`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from stablebert.report.cells import Cell, describe_cell, parameter_text, varying_parameters
from stablebert.report.compare import AnalyzedCell, Comparison
from stablebert.report.statistics.scores import describe_scores
from stablebert.report.tables import format_p, format_ratio
from stablebert.runs.seeds import format_seeds
from stablebert.text import escape_controls

_PREFIX = "stablebert"
_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_SIGNS = {".": "Point", "-": "Minus"} | {str(i): name for i, name in enumerate(_DIGITS)}
_HEADER = r"""% Written by `stablebert report`; rerun it to update these numbers.
% Scores and differences are x 100. Write \name{} where a space follows.
"""


class NamedRows(Protocol):
    """The part of a sweep's report that has macros."""

    @property
    def name(self) -> str:
        """Name of the sweep."""

    @property
    def rows(self) -> Sequence[AnalyzedCell]:
        """All cells of the report."""


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A number, and the names that its macro may have."""

    names: tuple[str, ...]
    """From the shortest to the longest."""
    identity: tuple[object, ...]
    """Equal for two numbers of the same runs, and of the same comparison if it is of one."""
    text: str
    comment: str


def macros_tex(reports: Mapping[str, NamedRows]) -> str:
    r"""Return a LaTeX file that defines one macro per number of the reports' cells.

    A name consists of task, method, and quantity, and of further parameters where cells of a report
    differ: `\stablebertRteReinitLongerNumLayersFiveMean`. Three epochs are not named; a task of the
    demo is `DemoRte`. If a name would have the numbers of different runs or comparisons, the sweep
    follows the parameters, and the configuration as a last resort. Digits are spelled: names of
    macros consist of letters.

    Args:
        reports: Reports by the name of their sweep.
    """
    numbers = [number for report in reports.values() for number in _numbers(report)]
    owners: dict[str, set[tuple[object, ...]]] = {}
    for number in numbers:
        for name in number.names:
            owners.setdefault(name, set()).add(number.identity)
    lines: dict[str, str] = {}
    for number in numbers:
        macro = next((x for x in number.names if len(owners[x]) == 1), number.names[-1])
        line = f"\\newcommand{{\\{macro}}}{{{number.text}}}% {escape_controls(number.comment)}"
        lines.setdefault(macro, line)
    return "\n".join([_HEADER, *lines.values(), ""])


# ---------------------------------------------------------------- names


def _numbers(report: NamedRows) -> Iterator[_Number]:
    """Yield the numbers of all cells that have runs."""
    parameters = varying_parameters([row.cell for row in report.rows])
    for row in report.rows:
        if not row.result.n:
            continue
        cell, sweep = row.cell, spell_out(report.name)
        runs = (cell.config_id, cell.seeds)
        base = f"{_PREFIX}{_cell_name(cell, parameters)}"
        config = f"Config{spell_out(cell.config_id)}Seeds{spell_out(format_seeds(cell.seeds))}"
        middles = ("", f"In{sweep}", f"In{sweep}{config}")
        comment = f"{report.name}: {_describe(row)}"
        kinds = ((_score_texts(row), runs), (_comparison_texts(row), (*runs, report.name)))
        for texts, identity in kinds:
            for quantity, text in texts.items():
                names = tuple(f"{base}{middle}{quantity}" for middle in middles)
                yield _Number(names=names, identity=identity, text=text, comment=comment)


def _cell_name(cell: Cell, parameters: Sequence[str]) -> str:
    task = f"{cell.scale} {cell.task}" if cell.scale == "demo" else cell.task
    texts = [task, cell.method, *([cell.length] if cell.length != "3epochs" else [])]
    for key in parameters:
        if (value := parameter_text(cell, key)) != "-":
            texts.append(f"{key.rpartition('.')[2]} {value}")
    return "".join(map(spell_out, texts))


def spell_out(text: str) -> str:
    """Return a text in letters, each word capitalized, as a part of a macro's name.

    Example:
        >>> spell_out("rte_1k"), spell_out("num_layers 5"), spell_out("1e-05")
        ('RteOneK', 'NumLayersFive', 'OneEMinusZeroFive')
    """
    spelled = re.sub(r"[.\-0-9]", lambda sign: f" {_SIGNS[sign[0]]} ", text)
    return "".join(word[0].upper() + word[1:] for word in re.findall("[A-Za-z]+", spelled))


def _describe(row: AnalyzedCell) -> str:
    seeds = format_seeds([record.seeds for record in row.result.records])
    text = f"{describe_cell(row.cell)}, seeds {seeds}"
    if isinstance(row.comparison, Comparison):
        return f"{text}; differences to {describe_cell(row.comparison.baseline)}"
    return text


# ---------------------------------------------------------------- numbers


def _score_texts(row: AnalyzedCell) -> dict[str, str]:
    """Return the numbers of a cell's runs by quantity, as LaTeX."""
    result = row.result
    test, val = describe_scores(result.test), describe_scores(result.val)
    scores = {"Mean": test.mean, "Sd": test.sd, "Median": test.median}
    scores |= {"Min": test.min, "Max": test.max, "ValMean": val.mean, "ValSd": val.sd}
    counts = {"N": result.n, "Failed": result.failed, "AtChance": result.at_chance}
    return {name: str(count) for name, count in counts.items()} | _format(scores, _points)


def _comparison_texts(row: AnalyzedCell) -> dict[str, str]:
    """Return the numbers of a cell's comparison with its baseline by quantity, as LaTeX."""
    c = row.comparison
    if not isinstance(c, Comparison):
        return {}
    difference = c.difference
    points = {"Diff": difference.value, "DiffLow": difference.low, "DiffHigh": difference.high}
    p_values = {"PStudent": c.p_student, "PWelch": c.p_welch, "P": c.p_holm, "PSd": c.p_sd_holm}
    ratios = {"SdRatio": c.sd_ratio, "Improvement": c.improvement}
    return {
        **_format(points | {"Detectable": c.detectable}, _points),
        **_format(p_values, _p_value),
        **_format(ratios, format_ratio),
    }


def _format(values: Mapping[str, float], format_value: Callable[[float], str]) -> dict[str, str]:
    """Return the finite values as text; the standard deviation of one run is not finite."""
    return {name: format_value(value) for name, value in values.items() if isfinite(value)}


def _points(value: float) -> str:
    text = f"{value:.1f}"
    return rf"\ensuremath{{{text}}}" if text.startswith("-") else text


def _p_value(p: float) -> str:
    return format_p(p).replace("<", r"\ensuremath{<}")
