"""Damaged records: every command names the file, uses the others, and shows no damaged number."""

import os
from functools import partial

import pytest

from stablebert.runs.early_score import read_early_score
from stablebert.runs.files import RESULT
from tests.helpers.campaign import run_campaign
from tests.helpers.record_damage import damage_early_score, damage_records, damage_selection
from tests.helpers.study import COMMITTED_SEED, Study


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Finished search whose runs were never trained."""
    return Study(tmp_path, monkeypatch)


def cases(small, large):
    """Return the numbers of the cases: a few, and all others for the stress tests."""
    return [
        pytest.param(range(small), marks=pytest.mark.slow),
        pytest.param(range(small, large), marks=pytest.mark.stress),
    ]


# ---------------------------------------------------------------- records


@pytest.mark.parametrize("numbers", cases(4, 204))
def test_damaged_records_are_named_and_not_used(study, numbers, capsys):
    run_campaign(capsys, partial(check_damaged_records, study), numbers)


def check_damaged_records(study, number):
    """Damage a study, check every command that reads records, and describe the damage."""
    study.write()
    damage = damage_records(study, number)
    expected = study.reference(damage.lost_keys)  # overwrites the study: damage it again
    study.write()
    assert damage_records(study, number) == damage
    _check_reports(study, damage, expected)
    _check_plan(study, damage)
    _check_selection(study, damage)
    _check_done_runs(study, damage)
    _check_retry(study, damage)
    return f"{number}: {damage.text}, {len(damage.lost_keys)} lost"


def _check_reports(study, damage, expected):
    shown, report, collect = study.read()
    assert report[0] == collect[0] == 0, (damage, report, collect)
    assert shown == expected, damage
    if damage.is_reported:
        place = damage.place.removeprefix(f"{study.home}/")
        table3 = study.command("report", "table3", "--full")
        for text in (report[1], collect[2], table3[1]):
            assert f"skipped: {place}" in text.replace(f"{study.home}/", ""), (damage, text)


def _check_plan(study, damage):
    status, output, _ = study.command("grid", "search.yaml", "--dry-run")
    assert status == 0
    total, lost = len(study.runs), len(damage.lost_keys)
    assert f"{total} runs, {total - lost} done, " in output, (damage, output)


def _check_selection(study, damage):
    selected = study.home / "conf/selected.yaml"
    before = selected.read_bytes()
    status, _, errors = study.command("select", "search.yaml")
    if damage.lost_keys:
        assert status == 1, damage
        assert selected.read_bytes() == before, damage
        assert "missing in" in errors, (damage, errors)
    else:
        assert status == 0, (damage, errors)
        assert selected.read_bytes() != before, damage
    selected.write_bytes(before)
    study.reread_settings()


def _check_done_runs(study, damage):
    for key, run in study.runs.items():
        if run.cfg.seed == COMMITTED_SEED:
            continue
        cfg = run.cfg
        status, output, errors = study.command(
            *("train", f"task={cfg.task}", "method=reinit", f"seed={cfg.seed}", "scale=demo"),
            f"reinit.num_layers={cfg.reinit.num_layers}",
        )
        if key not in damage.lost_keys:
            assert status == 0, (damage, errors)
            assert "done already" in output, damage
        else:
            assert status == 1, (damage, output)
            is_refused = str(run.folder / RESULT) in errors
            assert is_refused or not os.path.lexists(run.folder / RESULT), (damage, errors)
            assert is_refused or "would train" in errors, (damage, errors)


def _check_retry(study, damage):
    """Check that the advice of the messages repairs the study."""
    status, output, errors = study.command("grid", "search.yaml", "--retry-crashed")
    assert status == 0, (damage, output, errors)
    assert study.read()[0]["report"] == study.reference(frozenset())["report"], damage


# ---------------------------------------------------------------- early scores


@pytest.mark.parametrize("numbers", cases(6, 206))
def test_a_damaged_early_score_does_not_decide_which_seeds_are_finished(study, numbers, capsys):
    run_campaign(capsys, partial(check_damaged_early_score, study), numbers)


def check_damaged_early_score(study, number):
    study.write(without=study.runs)
    damage = damage_early_score(study, number)
    status, output, errors = study.command("grid", "search.yaml", "--fresh", "--prune=0.5/1")
    assert status == 0, (damage, errors)
    assert damage.is_reported == (damage.place.removeprefix(f"{study.home}/") in output), damage
    best_keys = {}
    for key, record in sorted(study.records.items(), key=lambda item: item[1].val_best):
        best_keys[record.config_id] = key
    finished_keys = {key for key, run in study.runs.items() if (run.folder / RESULT).exists()}
    assert finished_keys == set(best_keys.values()), (damage, output)
    assert all(read_early_score(run, 0.5) for run in study.runs.values()), damage
    return f"{number}: {damage.text}"


# ---------------------------------------------------------------- selected settings


@pytest.mark.parametrize("numbers", cases(6, 206))
def test_damaged_selected_settings_are_refused_by_name(study, numbers, capsys):
    run_campaign(capsys, partial(check_damaged_selection, study), numbers)


def check_damaged_selection(study, number):
    study.write()
    text = damage_selection(study, number)
    run = ("task=rte", "method=reinit", "scale=demo")
    statuses = []
    for argv in (
        ("config", *run),
        ("train", *run, "reinit.num_layers=1"),
        ("grid", "search.yaml", "--dry-run"),
        ("report", "search.yaml"),
        ("select", "search.yaml"),
        ("config", *run),
    ):
        status, _, errors = study.command(*argv)
        statuses.append(status)
        study.reread_settings()
        assert status in (0, 1, 2), text
        assert status != 2 or "selected.yaml" in errors, (text, argv, errors)
    assert statuses[0] == statuses[-1] or statuses[-2] == 0, (text, statuses)
    return f"{number}: {text}: {statuses}"
