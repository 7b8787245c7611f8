"""Seed pruning: many seeds are started and the best are finished (Dodge et al., 2020, Section 5).

Every seed of a cell is trained for a fraction of its steps, on the schedule of the whole run; those
that validate best are finished. They start over, which gives the same bits on CPUs of one kind:
storing the state of a BERT-large takes 4 GB per seed, which costs more than a fraction of a run.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

from stablebert.errors import ConfigError
from stablebert.grid.executor import GridOutcome, run_grid
from stablebert.runs.early_score import read_early_score
from stablebert.runs.record import Key, RecordError, RunRecord, read_record
from stablebert.runs.run import Job, LocatedRun, Run, early_score_file
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of


@dataclass(frozen=True)
class Pruning:
    """The option `--prune F/K`: after a fraction F of training, finish the K best seeds of a cell.

    Attributes:
        fraction: Fraction of the optimizer steps, between 0 and 1.
        keep: Number of seeds of each cell to finish.
    """

    fraction: float
    keep: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `F/K`, such as `0.25/5`.

        Raises:
            ConfigError: If the text does not have that form.
        """
        match = re.fullmatch(r"([0-9]*\.?[0-9]+)/([0-9]{1,9})", text)
        pruning = cls(float(match[1]), int(match[2])) if match else cls(0, 0)
        if not (0 < pruning.fraction < 1 and pruning.keep >= 1):
            raise ConfigError(
                [
                    f"--prune {text}: expected F/K, such as 0.25/5: after a quarter of the steps, "
                    "finish the 5 best seeds"
                ]
            )
        return pruning

    def survivors(self, runs: Iterable[Run], records: Mapping[Key, RunRecord]) -> list[Run]:
        """Return the runs of each cell to finish: those with the best early scores.

        Of equal scores the earlier run wins. Runs without a score or record have crashed and are
        left out.

        Args:
            runs: All runs of the cells.
            records: Finished runs by key; each takes one of the places.
        """
        survivors: list[Run] = []
        for cell_runs in group_by_cell(runs).values():
            finished_count = sum(run.key in records for run in cell_runs)
            candidates = [run for run in cell_runs if run.key not in records]
            scores = [(run, read_early_score(run, self.fraction)) for run in candidates]
            ranking = sorted(
                ((run, score.val_score) for run, score in scores if score),
                key=lambda pair: -pair[1],
            )
            survivors += [run for run, _ in ranking[: max(0, self.keep - finished_count)]]
        return survivors

    def describe_savings(self, runs: Sequence[Run], records: Mapping[Key, RunRecord]) -> str:
        """Describe how many optimizer steps pruning saved over all runs."""
        steps_taken = total_steps = finished_count = 0
        for run in runs:
            score, record = read_early_score(run, self.fraction), records.get(run.key)
            total_steps += record.steps if record else score.steps if score else 0
            steps_taken += (record.steps if record else 0) + (score.step if score else 0)
            finished_count += record is not None
        share = steps_taken / total_steps if total_steps else 1
        return (
            f"seed pruning: {count_of(len(runs), 'seed')} started, {finished_count} finished; "
            f"{steps_taken} of {total_steps} steps ({1 - share:.0%} saved; seeds that are finished "
            "take their first steps twice)"
        )


def run_pruned_grid(
    runs: Sequence[LocatedRun],
    pruning: Pruning,
    records: Sequence[RunRecord],
    *,
    done: Sequence[Run],
    timing_records: Sequence[RunRecord],
    workers: int,
    gpus: Sequence[str] = (),
    say: Callable[[str], None] = print,
    after_job: Callable[[], None] = lambda: None,
) -> GridOutcome:
    """Validate all seeds of each cell early, then finish the best.

    A finished run that lacks the weights that it is to keep is trained again in any case.

    Args:
        runs: Runs without a record, or without their weights.
        pruning: When to validate, and how many seeds to finish.
        records: Finished runs, of these cells among others.
        done: Runs of the same cells that have a record.
        timing_records: Finished runs, to estimate the remaining time.
        workers: Number of worker processes.
        gpus: Devices, as in `run_grid`.
        say: Function that prints a line.
        after_job: As for `run_grid`.
    """
    execute = partial(
        run_grid,
        workers=workers,
        gpus=gpus,
        timing_records=timing_records,
        say=say,
        after_job=after_job,
    )
    discard_damaged_scores([*done, *runs], pruning.fraction, say)
    records_by_key = {record.key: record for record in records}
    candidates = [run for run in runs if run.key not in records_by_key]
    early_jobs = [Job(run, stop_after=pruning.fraction) for run in candidates]
    first = execute([job for job in early_jobs if not job.is_done])
    records_by_key |= _stored_records(runs)
    keys = {run.key for run in pruning.survivors([*done, *runs], records_by_key)}
    keys |= {run.key for run in runs if run.key in records_by_key and run.lacks_weights}
    survivors = [run for run in runs if run.key in keys]
    say(f"finishing {len(survivors)} of {count_of(len(runs), 'seed')}")
    cells = group_by_cell([*done, *runs])
    jobs = []
    for run in survivors:
        origin = tuple(each.seeds for each in cells[run.config_id])
        if record := records_by_key.get(run.key):  # it was finished for another reason
            origin = tuple(Seeds(*pair) for pair in record.pruned_from or ())
        jobs.append(Job(run, pruned_from=origin))
    second = execute(jobs)
    records_by_key |= _stored_records(survivors)
    say(pruning.describe_savings([*done, *runs], records_by_key))
    return GridOutcome(second.finished, [*first.crashed, *second.crashed])


def _stored_records(runs: Iterable[Run]) -> dict[Key, RunRecord]:
    records: dict[Key, RunRecord] = {}
    for run in runs:
        with suppress(RecordError):  # a crash, which the grid reports
            if record := read_record(run.folder):
                records[run.key] = record
    return records


def discard_damaged_scores(
    runs: Iterable[Run], fraction: float, say: Callable[[str], None] = print
) -> None:
    """Delete early scores that cannot be read, so that their runs are validated again."""
    for run in runs:
        file = early_score_file(run, fraction)
        try:
            read_early_score(run, fraction)
        except RecordError as error:
            file.unlink(missing_ok=True)
            say(f"deleted a damaged early score: {file}: {error.__cause__}")


def group_by_cell(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Group runs by configuration, in order."""
    cells: dict[str, list[Run]] = {}
    for run in runs:
        cells.setdefault(run.config_id, []).append(run)
    return cells
