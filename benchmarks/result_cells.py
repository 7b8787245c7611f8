"""Cells of docs/results.md: runs of DistilBERT on real GLUE, from their committed records."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from stablebert.config.sweep import read_sweep
from stablebert.report.expected import expected_cells
from stablebert.report.join import CellResult, join_records
from stablebert.runs.identities import Identities
from stablebert.runs.record import RunRecord, parse_record

FILES = (
    *("rate", "reinit_depth", "bias_correction", "rate_optimizer", "best_rates", "table1"),
    *("reinit_longer", "position"),
)
TASKS = ("cola_1k", "stsb_1k", "sst2_1k")
"""Tasks that `standard` learns."""
DROPPED = ("rte_1k", "mrpc_1k")
"""Tasks on which `standard` stays at chance."""
PAIR = ("cola_1k", "stsb_1k")
"""Tasks of the comparison of optimizers."""
SELECTION = "seed=100..102"
"""Seeds of all choices, which no other table reports."""
RATE = "optimizer.lr=1e-4"
RATES = "optimizer.lr=1.25e-5,2.5e-5,5e-5,1e-4,2e-4,4e-4"
OPTIMIZER_RATES = "optimizer.lr=6.25e-6,1.25e-5,2.5e-5,5e-5,1e-4,2e-4,4e-4"
DEPTHS = {"cola_1k": 1, "stsb_1k": 2, "sst2_1k": 2}
"""Numbers of re-initialized layers that validation selected."""
BEST_RATES = {"cola_1k": "1.25e-5", "stsb_1k": "2.5e-5"}
"""Rates of BERTAdam that validation selected on seeds 0 to 4; that of `standard` is 1e-4."""
NEW_SEEDS = {"cola_1k": "seed=5..19", "stsb_1k": "seed=5..13"}
"""Seeds on which the selected rates of the optimizers are compared."""
LONGER_SEEDS = "seed=0..9"
"""Seeds of `standard` and of Re-init with 800 steps."""
CONTROL_SEEDS = "seed=0..5"
"""Seeds of `standard` with 800 steps on the CPU."""
POSITION_SEEDS = "seed=5..13"
"""Seeds of Re-init of top and of middle layers, and of `standard`, on the CPU."""
SKIP = "reinit.skip=2"
"""Setting of Re-init that keeps the two top layers."""
CONTROL = ("stsb_1k",)
"""Tasks on which `standard` has 800 steps on the CPU, too."""
CPU = "trainer.precision=bf16-mixed"
"""Setting of the runs on a CPU; those on the GPU have 16-mixed precision."""
LONGER = ("method=standard", "length=longer", RATE)


def fixed_rate_cells(folder: Path) -> list[CellResult]:
    """Return BERTAdam and Adam at the rate of `standard`."""
    return plain_cells(folder, "bias_correction", TASKS, "seed=0..49", RATE)


def standard_cells(folder: Path, seeds: str) -> list[CellResult]:
    """Return `standard` with three epochs and some of its seeds."""
    return plain_cells(folder, "bias_correction", TASKS, "method=standard", seeds, RATE)


def reinit_cells(folder: Path, seeds: str = "seed=0..19") -> list[CellResult]:
    """Return Re-init with three epochs, each task at its own depth."""
    return [x for task in TASKS for x in _reinit(folder, task, "length=3epochs", seeds)]


def longer_cells(folder: Path) -> list[CellResult]:
    """Return `standard` with 800 steps."""
    return plain_cells(folder, "table1", TASKS, *LONGER, LONGER_SEEDS)


def machine_pairs(folder: Path) -> list[tuple[CellResult, CellResult]]:
    """Return runs of `standard` on the GPU and on a CPU with the same seeds, by task and length."""
    pairs: list[tuple[CellResult, CellResult]] = []
    for task, seeds in NEW_SEEDS.items():
        pairs += _on_both(folder, "bias_correction", [task], "method=standard", RATE, seeds)
    return pairs + _on_both(folder, "table1", CONTROL, *LONGER, CONTROL_SEEDS)


def both_remedies(folder: Path) -> list[tuple[CellResult, ...]]:
    """Return `standard` and Re-init with three epochs, then with 800 steps, by task.

    All four have the same seeds.
    """
    three_epochs = standard_cells(folder, LONGER_SEEDS), reinit_cells(folder, LONGER_SEEDS)
    longer = longer_cells(folder), reinit_longer_cells(folder)
    return list(zip(*three_epochs, *longer, strict=True))


def control_pairs(folder: Path) -> list[tuple[CellResult, CellResult]]:
    """Return `standard` and Re-init with 800 steps, both on the CPU, by task."""
    standard = plain_cells(folder, "table1", CONTROL, *LONGER, CONTROL_SEEDS, CPU)
    return list(zip(standard, reinit_longer_cells(folder, CONTROL, CONTROL_SEEDS), strict=True))


def reinit_longer_cells(
    folder: Path, tasks: Iterable[str] = TASKS, seeds: str = LONGER_SEEDS
) -> list[CellResult]:
    """Return Re-init with 800 steps, on the CPU."""
    overrides = ("length=longer", seeds, CPU)
    return [x for task in tasks for x in _reinit(folder, task, *overrides)]


def position_cells(folder: Path) -> list[tuple[CellResult, ...]]:
    """Return `standard`, and Re-init of top and of middle layers, on the CPU, by task."""
    fixed = ("length=3epochs", POSITION_SEEDS, CPU)
    arms = [plain_cells(folder, "table1", TASKS, "method=standard", RATE, *fixed)]
    for skip in ([], [SKIP]):
        arms.append([x for task in TASKS for x in _reinit(folder, task, *fixed, *skip)])
    return list(zip(*arms, strict=True))


def _on_both(
    folder: Path, sweep: str, tasks: Iterable[str], *overrides: str
) -> list[tuple[CellResult, CellResult]]:
    gpu, cpu = (plain_cells(folder, sweep, tasks, *overrides, *own) for own in ([], [CPU]))
    return list(zip(gpu, cpu, strict=True))


def _reinit(folder: Path, task: str, *overrides: str) -> list[CellResult]:
    fixed = ("method=reinit", RATE, f"reinit.num_layers={DEPTHS[task]}")
    return plain_cells(folder, "table1", [task], *fixed, *overrides)


def optimizer_cells(folder: Path, *overrides: str) -> list[CellResult]:
    """Return optimizers at all their learning rates."""
    return select_cells(folder, "rate_optimizer", PAIR, *overrides, "seed=0..4", OPTIMIZER_RATES)


def best_rate_cells(folder: Path) -> list[CellResult]:
    """Return BERTAdam and Adam, each at the best of its rates, on seeds that selected nothing."""
    cells: list[CellResult] = []
    for task, rate in BEST_RATES.items():
        fixed = (CPU, NEW_SEEDS[task])
        for override in (f"method=bert_adam optimizer.lr={rate}", f"method=standard {RATE}"):
            cells += plain_cells(folder, "bias_correction", [task], *override.split(), *fixed)
    return cells


def plain_cells(
    folder: Path, sweep: str, tasks: Iterable[str], *overrides: str
) -> list[CellResult]:
    """Return cells whose names are their method and length, whatever their overrides."""
    return unlabeled(select_cells(folder, sweep, tasks, *overrides))


def unlabeled(cells: Iterable[CellResult]) -> list[CellResult]:
    """Return cells without the overrides that tables would show next to their names."""
    return [replace(result, cell=replace(result.cell, params={})) for result in cells]


def select_cells(
    folder: Path, sweep: str, tasks: Iterable[str], *overrides: str
) -> list[CellResult]:
    """Return cells of a narrowed sweep with their runs.

    Raises:
        SystemExit: If a run is missing.
    """
    files = tuple(folder / "mini" / f"{name}.jsonl" for name in FILES)
    return complete_cells(files, sweep, f"task={','.join(tasks)}", *overrides)


def complete_cells(files: tuple[Path, ...], sweep: str, *overrides: str) -> list[CellResult]:
    """Return cells of a narrowed sweep at the mini scale with the runs of some files.

    Args:
        files: Records, which identify one model and one data set per task.
        sweep: Name of the sweep.
        overrides: Arguments that narrow it.

    Raises:
        SystemExit: If a run is missing.
    """
    records, identities = load_records(files)
    fixed = ("scale=mini", "data.source=GLUE", "model.name=MODEL")
    cells = expected_cells(read_sweep(sweep).narrow([*fixed, *overrides]), identities)
    results = join_records(cells, records).results
    if missing := [f"{x.cell.task} {x.cell.method}" for x in results if not x.is_complete]:
        text = f"runs missing in {', '.join(map(str, files))}: {', '.join(missing)}"
        raise SystemExit(f"{sweep} {' '.join(overrides)}: {text}")
    return results


@cache
def load_records(files: tuple[Path, ...]) -> tuple[list[RunRecord], Identities]:
    """Return the records of some files, and what they identify."""
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    records = [parse_record(line) for line in lines]
    return records, Identities(records)
