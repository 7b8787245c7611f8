"""Means of the weights of runs: uniform and greedy, and their scores."""

import random
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.glue.metrics import compute_metrics
from stablebert.models.loading import load_model
from stablebert.runs.locate import locate
from stablebert.runs.soup import read_soup
from stablebert.training.build import build_data
from stablebert.training.lifecycle import train_run
from stablebert.training.module import GlueClassifier
from stablebert.training.soup import WeightSum, make_soup, select_greedily
from tests.helpers.runs import SEEDS, join_arguments

# ---------------------------------------------------------------- means


def weights_of(*numbers):
    """Weights of a run: a vector and a number."""
    return [("a", np.float32(numbers[:2])), ("b", np.float32(numbers[2]))]


def as_lists(weights):
    return {name: weight.tolist() for name, weight in weights}


def test_the_mean_is_the_hand_computed_one():
    total = WeightSum()
    for weights in (weights_of(1, 2, 3), weights_of(4, -2, 0), weights_of(1, 0.75, 9)):
        total.add(weights)
    assert as_lists(total.mean()) == {"a": [2, 0.25], "b": 4}


def test_the_mean_with_another_run_leaves_the_sum_alone():
    total = WeightSum()
    total.add(weights_of(1, 2, 3))
    assert as_lists(total.mean_with(weights_of(3, 4, 4))) == {"a": [2, 3], "b": 3.5}
    assert as_lists(total.mean()) == {"a": [1, 2], "b": 3}


def test_the_first_run_alone_is_its_own_mean():
    assert as_lists(WeightSum().mean_with(weights_of(1, 2, 3))) == {"a": [1, 2], "b": 3}


def test_the_mean_of_equal_weights_is_exact():
    weights = [("w", np.random.default_rng(0).normal(size=1000).astype(np.float32))]
    total = WeightSum()
    for _ in range(7):
        total.add(weights)
    ((_, mean),) = total.mean()
    assert mean.dtype == np.float32
    assert np.array_equal(mean, weights[0][1])


def test_sums_are_in_float64():
    total = WeightSum()
    for number in (1e8, 1.0, -1e8):
        total.add([("w", np.float32([number]))])
    ((_, mean),) = total.mean()
    assert mean == pytest.approx(1 / 3)


# ---------------------------------------------------------------- greedy selection


def toy_score(mean):
    """Score of a number: rounded, so that scores tie."""
    return round(-abs(mean - 0.3), 1)


def reference_selection(numbers):
    """Recipe 1 of Wortsman et al., with lists."""
    members = [0]
    for i in range(1, len(numbers)):
        candidates = [numbers[j] for j in [*members, i]]
        if toy_score(sum(candidates) / len(candidates)) >= toy_score(
            sum(numbers[j] for j in members) / len(members)
        ):
            members.append(i)
    return members


@pytest.mark.parametrize("seed", range(40))
def test_greedy_runs_are_those_of_an_independent_implementation(seed):
    numbers = [random.Random(f"{seed} {i}").uniform(-1, 1) for i in range(8)]
    numbers.sort(key=lambda number: -toy_score(number))
    runs = [[("w", np.float32([number]))] for number in numbers]

    def validate(weights):
        ((_, mean),) = weights
        return toy_score(float(mean[0]))

    total, members = select_greedily(runs, validate)
    assert members == reference_selection(numbers)
    ((_, mean),) = total.mean()
    assert mean[0] == pytest.approx(np.mean([numbers[i] for i in members]))


def test_a_run_that_changes_nothing_is_added():
    runs = [[("w", np.float32([1]))]] * 3
    assert select_greedily(runs, lambda weights: 0.5)[1] == [0, 1, 2]


def test_a_run_that_lowers_the_score_is_left_out():
    runs = [[("w", np.float32([x]))] for x in (0.3, 9.0, 0.3)]
    assert select_greedily(runs, lambda weights: toy_score(float(*next(weights)[1])))[1] == [0, 2]


# ---------------------------------------------------------------- tiny runs


@pytest.fixture(scope="module")
def trained(run_defaults, tmp_path_factory):
    """Three trained runs with their weights: a sweep's arguments, runs and records."""
    home = tmp_path_factory.mktemp("soup")
    (home / "seeds.yaml").write_text(SEEDS)
    own = {"paths.runs": str(home / "runs"), "task": "rte", "trainer.max_steps": "20"}
    own |= {"trainer.threads": "1", "optimizer.lr": "1e-3"}
    arguments = join_arguments({**run_defaults, **own}, [])
    keep = [*arguments, "trainer.keep_weights=true"]
    runs = [locate(compose([*keep, f"seed={seed}"])) for seed in range(3)]
    records = [train_run(run) for run in runs]
    sweep = [str(home / "seeds.yaml"), *arguments]
    return SimpleNamespace(home=home, sweep=sweep, runs=runs, records=records)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["standard", "ema", "mixout", "wd", "lora"])
def test_a_soup_of_one_run_scores_what_the_run_scored(run_arguments, method):
    if method == "lora":
        pytest.importorskip("peft")
    changes = ["ema.decay=0.5"] if method == "ema" else []
    run = locate(compose(run_arguments(f"method={method}", "trainer.keep_weights=true", *changes)))
    record = train_run(run)
    soup = make_soup([run, run], [record, record])
    for split in ("val", "test"):
        for kind in ("uniform", "greedy"):
            assert soup.metrics[f"{split}_{kind}"] == record.metrics[f"{split}_at_best"]


@pytest.mark.slow
def test_the_scores_are_those_of_a_model_with_the_mean_weights(trained):
    run = trained.runs[0]
    files = [load_file(run.folder / "weights.safetensors") for run in trained.runs]
    model = load_model(run.model, num_labels=2, seed=9)
    model.load_state_dict({name: sum(file[name] for file in files) / 3 for name in files[0]})
    module = GlueClassifier(model.eval(), metrics=["accuracy"])
    soup = make_soup(trained.runs, trained.records)
    data = build_data(run)
    for split, place in (("val", "val_uniform"), ("test", "test_uniform")):
        batches = list(data.rows_dataloader(split))
        with torch.no_grad():
            logits = torch.cat([module(batch) for batch in batches])
        labels = torch.cat([batch["labels"] for batch in batches])
        assert soup.metrics[place] == compute_metrics(["accuracy"], logits, labels)


@pytest.mark.slow
def test_the_greedy_soup_validates_at_least_as_well_as_the_best_run(trained):
    soup = make_soup(trained.runs, trained.records)
    assert soup.score("val_greedy") >= max(record.val_best for record in trained.records)


@pytest.fixture
def sweep(trained, tmp_path):
    """Arguments of the sweep of a copy of the trained runs."""
    shutil.copytree(trained.home, tmp_path / "copy")
    return [text.replace(str(trained.home), str(tmp_path / "copy")) for text in trained.sweep]


def soups_in(folder):
    return sorted(folder.rglob("soup-*.json"))


@pytest.mark.slow
def test_the_command_stores_a_soup_and_prints_its_table(trained, sweep, tmp_path, capsys):
    assert main(["soup", *sweep]) == 0
    output = capsys.readouterr().out
    assert "1 cell: 0 done, 1 to do, 0 not ready\n[1/1] rte standard 3epochs" in output
    assert "Soups of runs (test score x 100)" in output
    (file,) = soups_in(tmp_path)
    seeds = [run.seeds for run in trained.runs]
    soup = read_soup(file, config_id=trained.runs[0].config_id, seeds=seeds)
    assert soup.inputs == {
        run.folder.name: record.predictions_digest
        for run, record in zip(trained.runs, trained.records, strict=True)
    }


@pytest.mark.slow
def test_a_report_shows_the_soup(sweep, tmp_path, capsys):
    main(["soup", *sweep])
    assert main(["report", *sweep, "--fresh", f"--out={tmp_path}/out", "--analysis=soup"]) == 0
    assert "Soups of runs (validation score x 100)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_finished_soup_is_computed_again_only_if_a_run_has_changed(sweep, tmp_path, capsys):
    main(["soup", *sweep])
    (file,) = soups_in(tmp_path)
    before = file.stat().st_mtime_ns
    assert main(["soup", *sweep]) == 0
    assert file.stat().st_mtime_ns == before
    start = GlueClassifier.on_train_start

    def start_with_other_masks(self):
        self.dropout_seed += 1
        start(self)

    with pytest.MonkeyPatch.context() as patch:  # as rounding may differ on another machine
        patch.setattr(GlueClassifier, "on_train_start", start_with_other_masks)
        train = ["trainer.keep_weights=true", "force=true", "seed=1"]
        assert main(["train", *sweep[1:], *train]) == 0
    assert main(["soup", *sweep]) == 0
    assert file.stat().st_mtime_ns > before


@pytest.mark.slow
def test_runs_without_weights_are_named_with_the_command_that_makes_them(sweep, tmp_path, capsys):
    for seed in (0, 2):
        next(tmp_path.rglob(f"seed{seed}/weights.safetensors")).unlink()
    assert main(["soup", *sweep]) == 1
    message = capsys.readouterr().err
    assert "no weights.safetensors of seeds 0, 2 in " in message
    assert f"`stablebert grid {' '.join(sweep)} trainer.keep_weights=true` trains" in message


@pytest.mark.slow
def test_a_finished_run_without_its_weights_is_trained_again_on_request(sweep, tmp_path, capsys):
    file = next(tmp_path.rglob("seed1/weights.safetensors"))
    before = load_file(file)
    file.unlink()
    arguments = ["train", *sweep[1:], "seed=1"]
    assert main(arguments) == 0
    assert not file.exists()
    assert main([*arguments, "trainer.keep_weights=true"]) == 0
    assert "done already, but without its weights" in capsys.readouterr().out
    after = load_file(file)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.slow
def test_a_damaged_file_is_named(sweep, tmp_path, capsys):
    file = next(tmp_path.rglob("seed1/weights.safetensors"))
    file.write_bytes(file.read_bytes()[:-100])
    assert main(["soup", *sweep]) == 1
    assert f"{file}: missing, truncated or damaged" in capsys.readouterr().err
    assert not soups_in(tmp_path)


@pytest.mark.slow
def test_one_seed_has_no_soup(sweep, capsys):
    assert main(["soup", *sweep, "seed=0"]) == 1
    assert "one seed; the mean of weights takes two or more" in capsys.readouterr().err


@pytest.mark.slow
def test_a_damaged_soup_is_computed_again(sweep, tmp_path, capsys):
    main(["soup", *sweep])
    (file,) = soups_in(tmp_path)
    before = file.read_text()
    file.write_text("{")
    assert main(["soup", *sweep]) == 0
    assert f"computed again: {file}: " in capsys.readouterr().err
    assert len(file.read_text()) == pytest.approx(len(before), abs=5)
