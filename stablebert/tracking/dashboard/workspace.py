"""The workspace: scores, failed runs, losses, learning rate, and what the monitors log."""

from typing import Any

from stablebert.tracking.dashboard.library import load_workspaces_api
from stablebert.tracking.dashboard.panels import (
    MAX_RUNS,
    assign_ids,
    bar_plot,
    line_plot,
    score_distribution,
    text_panel,
)
from stablebert.tracking.dashboard.selection import CELL_KEYS, NAME, display_name, run_filter
from stablebert.tracking.mirror import STEP
from stablebert.tracking.workspaces_internals import set_workspace_name

ANALYTIC = """\
**Analytic:** (1 - β₁^t) / √(1 - β₂^t) after t steps, where ε does not matter. With the usual
β₁ = 0.9, β₂ = 0.999 it is 3.16 at the first step, 6.57 at the peak near step 12, and 1 in the end
(Zhang et al. 2021, Figure 1). Runs log it as `bias_ratio/analytic`, from their own betas."""
UNUSUAL = "representation change"
"""Section of a monitor that is off by default, shown closed."""
EVERY_LAYER = r"(embeddings|layer_\d+|pooler|classifier)$"


def build_workspace(entity: str, project: str, *, num_layers: int, sweep: str | None = None) -> Any:
    """Build the workspace of a project.

    Args:
        entity: W&B team or user.
        project: Project of the runs.
        num_layers: Layers of the model, which get a panel each.
        sweep: Id of the W&B sweep whose runs to show; None shows all runs.
    """
    ws = load_workspaces_api()
    sections = []
    for name, panels in _panels(entity, num_layers).items():
        assign_ids(panels, name)
        settings = ws.SectionPanelSettings(x_axis=STEP)
        is_open = name != UNUSUAL
        sections.append(
            ws.Section(name=name, panels=panels, is_open=is_open, panel_settings=settings)
        )
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=display_name(sweep),
        sections=sections,
        settings=ws.WorkspaceSettings(
            x_axis=STEP, max_runs=MAX_RUNS, point_visualization_method="downsampling"
        ),
        runset_settings=ws.RunsetSettings(
            filters=run_filter(sweep=sweep),
            groupby=[ws.Config(key) for key in CELL_KEYS],
            pinned_columns=[
                "run:state",
                *(f"config:{key}.value" for key in ("task", "method", "length", "seeds")),
                *(f"summary:{key}" for key in ("status", "at_chance", "val_best", "test_at_best")),
            ],
        ),
    )
    set_workspace_name(workspace, f"nw-{NAME}{sweep or ''}-v")
    return workspace


def _panels(entity: str, num_layers: int) -> dict[str, list[Any]]:
    """Return the panels of each section."""
    body = ["embeddings", *(f"layer_{i:02d}" for i in range(num_layers))]
    layers = [*body, "pooler", "classifier"]
    ratios = ("bias_ratio/all", "bias_ratio/analytic")
    return {
        "scores": [
            bar_plot("test score, best weights", "test_at_best"),
            score_distribution(entity, "test score, best weights", "test_at_best"),
            bar_plot("best validation score", "val_best"),
            line_plot("validation score", "val/score"),
        ],
        "failed runs": [
            bar_plot("share of failed runs", "failed"),
            bar_plot("share of runs at chance", "at_chance"),
            line_plot("validation score, each run", "val/score", area="samples"),
            line_plot("training loss, each run", "train/loss", area="samples"),
        ],
        "bias ratio": [
            line_plot("bias ratio of all weights", *ratios, log_x=True),
            text_panel(ANALYTIC),
            line_plot("bias ratio of every layer", regex=f"^bias_ratio/{EVERY_LAYER}", log_x=True),
            *(line_plot(f"bias ratio, {n}", f"bias_ratio/{n}", log_x=True) for n in layers),
        ],
        "weight change": [
            line_plot("weight change of every layer", regex=f"^weight_change/{EVERY_LAYER}"),
            *(line_plot(f"weight change, {n}", f"weight_change/{n}") for n in layers),
        ],
        "losses and learning rate": [
            line_plot("training loss", "train/loss"),
            line_plot("validation loss", "val/loss"),
            line_plot("learning rate", "train/lr"),
        ],
        UNUSUAL: [
            *(bar_plot(f"CKA with the start, {n}", f"cka/{n}") for n in body),
            *(bar_plot(f"CKA with the start, [CLS] in {n}", f"cka_cls/{n}") for n in body[1:]),
        ],
    }
