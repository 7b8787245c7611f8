"""The command line: `stablebert COMMAND KEY=VALUE...`. It answers without loading torch."""

import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version

from stablebert.config import ConfigError, compose, knobs, names, takes, to_yaml
from stablebert.glue.sources import DataError
from stablebert.hub import HubError
from stablebert.locate import locate
from stablebert.results import RESULT, RecordError, read_record, summary

CHOICES = ("task", "method", "length", "scale")
EXAMPLES = """\
  stablebert train task=rte method=reinit seed=3
  stablebert train task=mrpc length=longer optimizer.lr=1e-4
  stablebert config scale=paper task=cola method=bert_adam"""


def train(overrides: Sequence[str]) -> int:
    """Fine-tune once: one configuration, one seed."""
    cfg = compose(overrides)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        run = locate(cfg)
        record = None if cfg.force else read_record(run.folder)
        if record:
            print("done already; force=true runs it again")
        else:
            from stablebert.train import train as fit  # torch: only where there is work for it

            record = fit(run)
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning turns Ctrl-C into exit(1), and SIGTERM into an exit that looks like success
        by_hand = KeyboardInterrupt in (type(stop), type(stop.__context__))
        print("stopped: nothing recorded; the same command starts over", file=sys.stderr)
        return 130 if by_hand else 143
    except (DataError, HubError, RecordError) as error:
        print(f"stablebert train: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        traceback.print_exc()
        print(f"stablebert train: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(summary(record))
    print(run.folder / RESULT)
    return 0


def config(overrides: Sequence[str]) -> int:
    """Print the resolved configuration as YAML."""
    print(to_yaml(compose(overrides)), end="")
    return 0


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"train": train, "config": config}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 2 when the words make no sense."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if command in ("-h", "--help", "help"):
        print(overview())
        return 0
    if command in ("-V", "--version"):
        print(f"stablebert {_version()}")
        return 0
    if command not in COMMANDS:
        near = get_close_matches(command, COMMANDS, n=1)
        problem = f"{command} is not a command; the commands are {', '.join(COMMANDS)}"
        problem += f"; did you mean {near[0]}?" if near else ""
        print(problem if command else overview(), file=sys.stderr)
        return 2
    if {"-h", "--help"}.intersection(rest):
        print(usage(command))
        return 0
    try:
        return COMMANDS[command](rest)
    except ConfigError as error:
        for problem in error.problems:
            print(f"stablebert {command}: {problem}", file=sys.stderr)
        return 2


def overview() -> str:
    """The text of `stablebert --help`."""
    commands = "\n".join(f"  {name:8}{_first_line(run)}" for name, run in COMMANDS.items())
    choices = "\n".join(f"  {key:8}{' '.join(names(key))}" for key in CHOICES)
    return f"""\
usage: stablebert COMMAND KEY=VALUE...
       stablebert --help | --version

Few-sample BERT fine-tuning, after Zhang et al. (ICLR 2021).

commands (COMMAND --help lists every key):
{commands}

the keys that choose:
{choices}

examples:
{EXAMPLES}"""


def usage(command: str) -> str:
    """The text of `stablebert COMMAND --help`: every key, what it takes, its default, its use."""
    lines = [
        f"usage: stablebert {command} KEY=VALUE...",
        "",
        _first_line(COMMANDS[command]),
        "Defaults are base.yaml's: a task, method, length or scale may set another value.",
        f"`stablebert config {' '.join(f'{key}=...' for key in CHOICES)}` shows what holds.",
        "",
    ]
    for key, default, comment in knobs():
        lines += [f"{key}={_typed(default)}", f"    {comment}", f"    takes {takes(key)}"]
    return "\n".join(lines)


def _typed(default: object) -> str:
    """A default as one would type it."""
    if default is None:
        return "null"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _first_line(run: Callable[[Sequence[str]], int]) -> str:
    return (run.__doc__ or "").partition("\n")[0]


def _version() -> str:
    try:
        return version("stablebert")
    except PackageNotFoundError:
        return "(not installed)"
