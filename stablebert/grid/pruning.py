"""Start many seeds and finish the best: Dodge et al. (2020), section 5. Torch-free.

Every seed of a cell is trained for a fraction of its steps, on the schedule of the whole; those
that validate best by then are finished. They start over, bit by bit the same on one kind of
machine: the state of a BERT-large takes 4 GB a seed, which costs more than a fraction of a run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stablebert.errors import ConfigError
from stablebert.runs.location import Run
from stablebert.runs.peek import read_peek
from stablebert.runs.record import RunRecord


@dataclass(frozen=True)
class Pruning:
    """`--prune F/K`: after the fraction F of training, the K best seeds of a cell go on."""

    fraction: float
    keep: int

    @classmethod
    def parse(cls, text: str) -> "Pruning":
        """Read `0.25/5`.

        Raises:
            ConfigError: not of that form.
        """
        fraction, _, keep = text.partition("/")
        try:
            made = cls(float(fraction), int(keep))
        except ValueError:
            made = cls(0, 0)
        if not (0 < made.fraction < 1 and made.keep >= 1):
            raise ConfigError(
                [f"--prune {text}: takes F/K, such as 0.25/5: after a quarter the 5 best go on"]
            )
        return made

    def survivors(
        self, runs: Iterable[Run], records: Mapping[tuple[str, int, int], RunRecord]
    ) -> list[Run]:
        """The runs of each cell to be finished: the best by their peeks, the earlier of equals.

        Args:
            runs: all that are wanted; those without a peek or record (crashed) take no part.
            records: of those finished already, by configuration and seeds: they take the place of
                one to be kept.
        """
        kept: list[Run] = []
        for cell in by_cell(runs).values():
            done = sum(run.key in records for run in cell)
            seen = [(run, read_peek(run, self.fraction)) for run in cell if run.key not in records]
            ranked = sorted(
                ((run, peek) for run, peek in seen if peek), key=lambda pair: -pair[1].val_score
            )
            kept += [run for run, _ in ranked[: max(0, self.keep - done)]]
        return kept

    def saving(self, runs: Sequence[Run], records: Mapping[tuple[str, int, int], RunRecord]) -> str:
        """What was spent of the steps that all runs would have taken, in words."""
        taken = whole = finished = 0
        for run in runs:
            peek, record = read_peek(run, self.fraction), records.get(run.key)
            whole += record.steps if record else peek.steps if peek else 0
            taken += (record.steps if record else 0) + (peek.step if peek else 0)
            finished += record is not None
        spent = taken / whole if whole else 1
        return (
            f"seed pruning: {len(runs)} seeds started, {finished} finished; {taken} of {whole} "
            f"steps ({1 - spent:.0%} saved; what is looked at and goes on takes its first steps "
            "twice)"
        )


def by_cell(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs by configuration, in order."""
    cells: dict[str, list[Run]] = {}
    for run in runs:
        cells.setdefault(run.config_id, []).append(run)
    return cells
