"""Random command lines and damaged YAML files, and what the command line does with them."""

import contextlib
import errno
import faulthandler
import io
import random
import shutil
import socket
import traceback
from dataclasses import dataclass

from stablebert.cli import arguments, reports, runs, sweeps
from stablebert.cli.main import main
from stablebert.config import files
from stablebert.config.schema import KEYS
from stablebert.config.values import choices_of
from stablebert.errors import ActionableError
from stablebert.grid.executor import GridOutcome
from stablebert.ops import doctor
from tests.config.conftest import CACHES
from tests.helpers.records import make_cell, make_record, store_record

HANG_SECONDS = 600
SWEEP_COMMANDS = ("grid", "report", "select", "prefetch")
KEY_COMMANDS = ("train", "config", "doctor")
SWEEPS = ["bias_correction", "reinit_depth", "table2", "table3", "table6", "small.yaml"]
SMALL_SWEEP = """\
method: grid
command: ["${interpreter}", "-m", stablebert, train, optimizer.lr=1e-3, "${args_no_hyphens}"]
parameters:
  task: {values: [rte, cola]}
  reinit.num_layers: {values: [0, 1]}
  seed: {values: [0, 1]}
  scale: {value: demo}
  optimizer.betas: {value: [0.9, 0.999]}
"""
OPTIONS = {
    "grid": ["--fresh", "--dry-run", "--retry-crashed", "--workers", "--workers-per-gpu"],
    "report": ["--fresh", "--full", "--out", "--analysis", "--margin", "--target"],
    "select": ["--fresh"],
    "collect": ["--from-wandb"],
    "agent": ["--agents", "--count"],
    "dashboard": ["--sweep", "--layers", "--report", "--json"],
}
OPTIONS["grid"] += ["--shard", "--prune", "--missing-of", "--jobs", "--slurm", "--status"]
COMMON_OPTIONS = ["-h", "--help", "--", "-", "--no-such", "-x", "---", "--=", "-1", "--he", "-hh"]
NUMBERS = ["0", "-1", "1_0", "08", "+3", "1e400", "nan", "inf", "-0", "0x10", "1.", "٣", "²", "½"]
NUMBERS += ["²/3", "1/²", "2/1", "1/0", "0.5/٣", "1e-400", "9" * 30, "9" * 5000, "1/" + "9" * 5000]
PATHS = ["~nosuchuser/x", "~", "~/x", "a" * 300, "b/" * 3000, "/dev/null/x", "/dev/full", "loop"]
PATHS += ["/proc/self/mem", ".", "..", "folder", "file", "file/x", "x.csv", "x.parquet", "x.jsonl"]
PATHS += ["pipe", "/dev/full/x.csv", "small.yaml", "\udcff\udcfe", "a\nb", "\x1b[31mred", " ", ""]
LETTERS = "aZ09=+-_.,:;~'\"\\[](){}<>|&$#%@!?* \t\n\r\x1b\x7f\x85é世🙂\u202e\u0301\udcff\u2028²٣"
TOKENS = ["[", "]", "{", "}", ":", "-", "&a", "*a", "!!int", "!!float x", "!!timestamp x", "? "]
TOKENS += ["|", ">", "%", "@", "`", "'", '"', "\t", "\n", "2020-99-99", "~", "<<: 1", "---\n", "#"]
TOKENS += ["[" * 2000, "null", "1", "!!python/object:os.system x", "${x}", "${", "=", "0x", "[a]"]
TOKENS += ["9" * 5000, '"\\ud800"', '"\\0"', "{a: 1}", "1.5", "true", "2020-01-01", "é", "", " "]
RAW = [b"\xff", b"\x00", b"\xed\xa0\x80", b"\xfe\xff", b"\x1b", b"\xc3", b"\xe2\x80\xa8", b"\x85"]
RAW += [token.encode() for token in TOKENS]


class WouldTrainError(ActionableError):
    """The command line is valid, and the run would begin."""


@dataclass(frozen=True)
class Fault:
    """A command line that ended in another way than it should."""

    argv: tuple[str, ...]
    problem: str

    def __str__(self):
        return f"{' '.join(map(ascii, self.argv))[:300]}\n  {self.problem}"


def make_sandbox(folder, patch):
    """Fill a folder with odd files, make it the current one, and keep commands from leaving it.

    Args:
        folder: An empty folder.
        patch: pytest's monkeypatch.
    """
    home = folder / "outer" / "inner" / "home"  # some arguments name folders above
    for name in ("folder", "runs", "results/mini"):
        (home / name).mkdir(parents=True)
    (home / "file").write_text("text")
    (home / "small.yaml").write_text(SMALL_SWEEP)
    (home / "loop").symlink_to("loop")
    store_record(home / "runs", make_record(make_cell()))
    shutil.copytree(files.CONF, home / "conf")

    def refuse(*_, **__):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    def do_not_train(*_, **__):
        raise WouldTrainError("would train")

    patch.chdir(home)
    patch.setenv("HOME", str(home))
    patch.setattr(socket.socket, "connect", refuse)
    patch.setattr(socket, "getaddrinfo", refuse)
    patch.setattr(files, "CONF", home / "conf")
    patch.setattr(reports, "CONF", home / "conf")
    patch.setattr(arguments, "RESULTS", home / "results")
    patch.setattr(runs, "_train", do_not_train)
    patch.setattr(sweeps, "run_grid", lambda *_, **__: GridOutcome())
    patch.setattr(sweeps, "run_pruned_grid", lambda *_, **__: GridOutcome())
    slow = ("torch", "packages")
    patch.setattr(doctor, "CHECKS", [check for check in doctor.CHECKS if check.name not in slow])
    return home


def random_command_lines(command, words, seed):
    """Yield command lines of a command with this many random arguments in all."""
    rng = random.Random(f"{command} {seed}")
    while words > 0:
        count = min(words, rng.choice([1, 1, 2, 3]))
        words -= count
        argv = [_random_word(rng, command) for _ in range(count)]
        if rng.random() < 0.7:
            argv.insert(0, _valid_argument(rng, command))
        yield (command, *argv)


def _valid_argument(rng, command):
    if command in SWEEP_COMMANDS:
        return rng.choice([*SWEEPS, *["small.yaml"] * len(SWEEPS)])
    return {"collect": "out.csv", "agent": "e/p/s", "dashboard": "e/p"}.get(command, "task=rte")


def _random_word(rng, command):
    kind = rng.randrange(6)
    if kind == 0:
        return "".join(rng.choices(LETTERS, k=rng.choice([0, 1, 2, 5, 20, 300])))
    if kind == 1:
        return rng.choice(OPTIONS.get(command, []) + COMMON_OPTIONS)
    if kind == 2:
        option = rng.choice(OPTIONS.get(command, COMMON_OPTIONS))
        return f"{option}={rng.choice(NUMBERS + PATHS)}"
    if kind == 3:
        return rng.choice(NUMBERS + PATHS + SWEEPS)
    key = rng.choice(list(KEYS))
    values = NUMBERS + PATHS + choices_of(key) + ["null", "[", "]", "'", '"', "[a,", "0..3", "3..0"]
    text = f"{key}={rng.choice(values)}"
    return text if kind == 4 else _mutate(rng, text)


def _mutate(rng, text):
    """Replace, insert, delete or repeat a few characters."""
    letters = list(text)
    for _ in range(rng.choice([1, 1, 2, 5])):
        start = rng.randrange(len(letters) + 1)
        end = start + rng.randrange(3)
        letters[start:end] = rng.choice([[], [rng.choice(LETTERS)], letters[start : start + 5] * 2])
    return "".join(letters)


def damaged_files(command, number, seed, home):
    """Yield command lines after damaging a YAML file that the command reads, and repair it."""
    rng = random.Random(f"{command} {seed} files")
    conf = sorted((home / "conf").glob("*.yaml"))
    sweep = home / "small.yaml"
    is_sweep_command = command in SWEEP_COMMANDS
    for i in range(number):
        path = sweep if is_sweep_command and i % 2 else rng.choice(conf)
        content = path.read_bytes()
        path.write_bytes(_damage(rng, content))
        _clear_caches()
        yield (command, str(sweep)) if is_sweep_command else (command, "task=rte", "scale=mini")
        path.write_bytes(content)
    _clear_caches()


def _clear_caches():
    for cached in CACHES:
        cached.cache_clear()


def _damage(rng, content):
    for _ in range(rng.choice([1, 1, 2, 4])):
        start = rng.randrange(len(content) + 1)
        end = start + rng.choice([0, 0, 1, 5, 40])
        content = content[:start] + rng.choice([b"", *RAW]) + content[end:]
    return content


def find_fault(argv):
    """Run a command; return its fault if it raises, shows a traceback, or has another exit status.

    After `HANG_SECONDS` the process ends and prints the stacks of its threads.
    """
    argv = tuple(argument.replace("\0", "") for argument in argv)  # no system passes one
    output = io.StringIO()
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = main(list(argv))
    except SystemExit as stop:  # argparse
        status = stop.code
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/stablebert/" in frame.filename][-1]
        place = f"{ours.filename.rpartition('/stablebert/')[2]}:{ours.lineno}"
        return Fault(argv, f"{place}: {type(error).__name__}: {str(error)[:200]!a}")
    finally:
        faulthandler.cancel_dump_traceback_later()
    if status not in (0, 1, 2):
        return Fault(argv, f"exit status {status!r}")
    if "Traceback" in output.getvalue():
        return Fault(argv, output.getvalue()[-500:])
    return None
