"""The harness that compares: everyone trains the same batches, and what is measured is written."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from benchmarks import bench, contestants, roofline, table
from stablebert.config.compose import compose
from stablebert.runs.locate import locate

pytest.importorskip("accelerate")
PATHS = {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def words(tiny_glue, tiny_bert, tmp_path, monkeypatch):
    """A configuration on tiny data, also for the children."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, model = f"data.source={tiny_glue}", f"model.name={tiny_bert}"
    return ["scale=mini", data, model, f"paths.runs={tmp_path}/runs"]


@pytest.fixture
def run_bench(tiny_glue, tiny_bert, tmp_path, words):
    def run(*argv):
        out = tmp_path / "out"
        common = ["--data", str(tiny_glue), "--model", str(tiny_bert), "--threads", "1"]
        bench.main([*argv, *common, "--out", str(out)])
        (path,) = out.glob("*.json")
        return table.load(path), (out / "README.md").read_text()

    return run


def test_everyone_takes_turns(run_bench):
    timed = ["--blocks", "2", "--steps", "2", "--warmup", "1"]
    found, shown = run_bench("steps", "--tasks", "rte", *timed)
    everyone = {*bench.KINDS, "hf_tuned_mixed", "ours_mixed"}
    if torch.cuda.is_available():
        everyone |= set(bench.MIXED)
    assert found["mode"] == "steps"
    assert found["machine"]["threads"] == 1
    part = found["tasks"]["rte"]
    assert part["complete"]
    assert part["versions"]["accelerate"]
    assert set(part["contestants"]) == everyone
    for row in part["contestants"].values():
        assert len(row["seconds_per_step"]) == 2
        assert min(row["seconds_per_step"]) > 0
        assert row["peak_memory_bytes"] > 1e6
    batches = part["batches"]
    assert batches["real_tokens"] < batches["padded_to_longest"] < batches["padded_to_max"]
    assert batches["padded_to_max"] == 32 * 128
    assert len(part["rates"]) == 2
    assert all(f"| rte | {name} |" in shown for name in everyone)
    assert part["command"] in shown


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from benchmarks.bench import end_with_parent\n"
        "if __name__ == '__main__':\n"
        "    run = multiprocessing.get_context('spawn').Process\n"
        "    child = run(target=end_with_parent)\n"
        "    child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    child.join()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=os.environ | PATHS
    )
    child = Path("/proc") / parent.stdout.readline().strip()
    parent.kill()
    parent.communicate()
    limit = time.monotonic() + 30
    while child.exists() and " Z " not in (child / "stat").read_text():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_whole_runs_are_written_one_by_one(run_bench):
    short = ["--set", "trainer.max_steps=2", "trainer.evaluations=1"]
    run_bench("runs", "--tasks", "rte", "--contestants", "hf_tuned", *short)
    found, shown = run_bench("runs", "--tasks", "rte", "--contestants", "ours", *short)
    rows = found["tasks"]["rte"]["contestants"]
    assert set(rows) == {"hf_tuned", "ours"}
    assert all(row["seconds"] > 0 for row in rows.values())
    assert "| rte (accuracy) | ours |" in shown


@pytest.mark.parametrize("kind", bench.KINDS)
def test_whole_runs_end_with_comparable_scores(kind, words, tmp_path):
    short = ["trainer.max_steps=11", "trainer.evaluations=2"]
    located = locate(compose(["task=stsb", *words, *short]))
    scores = contestants.CONTESTANTS[kind](contestants.Job(located, False, tmp_path, None))()
    assert scores["evaluations"] == 3  # after 5 and 10 steps and the last
    assert -1 <= scores["test_at_last"] <= 1
    assert -1 <= scores["val_best"] <= 1
    assert (scores["test_at_best"] is None) == kind.startswith("hf")


def test_everyone_has_the_same_batches_in_the_same_order(words, tmp_path):
    """Two epochs, so that the second permutation counts as well."""
    short = ["trainer.epochs=2", "trainer.batch_size=300", "trainer.evaluations=1"]
    located = locate(compose(["task=rte", *words, *short]))
    mine = []

    class Spy(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            rows = batch.input_ids.split(list(batch.lengths))
            mine.append(sorted(row.tolist() for row in rows))

    from stablebert.training.lifecycle import train

    train(located, [Spy()])
    (tmp_path / "work").mkdir()
    job = contestants.Job(located, False, tmp_path / "work", None)
    trainer, _ = contestants.hugging_face(job, padding=False)
    loader = trainer.get_train_dataloader()
    theirs = [
        sorted(
            ids[mask > 0].tolist()
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        )
        for _ in range(2)
        for batch in loader
    ]
    assert theirs == mine


def test_peers_start_from_our_weights(words, tmp_path):
    from stablebert.models.loading import load_model

    job = contestants.Job(locate(compose(["task=rte", *words])), False, tmp_path, None)
    theirs = job.model("eager")
    ours = load_model(job.located.model, num_labels=2, seed=0)
    assert theirs.config._attn_implementation == "eager"
    pairs = zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_operations_of_a_step_by_hand():
    """Hidden 2, intermediate 4, one layer: 4 * 4 + 2 * 8 = 32 weights."""
    batches = [np.array([1, 3]), np.array([2, 2])]
    operations = roofline.step_operations(batches, layers=1, hidden=2, intermediate=4)
    assert operations == 6 * 32 * 4 + 12 * 1 * 2 * (1 + 9 + 4 + 4) / 2


def test_batches_follow_the_order_over_epochs():
    lengths = np.arange(1, 6)
    batches = roofline.batch_lengths(lengths, seed=0, batch_size=2, first=1, count=4)
    assert [len(batch) for batch in batches] == [2, 1, 2, 2]


def test_an_unfinished_measurement_does_not_replace_a_longer_one():
    whole = {"rates": [{}] * 5, "complete": True}
    assert not bench.replaces({"rates": [{}], "complete": False}, whole)
    assert bench.replaces({"rates": [{}] * 2, "complete": True}, whole)
    assert bench.replaces({"rates": [{}], "complete": False}, {})


def test_a_step_of_every_method_is_measured(tiny_glue, tiny_bert, monkeypatch, capsys):
    from benchmarks import methods
    from stablebert.config.values import choices_of

    monkeypatch.setattr(methods, "ROUNDS", 1)
    monkeypatch.setattr(methods, "STEPS", 2)
    monkeypatch.setattr(sys, "argv", ["methods", str(tiny_glue), str(tiny_bert), "cola"])
    methods.main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line[:1] == "|"]
    assert {row[0][2:] for row in rows} == set(methods.METHODS)
    as_standard = {"reinit", "longer", "intermediate", "lp_ft"}  # differ before training only
    assert set(methods.METHODS) | as_standard == set(choices_of("method"))
    assert all(float(row[2].rstrip(" |")) > 0 for row in rows)
