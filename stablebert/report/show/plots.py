"""Small plots made of characters, with plotext."""

from typing import Any

import numpy as np

from stablebert.report.columns import fit
from stablebert.report.extra import require_packages
from stablebert.report.show.blocks import Panel
from stablebert.text import escape_controls

HEIGHT = 10
"""Lines of a panel with its title."""
_MARKERS = (("braille", "⠒"), ("hd", "▀"))
"""Markers of the first and the second line, and their samples; they differ without color too."""
_ASCII_MARKERS = (("*", "*"), ("o", "o"))
_COLORS = (39, 208)
"""Blue and orange of the terminal's palette, which color-blind readers distinguish."""
_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")


def draw_panel(panel: Panel, width: int, *, color: bool, ascii_only: bool = False) -> list[str]:
    """Return the lines of a panel, each of which takes `width` columns.

    Args:
        panel: The panel, with at most two lines.
        width: Columns.
        color: Whether to color the lines of the plot.
        ascii_only: Whether to use ASCII characters only.

    Raises:
        ReportError: If plotext is not installed.
    """
    require_packages("plotext", purpose="Plots")
    import plotext

    figure = plotext.figure
    plotext.terminal.limit(False, False)
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, HEIGHT - 1)
    for axis, side in (("x", "upper"), ("y", "right")):
        figure.axes(False, axis=axis, side=side)
    markers = _ASCII_MARKERS if ascii_only else _MARKERS
    samples = []
    for line, (marker, sample), shade in zip(panel.lines, markers, _COLORS, strict=False):
        style = plotext.marker(marker, shade) if color else plotext.marker(marker)
        figure.draw(figure.signal(line.x.tolist(), line.y.tolist(), marker=style).lines())
        samples.append(f"  {sample} {line.name}")
    _set_ticks(figure, panel, width)
    text = figure.build().string(colorless=not color)
    figure.clear()
    if ascii_only:
        text = text.translate(_ASCII)
    legend = "".join(samples) if len(samples) > 1 else ""
    return [fit(panel.title + legend, width), *text.splitlines()]


def _set_ticks(figure: Any, panel: Panel, width: int) -> None:
    """Set ticks with short texts: whole numbers, or names, on the x-axis."""
    x = np.concatenate([line.x for line in panel.lines])
    y = np.concatenate([line.y for line in panel.lines])
    heights = np.unique([y.min(), (y.min() + y.max()) / 2, y.max()])
    figure.ruler("y").ticks(heights.tolist(), [f"{value:.3g}" for value in heights])
    if panel.names:
        step = -(-len(panel.names) * 8 // width)
        positions = list(range(0, len(panel.names), step))
        figure.ruler("x").ticks(positions, [escape_controls(panel.names[i]) for i in positions])
    else:
        steps = np.unique(np.linspace(x.min(), x.max(), max(2, width // 12)).round())
        figure.ruler("x").ticks(steps.tolist(), [f"{step:.0f}" for step in steps])
