"""Damage to the files of a study: its records, early scores and selected settings."""

import json
import os
import random
import shutil
from dataclasses import dataclass

import yaml

from stablebert.runs.files import CONFIG, CRASH, HISTORY, RESULT
from stablebert.runs.record import serialize_record
from tests.helpers.damage import VALUES
from tests.helpers.edits import edit_randomly
from tests.helpers.runs import make_run_record
from tests.helpers.study import COMMITTED_SEED

NAMES = ["seed0.bak", "seed00", "seed0 (copy)", "SEED0", "init0-data0", "seed-0", "old", ".hidden"]
"""Names of folders that are not the folder of any run."""


@dataclass(frozen=True)
class Damage:
    """Damage to the records of a study.

    Attributes:
        text: Description.
        place: Text by which messages must name the damaged file.
        lost_keys: Keys of the runs whose record must not be used.
        is_reported: Whether there is something that commands must report.
    """

    text: str
    place: str
    lost_keys: frozenset
    is_reported: bool = True


def damage_records(study, number):
    """Damage the files of a study in a way that the number determines, and describe it."""
    rng = random.Random(number)
    kinds = {
        **{edit_result: 6, edit_committed: 4, move_value: 3, rename_field: 2, swap_records: 2},
        **{copy_folder: 2, move_folder: 2, link_folder: 2, link_record: 1, replace_record: 2},
        **{repeat_line: 1, edit_other_file: 3},
    }
    return rng.choices(list(kinds), list(kinds.values()))[0](study, rng)


def edit_result(study, rng):
    """Edit the text of a result.json at random."""
    run = _stored_run(study, rng)
    file = run.folder / RESULT
    text = edit_randomly(file.read_bytes(), rng.randrange(10**6))
    file.write_bytes(text)
    return _damage_of_texts(study, file, [run.key], [text])


def edit_committed(study, rng):
    """Edit the text of the committed records at random."""
    file = study.committed
    file.write_bytes(edit_randomly(file.read_bytes(), rng.randrange(10**6)))
    keys = [key for key, run in study.runs.items() if run.cfg.seed == COMMITTED_SEED]
    lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    return _damage_of_texts(study, file, keys, lines)


def _damage_of_texts(study, file, keys, texts):
    """Return the damage of a file of records: which of them it no longer has."""
    originals = {key: json.dumps(serialize_record(study.records[key])) for key in keys}
    lost_keys = {key for key, x in originals.items() if not any(_is_same(x, t) for t in texts)}
    is_reported = not all(any(_is_same(x, t) for x in originals.values()) for t in texts)
    return Damage(f"{file.name} edited", str(file), frozenset(lost_keys), is_reported)


def _is_same(original, text):
    """Return whether a JSON object has the values of another, and its digest or none."""
    expected, values = _values(original), _values(text)
    if values is None:
        return False
    digests = (None, expected.pop("digest"))
    return values.pop("digest", None) in digests and repr(values) == repr(expected)


def _values(text):
    """Return the values of a JSON object in one spelling and order; None if it is not one."""

    def unique(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(sorted(pairs))

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_int=lambda x: float(x) + 0.0)
        return {key: x for key, x in data.items() if x is not None}
    except (ValueError, AttributeError, RecursionError):
        return None


def move_value(study, rng):
    """Give a record one value of another record."""
    run, other = _two_stored_runs(study, rng)
    content, donor = (json.loads((r.folder / RESULT).read_text()) for r in (run, other))
    field = rng.choice([name for name in content if content[name] != donor[name]])
    content[field] = donor[field]
    (run.folder / RESULT).write_text(json.dumps(content))
    return _damage(f"{field} of another run", run)


def rename_field(study, rng):
    """Rename, drop or add a field."""
    run = _stored_run(study, rng)
    content = json.loads((run.folder / RESULT).read_text())
    field = rng.choice([name for name in content if content[name] is not None])
    value = content[field] if rng.random() < 0.3 else content.pop(field)
    content |= {rng.choice([field.upper(), f"{field} ", "", "lucky", f"{field}_"]): value}
    (run.folder / RESULT).write_text(json.dumps(content))
    return _damage(f"{field} renamed", run)


def swap_records(study, rng):
    """Swap the records of two runs."""
    run, other = _two_stored_runs(study, rng)
    spare = study.home / "spare"
    (run.folder / RESULT).rename(spare)
    (other.folder / RESULT).rename(run.folder / RESULT)
    spare.rename(other.folder / RESULT)
    return _damage("swapped", run, other)


def copy_folder(study, rng):
    """Copy the folder of a run to that of another, which has run or not."""
    run, other = _two_stored_runs(study, rng)
    if rng.random() < 0.5:
        shutil.rmtree(other.folder)
        shutil.copytree(run.folder, other.folder)
        return _damage("replaced by a copy", other)
    target = other.folder.with_name(rng.choice(["seed7", *NAMES]))
    shutil.copytree(run.folder, target)
    return Damage(f"copied to {target.name}", str(target / RESULT), frozenset())


def move_folder(study, rng):
    """Rename the folder of a run, or that of a cell."""
    run = _stored_run(study, rng)
    if rng.random() < 0.5:
        target = run.folder.with_name(rng.choice(NAMES))
        run.folder.rename(target)
        return Damage(f"moved to {target.name}", str(target / RESULT), frozenset([run.key]))
    target = run.folder.parent.with_name("0123456789")
    run.folder.parent.rename(target)
    keys = [key for key in study.runs if key[0] == run.config_id and key[1].init != COMMITTED_SEED]
    return Damage("cell moved", str(target / "seed0" / RESULT), frozenset(keys))


def link_folder(study, rng):
    """Replace the folder of a run by a link to that of another run of the cell."""
    run = _stored_run(study, rng)
    (other,) = (r for r in study.runs.values() if _is_neighbor(r, run))
    shutil.rmtree(run.folder)
    run.folder.symlink_to(rng.choice([other.folder.name, other.folder.resolve()]))
    return Damage("link to another run", str(run.folder), frozenset([run.key]), is_reported=False)


def _is_neighbor(one, other):
    is_stored = one.cfg.seed != COMMITTED_SEED
    return one.config_id == other.config_id and one.key != other.key and is_stored


def link_record(study, rng):
    """Replace a record by a link to that of another run, to nothing, or to itself."""
    run, other = _two_stored_runs(study, rng)
    file = run.folder / RESULT
    file.unlink()
    file.symlink_to(rng.choice([other.folder.resolve() / RESULT, "absent", RESULT]))
    return _damage(f"link to {os.readlink(file)}", run)


def replace_record(study, rng):
    """Put something else in the place of a record."""
    run = _stored_run(study, rng)
    file = run.folder / RESULT
    content = rng.choice([b"", b"\0" * 2000, b"<!DOCTYPE html>", b"[]", b"null", "mkdir", "mkfifo"])
    file.unlink()
    if isinstance(content, str):
        getattr(os, content)(file)
    else:
        file.write_bytes(content)
    return _damage(f"replaced: {content[:20]!r}", run)


def repeat_line(study, rng):
    """Commit the record of a run that is also stored, or one that differs from it."""
    run = _stored_run(study, rng)
    differs = rng.random() < 0.7
    score = 0.1 if differs else study.records[run.key].test_at_best
    record = make_run_record(run, score, model=run.model_identity)
    with study.committed.open("a") as file:
        file.write(json.dumps(serialize_record(record)) + "\n")
    return Damage("repeated", f"{study.committed}:5", frozenset(), is_reported=differs)


def edit_other_file(study, rng):
    """Damage a file of a run from which no command takes a number."""
    run = _stored_run(study, rng)
    file = run.folder / rng.choice([HISTORY, CONFIG, CRASH])
    content = file.read_bytes() if file.exists() else b'{"error": "ValueError", "step": 3}'
    file.write_bytes(_edit_bytes(content, rng))
    return Damage(f"{file.name} edited", str(file), frozenset(), is_reported=False)


def _edit_bytes(content, rng):
    """Cut a text off, or remove or insert a few bytes."""
    at = rng.randrange(len(content))
    rest = content[at + rng.choice([0, 1, 5]) :]
    return content[:at] + rng.choice([b"", rest, b"\0" + rest, b"\xff" + rest, b"}\n" + rest])


def _damage(text, *runs):
    keys = frozenset(run.key for run in runs)
    return Damage(f"{runs[0].folder.name}: {text}", str(runs[0].folder / RESULT), keys)


def _stored_run(study, rng):
    """Return a run whose record is a file of its own."""
    return rng.choice([run for run in study.runs.values() if run.cfg.seed != COMMITTED_SEED])


def _two_stored_runs(study, rng):
    return rng.sample([run for run in study.runs.values() if run.cfg.seed != COMMITTED_SEED], 2)


def damage_early_score(study, number):
    """Damage the stored early scores of a study, and describe it."""
    rng = random.Random(number)
    run, other = _two_stored_runs(study, rng)
    file, other_file = (study.store_early_score(r) for r in (run, other))
    content = file.read_bytes()
    kind = rng.choice(["edited", "edited", "edited", "swapped", "copied", "link", "empty", "pipe"])
    file.unlink()
    if kind == "edited":
        file.write_bytes(edit_randomly(content, rng.randrange(10**6)))
    elif kind == "link":
        file.symlink_to(other_file.resolve())
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.write_bytes(b"" if kind == "empty" else other_file.read_bytes())
    if kind == "swapped":
        other_file.write_bytes(content)
    is_reported = kind != "edited" or not _is_same(content, file.read_bytes())
    return Damage(f"{run.folder.name}: {kind}", str(file), frozenset(), is_reported)


def damage_selection(study, number):
    """Damage the file of selected settings, and describe it."""
    rng = random.Random(number)
    file = study.home / "conf/selected.yaml"
    if rng.random() < 0.2:
        file.write_bytes(_edit_bytes(file.read_bytes(), rng))
        study.reread_settings()
        return "edited"
    content = yaml.safe_load(file.read_text())
    place, path = content, ["demo"]
    if rng.random() < 0.8:  # an entry that the commands use
        place, path = content["demo"], ["demo", rng.choice(["rte", "cola"])]
    while isinstance(place[path[-1]], dict) and place[path[-1]] and rng.random() < 0.85:
        place = place[path[-1]]
        path.append(rng.choice(sorted(place)))
    kind = rng.choice(["removed", "renamed", "replaced", "replaced", "in a list"])
    value = place.pop(path[-1])
    if kind == "renamed":
        place[rng.choice(["x", 1, "", "provenance", "per_length", "rte", "reinit"])] = value
    elif kind != "removed":
        place[path[-1]] = [value] if kind == "in a list" else rng.choice([*VALUES, "3..x", "0/"])
    file.write_text(yaml.safe_dump(content))
    study.reread_settings()
    return f"{'.'.join(map(str, path))} {kind}: {place.get(path[-1])!r:.50}"
