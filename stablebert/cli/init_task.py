"""The command `init-task`: a tasks file from a folder of data."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from stablebert.cli.arguments import command_parser
from stablebert.config.own_tasks import DEFAULT_FILE
from stablebert.errors import ConfigError
from stablebert.ops.guess_task import GuessError, guess_entry
from stablebert.tasks import TASKS
from stablebert.tasks.entries import read_tasks
from stablebert.text import escape_controls


def init_task(argv: Sequence[str]) -> int:
    """Guess the entry of a task from its files, print ten rows, and write a tasks file."""
    parser = command_parser("init-task")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with the files")
    parser.add_argument("--name", help="name of the task (default: that of the folder)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(DEFAULT_FILE),
        metavar="FILE",
        help=f"tasks file to write (default: {DEFAULT_FILE}); it must not exist",
    )
    options = parser.parse_args(argv)
    folder, out = options.folder, options.out
    if not folder.is_dir():
        raise GuessError(f"{folder} is not a folder")
    if out.exists():
        raise GuessError(f"{out} exists; write to another file with --out FILE, and copy the entry")
    name = options.name or _name_of(folder)
    guess = guess_entry(folder, Path(os.path.relpath(folder, out.parent)).as_posix())
    for row in guess.rows:
        *texts, label = (escape_controls(value) for value in row)
        print(f"{label}\t{' | '.join(texts)}")
    text = guess.to_yaml(name)
    out.write_text(text, encoding="utf-8")
    try:
        read_tasks(out, taken=TASKS.glue)
    except ConfigError:
        out.unlink()
        raise
    print(f"\n{escape_controls(text, keep=chr(10))}")
    print(f"{out}: correct the guesses, then check the rows with")
    option = [] if out == Path(DEFAULT_FILE) else ["--tasks", str(out)]
    print(f"    {shlex.join(['stablebert', 'doctor', f'task={name}', 'scale=mini', *option])}")
    return 0


def _name_of(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name).strip("_-")
    return name if name[:1].isalpha() else f"task_{name}".strip("_")
