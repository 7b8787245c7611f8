"""The seeds of a run decide its numbers; another process and monitors change none."""

import copy
import subprocess
import sys

import pytest
import torch

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from stablebert.training.module import GlueClassifier
from tests.helpers.lifecycles import train_and_read
from tests.helpers.runs import folder_of, history_of, join_arguments

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def histories(run_defaults, tmp_path_factory):
    """Histories of the same command in this process and in its own, and of another seed."""
    results = {}
    for name, seed in (("here", 0), ("own process", 0), ("another seed", 1)):
        runs = tmp_path_factory.mktemp("runs")
        arguments = join_arguments(
            {
                **run_defaults,
                "task": "rte",
                "method": "reinit",
                "seed": str(seed),
                "paths.runs": str(runs),
                "trainer.max_steps": "10",
                "trainer.threads": "1",
            },
            [],
        )
        torch.manual_seed(len(results))  # whatever was drawn before
        if name == "own process":
            command = [sys.executable, "-m", "stablebert", "train", *arguments]
            child = subprocess.run(command, check=True, capture_output=True, text=True)
            results["output"] = child.stdout.splitlines()
        else:
            train_run(locate(compose(arguments)))
        results[name] = history_of(folder_of(arguments))
    return results


def test_the_same_seed_gives_the_same_bits_in_another_process(histories):
    assert histories["here"] == histories["own process"]


def test_another_seed_has_another_head(histories):
    """docs/pitfalls.md, 12: seed 0 is a seed."""
    first, other = histories["here"][0], histories["another seed"][0]
    assert first["train/loss"] != other["train/loss"]


def test_no_bar_is_drawn_into_a_pipe(histories):
    summary, path = histories["output"]
    assert summary.startswith("rte reinit 3epochs seed 0")
    assert path.endswith("result.json")


def test_monitors_change_no_number(run_arguments, tmp_path):
    blind = ["monitor.bias_ratio=false", "monitor.weight_change=false"]
    watched, unwatched = (
        train_and_read(
            run_arguments("trainer.max_steps=10", f"paths.runs={tmp_path / name}", *more)
        )
        for name, more in (("watched", []), ("unwatched", blind))
    )
    assert watched[0].config_id == unwatched[0].config_id
    losses, same = ([line["train/loss"] for line in history] for _, history in (watched, unwatched))
    assert losses == same
    assert "bias_ratio/all" not in unwatched[1][0]


@pytest.fixture(scope="module")
def compared(run_defaults, tmp_path_factory):
    """Function that trains a run of ten steps, and returns record and history."""
    runs = tmp_path_factory.mktemp("runs")

    def train(name, method, **more):
        own = {"task": "rte", "trainer.threads": 1, "optimizer.lr": 1e-3, "method": method}
        own |= {"trainer.max_steps": 10, "paths.runs": runs / name, **more}
        return train_and_read(join_arguments({**run_defaults, **own}, []))

    return train


def test_comparing_representations_changes_no_bit_of_the_history(compared):
    """Dropout and the order of rows draw random numbers in every step after the first reading."""
    on = {"monitor.representation_change": "true"}
    with_cka, without = compared("on", "reinit", **on), compared("off", "reinit")
    ckas = {k: with_cka[1][-1].pop(k) for k in [*with_cka[1][-1]] if k.startswith("cka")}
    assert ckas.keys() == {
        *("cka/embeddings", "cka/layer_00", "cka/layer_01", "cka_cls/layer_00", "cka_cls/layer_01")
    }
    assert with_cka[1] == without[1]
    assert with_cka[0].config_id == without[0].config_id
    assert with_cka[0].test_at_last == without[0].test_at_last


def test_packed_and_padded_runs_have_the_same_cka(compared):
    """Mixout turns dropout off, whose masks would differ."""
    more = {"monitor.representation_change": "true", "mixout.p": 1e-12}
    packed, padded = (
        compared(packing, "mixout", **more, **{"trainer.packing": packing})
        for packing in ("packed", "padded")
    )
    ckas = {k: v for k, v in packed[1][-1].items() if k.startswith("cka")}
    assert len(ckas) == 5
    assert min(ckas.values()) < 0.999
    assert {k: padded[1][-1][k] for k in ckas} == pytest.approx(ckas, abs=1e-4)


@pytest.fixture(scope="module")
def draws(run_defaults, tmp_path_factory):
    """Weights, rows and dropout mask of the first step, by `(seed_init, seed_data)`."""
    first_steps, step = {}, GlueClassifier.training_step
    runs = tmp_path_factory.mktemp("runs")

    def watched_step(self, batch, batch_idx):
        weights = [self.model.classifier.weight, self.model.bert.pooler.dense.weight]
        mask = copy.deepcopy(self.masks).dropped_indices(1000, 0.5)
        first_steps[seeds] = {
            "weights": torch.cat([w.detach().flatten() for w in weights]).tolist(),
            "rows": batch.input_ids.tolist(),
            "mask": mask.tolist(),
        }
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GlueClassifier, "training_step", watched_step)
        for seeds in ((0, 0), (0, 1), (1, 0)):
            own = {"seed_init": seeds[0], "seed_data": seeds[1], "method": "reinit"}
            more = {"paths.runs": runs, "trainer.max_steps": 1, "trainer.threads": 1}
            train_run(locate(compose(join_arguments({**run_defaults, **own, **more}, []))))
    return first_steps


@pytest.mark.parametrize(
    ("seeds", "part", "same"),
    [
        ((0, 1), "weights", True),
        ((0, 1), "rows", False),
        ((0, 1), "mask", False),
        ((1, 0), "weights", False),
        ((1, 0), "rows", True),
        ((1, 0), "mask", True),
    ],
)
def test_the_two_seeds_are_separate(draws, seeds, part, same):
    """Appendix B: weights follow seed_init; order and dropout follow seed_data."""
    assert (draws[seeds][part] == draws[0, 0][part]) == same
