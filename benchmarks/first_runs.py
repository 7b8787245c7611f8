"""Print tables of runs of each method on real GLUE with MiniLM, from their committed records.

Neither the data nor the model is needed: the records identify both.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.demo import markdown_table, search_rows
from benchmarks.result_cells import complete_cells
from benchmarks.results import print_table
from stablebert.report.cells import task_title
from stablebert.signals import run_script

TASKS = ("cola_1k", "sst2_1k")
SEARCHES = {
    "bitfit,layernorm,head_only": "optimizer.lr=1e-3,2e-3,5e-3,1e-2",
    "mosbach": "optimizer.lr=5e-5,1e-4,2e-4",
    "lora": "optimizer.lr=1e-3,3e-3,1e-2,3e-2",
    "ia3": "optimizer.lr=3e-3,1e-2,3e-2,1e-1",
    "muon": "optimizer.lr=5e-5,1e-4,2e-4,4e-4",
    "noisytune": "noise.intensity=0.05,0.15,0.3,0.6",
    "component_clipping": "optimizer.clip_norm=0.01,0.05,0.1,0.5",
    "swa": "swa.start=0.25,0.5,0.75,0.9",
    "sam": "sam.rho=0.02,0.05,0.1,0.2",
}
"""Key and values of the search, by methods."""


METHODS = (
    *("standard", "bert_adam", "reinit", "longer", "mixout", "llrd", "pretrained_wd", "wd"),
    *("intermediate", "mosbach", "ema", "rdrop", "bitfit", "layernorm", "head_only", "lp_ft"),
    *("adamd", "bert_adam_rescaled", "noisytune", "component_clipping", "swa", "sam", "lora"),
    *("ia3", "muon"),
)


def search_table(folder: Path) -> str:
    """Return validation scores by method and value of its hyperparameter, the best mean bold."""
    rows = []
    for methods, override in SEARCHES.items():
        overrides = [f"task={','.join(TASKS)}", "seed=100", "trainer.evaluations=1"]
        overrides += [f"method={methods}", override]
        cells = complete_cells((folder / "method_rates.jsonl",), "bias_correction", *overrides)
        rows += search_rows(cells, key=override.partition("=")[0])
    titles = (task_title(task, "mini") for task in TASKS)
    return markdown_table(["method", "setting", *titles, "mean", "failed", "at chance"], rows)


def methods_table(folder: Path) -> str:
    """Return the scores of one run of each method, at the values of the mini scale."""
    overrides = ["task=cola_1k", "seed=0"]
    rows = []
    for method in METHODS:
        own = [*overrides, f"method={method}"]
        own += ["intermediate.task=sst2_1k"] if method == "intermediate" else []
        (result,) = complete_cells((folder / "methods.jsonl",), "table2", *own)
        (record,) = result.records
        rows.append([method, f"{result.val[0]:.1f}", f"{result.test[0]:.1f}", str(record.steps)])
    return markdown_table(["method", "val", "test", "steps"], rows)


TABLES: Mapping[str, Callable[[Path], str]] = {"search": search_table, "methods": methods_table}
"""Tables by name."""


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print a table."""
    print_table(
        TABLES,
        argv,
        prog="python -m benchmarks.first_runs",
        description="Print the search of docs/first-runs.md or the first runs of docs/methods.md.",
        runs=Path("results/mini"),
    )


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.first_runs"))
