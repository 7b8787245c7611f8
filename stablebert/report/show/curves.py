"""Small plots of what runs logged: score, loss, learning rate, bias ratio and weight change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stablebert.report.show.blocks import Line, Panel
from stablebert.runs.history import History, Series
from stablebert.runs.record import RunRecord

STEP = "optimizer step"


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A panel with quantities over steps."""

    title: str
    names: Mapping[str, str]
    """Names in the legend, by the name of the quantity in the history."""
    factor: float = 1.0


_ONE_RUN = [
    _Kind(title="validation score x 100", names={"val/score": "run"}, factor=100),
    _Kind(title="loss", names={"train/loss": "training", "val/loss": "validation"}),
    _Kind(title="learning rate", names={"train/lr": "learning rate"}),
    _Kind(
        title="bias ratio",
        names={"bias_ratio/all": "measured", "bias_ratio/analytic": "analytic"},
    ),
]
_SEVERAL_RUNS = [
    _Kind(title="validation score x 100", names={"val/score": ""}, factor=100),
    _Kind(title="training loss", names={"train/loss": ""}),
    _Kind(title="validation loss", names={"val/loss": ""}),
    _Kind(title="learning rate", names={"train/lr": ""}),
    _Kind(title="bias ratio", names={"bias_ratio/all": ""}),
]


def panels_of_run(history: History, record: RunRecord | None) -> list[Panel]:
    """Return the panels of one run; quantities that it did not log are left out."""
    panels = _panels(_ONE_RUN, {"": history})
    if record and panels and panels[0].title == _ONE_RUN[0].title:
        panels[0] = _with_chance(panels[0], record)
    return panels


def _with_chance(scores: Panel, record: RunRecord) -> Panel:
    """Return the panel of validation scores with that of the majority class."""
    (line,) = scores.lines
    ends = line.x[[0, -1]]
    chance = Line(name="chance", x=ends, y=np.full(2, 100 * record.majority["val"]))
    return replace(scores, lines=[line, chance])


def panels_of_runs(histories: Mapping[str, History]) -> list[Panel]:
    """Return panels with one line per run, given histories by the name of the run."""
    return _panels(_SEVERAL_RUNS, histories)


def _panels(kinds: Sequence[_Kind], histories: Mapping[str, History]) -> list[Panel]:
    panels = []
    for kind in kinds:
        lines = [
            line
            for run, history in histories.items()
            for key, name in kind.names.items()
            if (line := _line(name or run, history.get(key), kind.factor))
        ]
        if lines:
            panels.append(Panel(title=kind.title, x_title=STEP, lines=lines))
    return [*panels, *_weight_change(histories)]


def _line(name: str, series: Series | None, factor: float) -> Line | None:
    """Return the finite points of a series; None if there are none."""
    if series is None:
        return None
    y = series.values.astype(np.float64) * factor
    is_finite = np.isfinite(y)
    if not is_finite.any():
        return None
    return Line(name=name, x=series.steps[is_finite].astype(np.float64), y=y[is_finite])


def _weight_change(histories: Mapping[str, History]) -> list[Panel]:
    """Return a panel with the last weight change of each layer, none if it was not logged."""
    prefix = "weight_change/"
    layers = list(dict.fromkeys(k for h in histories.values() for k in h if k.startswith(prefix)))
    lines = []
    for run, history in histories.items():
        ends = {i: float(history[key].values[-1]) for i, key in enumerate(layers) if key in history}
        ends = {i: value for i, value in ends.items() if np.isfinite(value)}
        if ends:
            x, y = np.array(list(ends), np.float64), np.array(list(ends.values()))
            lines.append(Line(name=run or "weight change", x=x, y=y))
    names = [_layer_name(key.removeprefix(prefix)) for key in layers]
    title = "final weight change by layer"
    return [Panel(title=title, x_title="layer", lines=lines, names=names)] if lines else []


def _layer_name(key: str) -> str:
    """Return the number of a layer, or the name of another part of the model."""
    number = key.removeprefix("layer_")
    return str(int(number)) if number.isdecimal() else key
