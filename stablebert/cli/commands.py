"""The table of commands. A command's module is imported only when the command runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the command line.

    Attributes:
        name: Name of the command, and, with _ for -, of the function in its module.
        module: Module of `stablebert.cli`.
        summary: Its line in `stablebert --help`.
        takes_only_keys: Whether all of its arguments are `KEY=VALUE`.
        advice_after_stop: What to do after a signal has stopped it.
    """

    name: str
    module: str
    summary: str
    takes_only_keys: bool = False
    advice_after_stop: str = ""

    def load(self) -> Callable[[Sequence[str]], int]:
        """Import the function, which takes the arguments and returns the exit status."""
        function: Callable[[Sequence[str]], int] = getattr(
            import_module(f"stablebert.cli.{self.module}"), self.name.replace("-", "_")
        )
        return function


_ALL = [
    Command("train", "runs", "Train one run: one configuration, one seed.", takes_only_keys=True,
            advice_after_stop="rerun the command to start over, or to resume from its checkpoint"),
    Command("grid", "sweeps", "Train the missing runs of a sweep: SWEEP KEY=VALUES...",
            advice_after_stop="finished runs are kept; rerun the command to resume"),
    Command("report", "reports", "Print a sweep's table; write Markdown, CSV and LaTeX."),
    Command("show", "show", "Show one run (scores, curves, errors), or compare two: RUN vs RUN."),
    Command("soup", "soups", "Average the weights of a sweep's runs, and test the result.",
            advice_after_stop="finished soups are kept; rerun the command to resume"),
    Command("select", "reports", "Write the best settings of a search to conf/selected.yaml."),
    Command("collect", "reports", "Write all records to one FILE (.csv, .parquet, .jsonl)."),
    Command("agent", "wandb", "Start agents of a W&B sweep, one per GPU.",
            advice_after_stop="W&B assigns its runs again; rerun the command to resume"),
    Command("dashboard", "wandb", "Create or update a W&B workspace, and one report per table."),
    Command("prefetch", "sweeps", "Download what a sweep needs on machines without a network."),
    Command("doctor", "machine", "Check that runs work on this machine; say how to fix problems.",
            takes_only_keys=True),
    Command("init-task", "init_task", "Guess the entry of your own task from a FOLDER of files."),
    Command("config", "runs", "Print the resolved configuration as YAML.", takes_only_keys=True),
]  # fmt: skip
COMMANDS = {command.name: command for command in _ALL}
