"""Progress of a grid: bars on a terminal, lines elsewhere."""

import sys
from collections.abc import Callable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from stablebert.report.run_summary import describe_status
from stablebert.runs.early_score import EarlyScore
from stablebert.runs.record import RunRecord
from stablebert.text import escape_controls


class Display:
    """Progress of a grid: one bar per worker and one for all runs if stdout is a terminal.

    Args:
        total: Number of jobs.
        say: Function that prints a line.
    """

    def __init__(self, total: int, say: Callable[[str], None]):
        self.total = total
        self._say: Callable[[str], None] = lambda line: say(escape_controls(line, keep="\n"))
        self._bars: Progress | None = None
        self._rows: dict[int, TaskID] = {}
        if sys.stdout.isatty():
            title = TextColumn("{task.description}", markup=False)
            note = TextColumn("{task.fields[note]}", markup=False)
            self._bars = Progress(title, BarColumn(), MofNCompleteColumn(), note)
            self._bars.start()
            self._all = self._bars.add_task("all runs", total=total, note="")

    def add_worker(self, number: int) -> None:
        """Show a new worker, in place of an older one with its number."""
        if self._bars:
            if number in self._rows:
                self._bars.remove_task(self._rows[number])
            row = self._bars.add_task(f"worker {number}", total=None, note="starting")
            self._rows[number] = row

    def start(self, number: int, name: str) -> None:
        """Show that a worker starts a run."""
        if self._bars:
            self._bars.update(
                self._rows[number],
                description=f"worker {number}: {name}",
                completed=0,
                total=None,
                note="",
            )

    def advance(self, number: int, step: int, total: int) -> None:
        """Show the optimizer step of a worker's run."""
        if self._bars:
            self._bars.update(self._rows[number], completed=step, total=total, note="")

    def end(self, name: str, result: str, *, completed: int, remaining: str) -> None:
        """Show the result of a run, how many have ended, and the remaining time."""
        if self._bars:
            self._bars.update(self._all, completed=completed, note=f"left {remaining}")
            line = escape_controls(f"{name}: {result}", keep="\n")
            self._bars.console.print(line, highlight=False, markup=False)
        else:
            self._say(f"[{completed}/{self.total}] {name}: {result}; left {remaining}")

    def say(self, line: str) -> None:
        """Print a line."""
        self._say(line)

    def close(self) -> None:
        """Remove the bars."""
        if self._bars:
            self._bars.stop()


def describe_result(result: RunRecord | EarlyScore, seconds: float | None) -> str:
    """Describe the result of a job in a few words.

    Args:
        result: The record of the run, or its early score.
        seconds: Wall time of the job; None if another process did it.
    """
    duration = f"{seconds:.0f} s" if seconds is not None else "elsewhere"
    if isinstance(result, EarlyScore):
        score = f"val {100 * result.val_score:.1f} at step {result.step} of {result.steps}"
        return f"{score} ({duration})"
    score = f"val {100 * result.val_best:.1f} test {100 * result.test_at_best:.1f}"
    return f"{score} ({describe_status(result)}, {duration})"
