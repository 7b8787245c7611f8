"""The paper's figures and tables, each with the sweep whose runs it shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stablebert.config.sweep import read_sweep
from stablebert.tasks import DEMO


@dataclass(frozen=True, kw_only=True)
class Item:
    """A figure or a table of the paper."""

    name: str
    """`fig5` or `table1`."""
    title: str
    sweep: str = ""
    """Name of the shipped sweep; empty if no runs are needed, or if any will do."""
    overrides: Sequence[str] = ()
    """`KEY=VALUES` overrides that narrow the sweep to this item."""
    figure: str = ""
    """Name of the kind of figure that redraws it; empty for tables."""

    @property
    def label(self) -> str:
        """Name in the paper: `Figure 5`."""
        number = self.name.removeprefix("fig").removeprefix("table")
        return f"{'Table' if self.name.startswith('table') else 'Figure'} {number}"


def join_labels(items: Iterable[Item]) -> str:
    """Return the names of items in the paper: `Table 1; Figures 3, 6`."""
    numbers: dict[str, list[str]] = {}
    for item in items:
        kind, _, number = item.label.partition(" ")
        numbers.setdefault(kind, []).append(number)
    texts = (f"{kind}{'s' * (len(x) > 1)} {', '.join(x)}" for kind, x in numbers.items())
    return "; ".join(texts)


_FIRST_1K = "task=rte_1k,mrpc_1k,stsb_1k,cola_1k"
_OTHER_1K = "task=sst2_1k,qnli_1k,qqp_1k,mnli_1k"


def _figure(name: str, title: str, kind: str, sweep: str = "", *overrides: str) -> Item:
    return Item(name=name, title=title, figure=kind, sweep=sweep, overrides=overrides)


def _table(name: str, title: str, sweep: str = "") -> Item:
    return Item(name=name, title=title, sweep=sweep)


_ALL = (
    _figure("fig1", "Bias of Adam's updates by step", "bias_ratio"),
    _figure("fig2", "Test scores without and with bias correction", "distribution",
            "bias_correction"),
    _figure("fig3", "Training loss without and with bias correction, RTE", "convergence",
            "bias_correction", "task=rte"),
    _figure("fig4", "Expected test score of the best of k runs", "best_of_k", "bias_correction"),
    _table("table1", "Standard and Re-init, three epochs and longer", "table1"),
    _figure("fig5", "Depth of Re-init on RTE and MRPC", "depth", "reinit_depth", "task=rte,mrpc"),
    _figure("fig6", "Training loss of standard and Re-init, RTE and MRPC", "convergence",
            "table1", "task=rte,mrpc", "length=3epochs"),
    _figure("fig7", "Weight change of four layers, RTE", "weight_change",
            "weight_change", "task=rte"),
    _figure("fig8", "Number of steps, RTE to CoLA (1k)", "length", "training_length", _FIRST_1K),
    _table("table2", "The methods of Section 7", "table2"),
    _table("table3", "Data sets"),
    _table("table4", "Mixed and full precision", "table4"),
    _figure("fig9", "Scores by initialization and data order", "heat_map", "randomness"),
    _figure("fig10", "Standard deviations by initialization and data order", "heat_map",
            "randomness"),
    _table("table5", "Bias correction on all of MNLI", "table5"),
    _figure("fig11", "Training loss without and with bias correction, four tasks", "convergence",
            "bias_correction"),
    _figure("fig12", "Expected validation score of the best of k runs", "best_of_k",
            "bias_correction"),
    _figure("fig13", "Depth of Re-init on all tasks", "depth", "reinit_depth"),
    _figure("fig14", "Number of steps, SST-2 to MNLI (1k)", "length", "training_length",
            _OTHER_1K),
    _figure("fig15", "Weight change of all layers, RTE", "weight_change",
            "weight_change", "task=rte"),
    _figure("fig16", "Weight change of all layers, MRPC", "weight_change",
            "weight_change", "task=mrpc"),
    _figure("fig17", "Weight change of all layers, STS-B", "weight_change",
            "weight_change", "task=stsb"),
    _figure("fig18", "Weight change of all layers, CoLA", "weight_change",
            "weight_change", "task=cola"),
    _table("table6", "Hyperparameters of other models", "table7"),
    _table("table7", "Re-init with other models", "table7"),
)  # fmt: skip
ITEMS = {item.name: item for item in _ALL}
"""All figures and tables with results, by name, in the order of the paper."""

COMPANIONS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "reinit_depth": {"table1": ("method=standard", "length=3epochs"), "reinit_pooler": ()},
    "weight_change": {"table1": ("method=standard", "length=3epochs")},
    "training_length": {"table1": ("length=3epochs",)},
}
"""Other sweeps, with overrides, whose runs the paper's figures show next to those of a sweep."""


def replace_overrides(own: Iterable[str], given: Sequence[str]) -> list[str]:
    """Return overrides followed by given ones, which replace those of the same keys."""
    keys = {text.partition("=")[0] for text in given}
    return [*(text for text in own if text.partition("=")[0] not in keys), *given]


def overrides_at(scale: str, sweep_name: str, overrides: Sequence[str] = ()) -> list[str]:
    """Return the overrides of a shipped sweep at a scale.

    The demo has no 1,000-sample tasks; the tasks of the same name take their place.

    Args:
        scale: The scale.
        sweep_name: Name of the sweep.
        overrides: Overrides of an item.
    """
    sweep = read_sweep(sweep_name).narrow(overrides)
    scales = [] if sweep.parameters.get("scale") == (scale,) else [f"scale={scale}"]
    tasks = sweep.parameters["task"]
    demo_tasks = dict.fromkeys(task.removesuffix("_1k") for task in tasks)
    if scale != DEMO or (*demo_tasks,) == tasks:
        return [*scales, *overrides]
    others = [text for text in overrides if not text.startswith("task=")]
    return [*scales, f"task={','.join(demo_tasks)}", *others]
