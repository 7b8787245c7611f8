"""The runs that arguments name: by folder, by the end of a folder's path, or by configuration."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stablebert.config.compose import compose
from stablebert.config.own_tasks import command_line
from stablebert.config.recognition import describe_recognitions
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import flat_values
from stablebert.errors import ConfigError
from stablebert.filesystem import expand_path, read_bytes
from stablebert.report.histories import load_histories
from stablebert.report.predictions import load_predictions
from stablebert.report.records import ReportError, read_records, record_files
from stablebert.report.show.run import ShownRun, is_run_folder, read_run
from stablebert.runs.files import CONFIG
from stablebert.runs.identities import ContentError, Identities
from stablebert.runs.record import RunRecord, parse_record
from stablebert.runs.run import Run
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of

SEPARATOR = "vs"
"""Argument between two runs."""
_MOST = 10
"""Runs that a message lists."""


def split_arguments(arguments: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each run: a folder, or the `KEY=VALUE` of a configuration.

    Example:
        >>> split_arguments(["runs/a", "runs/b"])
        [['runs/a'], ['runs/b']]
        >>> split_arguments(["task=rte", "seed=1", "vs", "task=rte", "seed=2"])
        [['task=rte', 'seed=1'], ['task=rte', 'seed=2']]

    Raises:
        ConfigError: If they name no run, or more than two.
    """
    runs: list[list[str]] = [[]]
    for argument in arguments:
        if argument == SEPARATOR:
            runs.append([])
        elif runs[-1] and not (_is_setting(argument) and _is_setting(runs[-1][0])):
            runs.append([argument])
        else:
            runs[-1].append(argument)
    if not all(runs) or len(runs) > 2:
        number = len(list(filter(None, runs)))
        raise ConfigError(
            [
                f"{shlex.join(arguments)} names {count_of(number, 'run')}; expected RUN, or two to "
                f"compare: RUN {SEPARATOR} RUN. Each is a folder, or KEY=VALUE arguments"
            ]
        )
    return runs


def _is_setting(argument: str) -> bool:
    return "=" in argument and not os.path.exists(argument)


def find_run(arguments: Sequence[str], committed: Sequence[Path]) -> ShownRun:
    """Find a run and read what is available of it; nothing is downloaded.

    Args:
        arguments: Those of one run, as `split_arguments` returns them.
        committed: Folders of committed records.

    Raises:
        ConfigError: If a configuration is invalid.
        ContentError: If data or model is not available and the records do not identify it.
        ReportError: If there is no such run, or several match.
    """
    if _is_setting(arguments[0]):
        return _find_by_configuration(arguments, committed)
    (text,) = arguments
    path = expand_path("RUN", text)
    folder = path.parent if path.is_file() else path
    if is_run_folder(folder):
        return read_run(folder)
    if folder.is_dir():
        return _find_below(folder, text)
    return _find_by_path_end(text, committed)


def _find_below(folder: Path, text: str) -> ShownRun:
    """Find the only run below a folder; one without a record only if there are no records."""
    records, problems = read_records(folder)
    if records:
        return _show_only(records, [folder], text)
    unfinished = sorted(file.parent for file in folder.rglob(CONFIG) if is_run_folder(file.parent))
    if len(unfinished) == 1:
        return read_run(unfinished[0])
    title = "runs without a record" if unfinished else "no run is in this folder or below it"
    lines = [f"{text}: {title}", *(f"  {place}" for place in [*unfinished, *problems][:_MOST])]
    raise ReportError("\n".join(lines))


def _find_by_path_end(text: str, committed: Sequence[Path]) -> ShownRun:
    """Find the run whose folder, in `runs` or of a committed record, ends in a text."""
    roots = [expand_path("paths.runs", compose([]).paths.runs), *committed]
    records, _ = read_records(*roots)
    end = Path(text).parts
    matches = [record for record in records if record.folder.parts[-len(end) :] == end]
    if not matches and len(end) == 1:
        raise _unknown(text)
    if not matches:
        reason = f"no such folder, and no record in {_join(roots)} belongs to one that ends so"
        raise ReportError(f"{text}: {reason}")
    return _show_only(matches, roots, text)


def _unknown(text: str) -> ConfigError:
    """Return the error of an argument that is neither a folder nor `KEY=VALUE`."""
    try:
        compose([text])
    except ConfigError as error:  # suggests what was meant
        return ConfigError([f"{text}: no such folder; {problem}" for problem in error.problems])
    return ConfigError([f"{text}: no such folder"])


def _find_by_configuration(overrides: Sequence[str], committed: Sequence[Path]) -> ShownRun:
    cfg = compose(overrides)
    roots = [expand_path("paths.runs", cfg.paths.runs), *committed]
    records, problems = read_records(*roots)
    identities = Identities(records, download=False)
    try:
        run = identities.run(cfg)
    except ContentError as error:
        raise ReportError("\n".join([str(error), *_list_alike(records, cfg)])) from error
    if is_run_folder(run.folder):
        found = read_run(run.folder)
    elif matches := [record for record in records if record.key == run.key]:
        found = _show(matches[0], roots, flat_values(cfg))
    else:
        raise _absence(overrides, run, records, roots, problems)
    return replace(
        found, notes=(*found.notes, *describe_recognitions([cfg]), *identities.assumptions)
    )


def _absence(
    overrides: Sequence[str],
    run: Run,
    records: Sequence[RunRecord],
    roots: Sequence[Path],
    problems: Sequence[str],
) -> ReportError:
    """Return the error of a configuration without a run; it names the runs that are most alike."""
    command = command_line("train", *overrides)
    lines = [
        f"{shlex.join(overrides)}: neither {run.folder} nor a record in {_join(roots)}; train it "
        f"with `{command}`"
    ]
    lines += _list_alike(records, run.cfg)
    if damaged := [problem for problem in problems if run.config_id in problem]:
        lines += ["Skipped:", *(f"  {problem}" for problem in damaged)]
    return ReportError("\n".join(lines))


def _list_alike(records: Sequence[RunRecord], cfg: RunConfig) -> list[str]:
    """Return the runs of the same task and method, those of the same seeds if there are any."""
    alike = [r for r in records if (r.scale, r.task, r.method) == (cfg.scale, cfg.task, cfg.method)]
    alike = [r for r in alike if r.seeds == Seeds.of(cfg)] or alike
    title = f"Runs of {cfg.scale} {cfg.task} {cfg.method}:"
    return [title, *_list(alike)] if alike else []


def _show_only(records: Sequence[RunRecord], roots: Sequence[Path], text: str) -> ShownRun:
    """Show the only one of some records.

    Raises:
        ReportError: If there are several, which it lists.
    """
    if len(records) > 1:
        lines = [f"{text}: {count_of(len(records), 'run')}; name one of them:", *_list(records)]
        raise ReportError("\n".join(lines))
    return _show(records[0], roots)


def _show(
    record: RunRecord, roots: Sequence[Path], config: Mapping[str, Any] | None = None
) -> ShownRun:
    """Return the run of a record: from its folder, or, if it is committed, what there is of it."""
    place = _place_of(record, roots)
    if isinstance(place, Path):
        return read_run(place)
    predictions, problems = load_predictions([record], *roots)
    histories, more_problems = load_histories([record], *roots)
    return ShownRun(
        place=place,
        state="finished",
        record=record,
        config=config or {},
        history=histories.get(record.key, {}),
        predictions=predictions.get(record.key, {}),
        notes=("a committed record, without the folder of its run", *problems, *more_problems),
    )


def _place_of(record: RunRecord, roots: Sequence[Path]) -> Path | str:
    """Return the folder of a record, or `file:line`."""
    own = str(record.folder)
    for root in roots:
        for file, has_lines in record_files(root, []):
            if not has_lines:
                if os.path.dirname(file).endswith(own):
                    return Path(file).parent
                continue
            for number, line in enumerate(read_bytes(file).splitlines(), start=1):
                if record.config_id.encode() in line and _is_line_of(record, line):
                    return f"{file}:{number}"
    return ", ".join(map(str, roots))


def _is_line_of(record: RunRecord, line: bytes) -> bool:
    try:
        return parse_record(line).key == record.key
    except ValueError:
        return False


def _list(records: Sequence[RunRecord]) -> list[str]:
    lines = [f"  {record.folder} ({record.length})" for record in records[:_MOST]]
    return lines + [f"  and {len(records) - _MOST} more"] * (len(records) > _MOST)


def _join(roots: Sequence[Path]) -> str:
    return ", ".join(map(str, roots))
