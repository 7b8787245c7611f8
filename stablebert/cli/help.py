"""The texts of `stablebert --help` and `stablebert COMMAND --help`."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from stablebert.cli.commands import COMMANDS, Command
from stablebert.cli.own_tasks import TASKS_OPTION
from stablebert.cli.streams import print_errors
from stablebert.config.compose import compose
from stablebert.config.files import documented_keys
from stablebert.config.merge import SELECTORS
from stablebert.config.serialize import flat_values, format_value
from stablebert.config.values import choices_of, describe_allowed_overrides
from stablebert.errors import ConfigError

EXAMPLES = """\
  stablebert train task=rte method=reinit seed=3
  stablebert train task=mrpc length=longer optimizer.lr=1e-4
  stablebert config scale=paper task=cola method=bert_adam"""


def describe_program() -> str:
    """Return the text of `stablebert --help`."""
    commands = "\n".join(f"  {name:11}{command.summary}" for name, command in COMMANDS.items())
    choices = "\n".join(f"  {key:8}{' '.join(choices_of(key))}" for key in SELECTORS)
    return f"""\
usage: stablebert COMMAND KEY=VALUE... [--tasks FILE]
       stablebert --help | --version

Few-sample BERT fine-tuning, after Zhang et al. (ICLR 2021).

commands (see COMMAND --help):
{commands}

main keys and their values:
{choices}

{TASKS_OPTION}

examples:
{EXAMPLES}"""


def describe_keys(command: Command, overrides: Sequence[str]) -> str:
    """Return the text of `stablebert COMMAND KEY=VALUE... --help`.

    Every key is shown with the value that the command would use with these overrides. If they are
    invalid, their problems are printed to stderr and the values are those without overrides.
    """
    try:
        values = flat_values(compose(overrides))
    except ConfigError as error:
        print_errors(f"stablebert {command.name}: {problem}" for problem in error.problems)
        overrides = []
        values = flat_values(compose([]))
    line = " ".join(["stablebert", command.name, *overrides])
    lines = [
        f"usage: stablebert {command.name} KEY=VALUE...",
        "",
        command.summary,
        f"All keys, with the values that `{line}` uses.",
        "To see the values for other arguments, add these before --help: scale=paper task=mrpc.",
        f"{TASKS_OPTION}.",
        "",
    ]
    for key, comment in documented_keys():
        lines += [f"{key}={format_value(values[key])}", f"    {comment}"]
        lines += [f"    takes {describe_allowed_overrides(key)}"]
    return "\n".join(lines)


def program_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("stablebert")
    except PackageNotFoundError:
        return "(not installed)"
