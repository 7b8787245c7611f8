"""Intermediate-task training: the run that others start from is made once, kept and recorded."""

import logging
import re
import threading
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.sweep import read_sweep
from stablebert.grid.executor import run_grid
from stablebert.models.architectures import layers
from stablebert.runs.claims import claimed
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.runs.run import Job
from stablebert.training.build import build_module
from stablebert.training.lifecycle import train


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def words(tiny_bert, tiny_glue, cache, tmp_path):
    return [
        "scale=mini", "method=intermediate", f"data.source={tiny_glue}", f"model.name={tiny_bert}",
        f"paths.runs={tmp_path / 'runs'}", f"paths.cache={cache}", "trainer.max_steps=4",
        "trainer.evaluations=2", "trainer.threads=1",
    ]  # fmt: skip


def test_a_grid_makes_it_once_and_all_seeds_start_from_it(words, tmp_path, tiny_bert, capsys):
    (tmp_path / "grid.yaml").write_text("method: grid\nparameters: {seed: {values: [0, 1]}}")
    grid = [str(tmp_path / "grid.yaml"), "task=rte,stsb", *words]
    assert main(["grid", *grid, "--workers", "2"]) == 0
    out = capsys.readouterr().out
    assert out.count("training first, because other runs start from it: mnli standard 3epochs") == 1
    assert "[5/5]" in out
    runs = [locate(cfg) for cfg in read_sweep(grid[0]).narrow(grid[1:]).configs()]
    assert len({run.start.folder for run in runs}) == 1
    start = runs[0].start
    before = read_record(start.folder)
    assert (before.task, before.seed, before.steps) == ("mnli", 0, 3 * 57)  # 1800 rows by 32
    for run in runs:
        record = read_record(run.folder)
        assert record.start["config_id"] == before.config_id
        assert record.start["val_best"] == before.val_best
        assert record.model == before.model  # the pre-trained one, which both are of

    # what it left: everything but a head, moved from the pre-trained weights, rare words not
    kept = load_file(start.folder / "encoder" / "model.safetensors")
    pretrained = {f"bert.{k}": v for k, v in load_file(tiny_bert / "model.safetensors").items()}
    assert kept.keys() == pretrained.keys()
    moved = {name for name in kept if not torch.equal(kept[name], pretrained[name])}
    assert {"bert.pooler.dense.weight", "bert.encoder.layer.0.output.dense.weight"} <= moved
    embedding = "bert.embeddings.word_embeddings.weight"
    rows = (kept[embedding] != pretrained[embedding]).any(1)
    assert rows.any()
    assert not rows.all()
    # and what the runs start with: that, and the head of their own seed
    for run in runs[:2]:
        model = build_module(run).model
        ours = model.state_dict()
        assert all(torch.equal(ours[name], weight) for name, weight in kept.items())
        own = build_module(replace(run, start=None)).model
        heads = (layers(m)["classifier"].weight for m in (model, own))
        assert torch.equal(*heads)

    # again: nothing is left to do, and a lost encoder is made anew where a run needs it
    assert main(["grid", *grid, "--workers", "1"]) == 0
    assert "4 done, 0 missing" in capsys.readouterr().out


def test_table_2_and_its_searches_end_to_end(tiny_bert, tiny_glue, cache, tmp_path, capsys):
    narrow = [
        "task=rte", "seed=0,1", "scale=demo", f"data.source={tiny_glue}",
        f"model.name={tiny_bert}", f"paths.runs={tmp_path / 'runs'}", f"paths.cache={cache}",
    ]  # fmt: skip
    assert main(["grid", "table2", *narrow, "--workers", "2"]) == 0
    assert main(["grid", "mixout", *narrow, "mixout.p=0.5,0.9", "--workers", "2"]) == 0
    capsys.readouterr()
    assert main(["report", "table2", *narrow]) == 0
    out = capsys.readouterr().out
    assert re.search(r"rte mixout: .* best of 3 settings with all seeds \(5 in all\)", out)
    assert "16 of 16 runs: 8 cells, seeds 0..1; 0 missing" in out


def test_a_run_alone_makes_it_and_waits_for_another_process(words, caplog):
    run = locate(compose(["task=rte", "seed=3", *words]))
    assert Job(run).prerequisite.keep_encoder
    assert not Job(run).prerequisite.is_done
    run.start.folder.mkdir(parents=True)
    caplog.set_level(logging.WARNING)

    def hold():
        with claimed(run.start.folder):
            held.set()
            time.sleep(1.5)

    held = threading.Event()
    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    record = train(run)
    other.join()
    assert record.start["task"] == "mnli"
    assert caplog.text.count("which another process is training") == 1
    assert Job(run).prerequisite.is_done


def test_runs_whose_start_crashes_are_told_so(words):
    run = locate(compose(["task=rte", *words]))
    broken = replace(run.start.cfg, data=replace(run.start.cfg.data, max_length=129))
    said = []
    job = Job(replace(run, start=replace(run.start, cfg=broken)))
    outcome = run_grid([job], workers=1, say=said.append)
    assert [job.run.cfg.task for job in outcome.crashed] == ["mnli", "rte"]
    assert "the run that it starts from crashed: mnli standard" in said[-1]


def test_another_start_is_another_configuration(words):
    typed = [["task=rte", *words, word] for word in ("seed=7", "intermediate.task=qqp")]
    first, second = (locate(compose(line)) for line in typed)
    assert first.config_id != second.config_id
    assert first.config_id == locate(compose(["task=rte", *words])).config_id
    # the same words, but of what comes before another content
    third = locate(compose(["task=rte", *words, "trainer.eval_batch_size=32"]))
    assert third.start.config_id != first.start.config_id
