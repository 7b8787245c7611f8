import re

import pytest

from stablebert.tracking.dashboard.selection import CELL_KEYS
from stablebert.tracking.mirror import STEP
from tests.tracking.dashboard import specs
from tests.tracking.dashboard.specs import BIAS_RATIO, DISTRIBUTION, LAYERS, TEXT, bars, line

EVERY_LAYER = r"(embeddings|layer_\d+|pooler|classifier)$"
SECTIONS = {
    "scores": [bars("test_at_best"), DISTRIBUTION, bars("val_best"), line("val/score")],
    "failed runs": [bars("failed"), bars("at_chance"), line("val/score"), line("train/loss")],
    "bias ratio": [
        *(BIAS_RATIO, TEXT, line(f"^bias_ratio/{EVERY_LAYER}")),
        *(line(f"bias_ratio/{layer}") for layer in LAYERS),
    ],
    "weight change": [
        line(f"^weight_change/{EVERY_LAYER}"),
        *(line(f"weight_change/{layer}") for layer in LAYERS),
    ],
    "losses and learning rate": [line("train/loss"), line("val/loss"), line("train/lr")],
    "representation change": [
        *(bars(f"cka/{layer}") for layer in LAYERS[:3]),
        *(bars(f"cka_cls/{layer}") for layer in LAYERS[1:3]),
    ],
}


def test_only_the_section_of_the_monitor_that_is_off_by_default_is_closed(dashboard):
    config = dashboard["workspace"]["spec"]["section"]["panelBankConfig"]
    closed = [section["name"] for section in config["sections"] if not section["isOpen"]]
    assert closed == ["representation change"]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_these_panels(dashboard, section):
    panels = specs.sections_of(dashboard["workspace"]["spec"])[section]
    assert specs.shapes_of(panels) == SECTIONS[section]


def test_there_are_no_other_sections(dashboard):
    assert list(specs.sections_of(dashboard["workspace"]["spec"])) == list(SECTIONS)


def test_lines_are_drawn_against_the_optimizer_step(dashboard):
    assert dashboard["workspace"]["spec"]["section"]["settings"]["xAxis"] == STEP


def test_runs_are_grouped_by_cell(dashboard):
    (runs,) = dashboard["workspace"]["spec"]["section"]["runSets"]
    names = [re.sub(r"\.value$", "", key["name"]) for key in runs["grouping"]]
    assert names == list(CELL_KEYS)


def test_both_seeds_of_a_run_are_shown(dashboard):
    (runs,) = dashboard["workspace"]["spec"]["section"]["runSets"]
    assert "config:seeds.value" in str(runs)


def test_each_layer_of_a_large_model_has_a_panel():
    workspace = specs.build(tables=[], num_layers=24)["workspace"]["spec"]
    assert len(specs.sections_of(workspace)["weight change"]) == 1 + 24 + 3


def test_the_name_is_fixed_so_that_saving_again_updates(dashboard):
    view = dashboard["workspace"]
    assert (view["displayName"], view["name"]) == ("stablebert", "nw-stablebert-v")


def test_a_sweep_has_a_workspace_of_its_own():
    view = specs.build(tables=[], sweep="v3x")["workspace"]
    assert (view["displayName"], view["name"]) == ("stablebert v3x", "nw-stablebertv3x-v")
