"""The look of all figures."""

import altair as alt
import pytest

from stablebert.report.figures.save import render_figure
from stablebert.report.figures.style import (
    DARK,
    FAILED,
    LIGHT,
    METHOD_COLORS,
    draw_panels,
    method_colors,
    panel_width,
)


def draw(tasks, **options):
    rows = [{"task": task, "x": 1} for task in tasks]
    chart = alt.Chart().mark_point().encode(alt.X("x:Q"))
    return draw_panels(chart, rows=rows, width=100, height=100, **options)


@pytest.mark.parametrize(("panels", "columns"), [(1, 1), (3, 3), (4, 4), (5, 3), (8, 4), (12, 4)])
def test_rows_of_panels_are_about_equal(panels, columns):
    assert draw([f"task{i}" for i in range(panels)])["columns"] == columns


def test_panels_are_in_the_order_of_the_data():
    assert draw(["b", "a", "c"])["facet"]["sort"] == ["b", "a", "c"]


def test_a_method_has_the_same_color_whatever_the_others_are():
    colors = [method_colors(names) for names in (["a", "standard"], ["standard", "b", "a"])]
    assert colors[0]["standard"] == colors[1]["standard"] == METHOD_COLORS["standard"]


def test_unknown_methods_of_a_figure_have_different_colors():
    assert len(set(method_colors(["a", "b", "c", "d"]).values())) == 4


def test_no_method_has_the_color_of_failed_runs():
    assert FAILED not in method_colors([*METHOD_COLORS, *"abcdefgh"]).values()


def test_a_specification_leaves_the_colors_of_text_and_background_to_the_page():
    config = draw(["a"])["config"]
    assert "background" not in config
    assert not {"labelColor", "titleColor"} & config["axis"].keys()


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_the_configurations_are_valid(colors):
    specification = draw(["a"])
    specification["config"] = {**specification["config"], **colors}
    alt.Chart.from_dict(specification, validate=True)


@pytest.mark.parametrize("independent", ["", "x", "y", "xy"])
def test_a_specification_is_valid(independent):
    alt.Chart.from_dict(draw(["a", "b"], independent=independent), validate=True)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_not_drawn(number):
    specification = draw_panels(
        alt.Chart().mark_point(), rows=[{"task": "a", "x": number}], width=100, height=100
    )
    assert specification["datasets"] == {"rows": [{"task": "a", "x": None}]}


def test_few_panels_are_wider_than_many():
    few, many = ([{"task": str(i)} for i in range(n)] for n in (2, 3))
    assert panel_width(few) > panel_width(many)


def test_lists_are_drawn_as_one_row_per_element():
    """Rendered, as Vega-Lite fails on such a transformation inside the layers of panels."""
    rows = [{"task": "a", "x": [1, 2], "y": [1, 1]}, {"task": "b", "x": [1, 2], "z": [7]}]
    layers = [alt.Chart().mark_line().encode(alt.X("x:Q"), alt.Y(f"{name}:Q")) for name in "yz"]
    specification = draw_panels(*layers, rows=rows, width=100, height=100)
    assert specification["datasets"]["rows"][1] == {"task": "b", "x": [1, 2], "y": [], "z": [7]}
    assert render_figure(specification, "svg")
