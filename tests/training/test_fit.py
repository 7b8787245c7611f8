"""Whole runs through the command line: what a run leaves, what it repeats, how it ends."""

import copy
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from stablebert.callbacks.step_monitor import is_measured_step
from stablebert.callbacks.validation import validation_steps
from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.losses import fine_tuning_loss
from stablebert.models.loading import load_model
from stablebert.optim.adam import BertAdam
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.tasks import TASKS
from stablebert.training.build import build_callbacks, build_data, build_module, build_trainer
from stablebert.training.module import Predictions
from stablebert.training.outcome import has_failed


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def words(tiny_bert, tiny_glue, cache, tmp_path):
    """Command line of a short run on tiny data; `words("task=cola", ...)` adds to it."""

    def words(*more):
        typed = {
            "task": "rte",
            "scale": "mini",
            "data.source": str(tiny_glue),
            "model.name": str(tiny_bert),
            "paths.runs": str(tmp_path / "runs"),
            "paths.cache": str(cache),
            "trainer.max_steps": "20",
            "trainer.threads": "1",
            "optimizer.lr": "1e-3",
            **dict(word.split("=", 1) for word in more),
        }
        return [f"{key}={value}" for key, value in typed.items() if value]

    return words


def folder_of(words):
    return locate(compose(words)).folder


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_a_run_leaves_its_record(words, capsys):
    run = words("trainer.max_steps=", "task=mrpc", "seed=3")
    assert main(["train", *run]) == 0
    folder = folder_of(run)
    assert folder.parts[-5:-2] == ("mini", "mrpc", "standard")
    assert folder.name == "seed3"
    assert sorted(f.name for f in folder.iterdir()) == [
        "config.yaml",
        "history.jsonl",
        "result.json",
    ]
    assert compose(_typed(folder / "config.yaml")) == compose(run)

    record = read_record(folder)
    steps = 3 * math.ceil(1800 / 32)
    assert record.steps == steps
    assert record.skipped_steps == 0
    assert record.evaluations == len(validation_steps(steps)) == 11
    assert record.metric == "f1"
    assert record.status == "ok"  # the label stands in the text
    assert record.test_at_best > record.majority["test"] + 0.05
    assert list(record.metrics["test_at_best"]) == ["f1", "accuracy"]
    assert record.metrics["test_at_best"]["f1"] == record.test_at_best
    assert sum(record.predictions["dev_at_last"].values()) == 60
    assert record.splits["train"]["rows"] == 1800
    assert record.splits["val"]["rows"] + record.splits["test"]["rows"] == 60
    assert (record.precision, record.packing, record.threads) == ("32-true", "packed", 1)
    assert 0.3 < record.padding_efficiency < 1
    assert set(record.seconds) == {"load", "train", "validate", "test"}
    assert min(record.seconds.values()) > 0
    assert record.peak_memory_bytes > 1e8
    assert record.versions["torch"].startswith(torch.__version__.split("+")[0])

    lines = history(folder)
    assert [line["step"] for line in lines] == [
        step
        for step in range(1, steps + 1)
        if is_measured_step(step) or step in validation_steps(steps)
    ]
    validated = {line["step"]: line["val/score"] for line in lines if "val/score" in line}
    assert list(validated) == validation_steps(steps)
    assert record.val_best == max(validated.values()) == validated[record.val_best_step]
    assert record.val_best_step == min(s for s, v in validated.items() if v == record.val_best)
    assert lines[0]["train/lr"] == 0  # the first update, as released
    assert max(line["train/lr"] for line in lines) <= 1e-3
    assert lines[0]["weight_change/classifier"] == 0
    assert lines[-1]["weight_change/layer_01"] > 0
    for line in lines:
        assert line["val/f1"] == line["val/score"] if "val/f1" in line else True
        assert {"bias_ratio/all", "weight_change/embeddings", "train/loss"} <= set(line)
    shown = capsys.readouterr().out
    assert f"test f1 {100 * record.test_at_best:.1f}" in shown
    assert str(folder / "result.json") in shown


def _typed(path):
    """A YAML configuration as one would type it."""

    def flat(tree, prefix=""):
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            elif value is not None:
                yield f"{prefix}{key}={value}"

    return list(flat(yaml.safe_load(path.read_text())))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_ends_in_a_complete_record(words, task):
    run = words(f"task={task}", "trainer.max_steps=4", "method=reinit")
    assert main(["train", *run]) == 0
    record = read_record(folder_of(run))
    assert (record.steps, record.evaluations) == (4, 4)
    assert record.metric == TASKS[task].metric
    labels = TASKS[task].labels or ("mean", "std", "min", "max")
    assert tuple(record.predictions["test_at_last"]) == labels


def test_done_is_done_until_forced(words, capsys):
    run = words()
    assert main(["train", *run]) == 0
    result = folder_of(run) / "result.json"
    first = result.stat().st_mtime_ns
    assert main(["train", *run]) == 0
    assert "done already" in capsys.readouterr().out
    assert result.stat().st_mtime_ns == first
    assert main(["train", *run, "force=true"]) == 0
    assert result.stat().st_mtime_ns > first
    assert not list(result.parent.glob("*.part"))


def test_done_is_told_without_torch(words):
    run = words()
    assert main(["train", *run]) == 0
    code = "import sys; from stablebert.cli.main import main; main(sys.argv[1:]);"
    code += "sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, "train", *run], check=True)


def test_same_seed_same_bits_other_seed_other_run(words):
    """On a CPU at equal threads, in a fresh process and whatever ran before in this one."""
    lines = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run = words("method=reinit", f"seed={seed}", f"paths.runs={words()[3][11:]}/{name}")
        torch.manual_seed(len(lines))
        if name == "b":
            command = [sys.executable, "-m", "stablebert", "train", *run]
            subprocess.run(command, check=True, capture_output=True)
        else:
            assert main(["train", *run]) == 0
        lines[name] = history(folder_of(run))
    assert lines["a"] == lines["b"]
    assert lines["a"] != lines["c"]
    # seed 0 is a seed (trap 12): its head is not the one of seed 1
    assert lines["a"][0]["train/loss"] != lines["c"][0]["train/loss"]


def test_monitors_change_no_number(words):
    watched, blind = words("seed=5"), words("seed=5", "paths.runs=blind")
    blind += ["monitor.bias_ratio=false", "monitor.weight_change=false"]
    results = []
    for run in (watched, [w.replace("=blind", f"={words()[3][11:]}/blind") for w in blind]):
        assert main(["train", *run]) == 0
        results.append((folder_of(run).parent.name, history(folder_of(run))))
    (one, seen), (two, unseen) = results
    assert one == two  # the same config_id
    assert [line["train/loss"] for line in seen] == [line["train/loss"] for line in unseen]
    assert "bias_ratio/all" not in unseen[0]


def test_the_two_seeds_are_separate(words, monkeypatch):
    """Appendix B: head and Re-init follow seed_init; order and dropout follow seed_data."""
    from stablebert.training.module import GlueClassifier

    step = GlueClassifier.training_step
    seen = {}

    def watching(self, batch, batch_idx):
        if batch_idx == 0:
            weights = [self.model.classifier.weight, self.model.bert.pooler.dense.weight]
            drawn = torch.cat([w.detach().flatten() for w in weights])
            mask = copy.deepcopy(self.masks).dropped_indices(1000, 0.5)
            seen["now"] = (drawn.tolist(), batch.input_ids.tolist(), mask.tolist())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GlueClassifier, "training_step", watching)
    runs = {}
    for init, data in ((0, 0), (0, 1), (1, 0)):
        run = words(
            f"seed_init={init}", f"seed_data={data}", "trainer.max_steps=1", "method=reinit"
        )
        assert main(["train", *run]) == 0
        assert folder_of(run).name == ("seed0" if init == data else f"init{init}-data{data}")
        runs[init, data] = seen["now"]
    base, other_data, other_init = runs[0, 0], runs[0, 1], runs[1, 0]
    assert [a == b for a, b in zip(base, other_data, strict=True)] == [True, False, False]
    assert [a == b for a, b in zip(base, other_init, strict=True)] == [False, True, True]


def test_two_equal_seeds_are_that_seed(words):
    """One run, one record: `seed=5 seed_init=0 seed_data=0` is seed 0."""
    run = words("seed=5", "seed_init=0", "seed_data=0", "trainer.max_steps=1")
    assert main(["train", *run]) == 0
    assert folder_of(run) == folder_of(words("trainer.max_steps=1"))
    assert read_record(folder_of(run)).seed == 0


def test_methods_never_share_a_folder(words):
    folders = {
        method: folder_of(words(f"method={method}"))
        for method in ("standard", "bert_adam", "reinit")
    }
    assert len(set(folders.values())) == 3
    moved = [word.replace("task=rte", "task=rte_1k") for word in words()]
    assert folder_of(moved) not in folders.values()


def test_a_copy_of_data_and_model_is_the_same_run(words, tiny_bert, tiny_glue, tmp_path):
    copies = {
        "model.name": shutil.copytree(tiny_bert, tmp_path / "m"),
        "data.source": shutil.copytree(tiny_glue, tmp_path / "d"),
    }
    moved = words(*(f"{key}={path}" for key, path in copies.items()))
    assert folder_of(moved) == folder_of(words())


def test_bert_adam_trains_on_the_uncorrected_update(words):
    first = {}
    for method in ("standard", "bert_adam"):
        run = words(f"method={method}", "trainer.max_steps=2", "optimizer.warmup=0")
        assert main(["train", *run]) == 0
        first[method] = history(folder_of(run))[0]
    moved = {name: line["weight_change/classifier"] for name, line in first.items()}
    # the very first update is 3.16 times larger
    assert moved["bert_adam"] / moved["standard"] == pytest.approx(3.162, rel=1e-2)


def test_a_collapsed_run_is_a_failed_run_with_its_score(words):
    """Trap 14: nothing invented, nothing left out; trap 12: a score of exactly 0 is a score."""
    run = words("task=cola", "trainer.max_steps=2", "optimizer.lr=1e-9")
    assert main(["train", *run]) == 0
    record = read_record(folder_of(run))
    assert (record.status, record.test_at_best, record.val_best) == ("failed", 0.0, 0.0)
    assert record.val_best_step == 1  # the earliest of equals


def test_a_run_of_nan_is_a_failed_run_with_score_zero(words, tiny_bert, tmp_path):
    """Trap 2: a NaN in a mean hides the other seeds; and it never is the best."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_bert, tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"].fill_(math.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    run = words("task=stsb", f"model.name={folder}")
    assert main(["train", *run]) == 0
    record = read_record(folder_of(run))
    assert (record.status, record.val_best, record.val_best_step) == ("failed", 0.0, None)
    assert (record.test_at_best, record.test_at_last) == (0.0, 0.0)
    assert record.metrics["test_at_last"] == {"spearman": None, "pearson": None}
    assert history(folder_of(run))[-1]["val/score"] is None


def made(right_of_each, labels_of_each):
    """Predictions with so many right ones in each of two classes."""
    logits, labels = [], []
    for label, (right, n) in enumerate(zip(right_of_each, labels_of_each, strict=True)):
        labels += [label] * n
        logits += [[1.0 - label, label]] * right + [[label, 1.0 - label]] * (n - right)
    return Predictions(torch.tensor(logits), torch.tensor(labels))


@pytest.mark.parametrize(
    ("task", "right", "labels", "failed"),
    [
        ("rte", (146, 0), (146, 131), True),  # the majority class itself
        ("rte", (100, 46), (146, 131), True),  # as many right, another way
        ("rte", (100, 47), (146, 131), False),
        # accuracy 720/1043 is below 721/1043, though MCC and F1 are above the majority's
        ("cola", (10, 710), (322, 721), True),
        ("mrpc", (10, 269), (129, 279), True),
    ],
)
def test_failed_is_no_more_accurate_than_the_majority_class(task, right, labels, failed):
    """Mosbach et al. (2021), on the whole dev set (trap 32)."""
    assert has_failed(TASKS[task], made(right, labels)) == failed


def test_failed_where_there_are_no_classes():
    grades = torch.arange(20.0)
    for logits, failed in ((grades, False), (-grades, True), (grades * 0, True)):
        assert has_failed(TASKS["stsb"], Predictions(logits[:, None], grades)) == failed
    nan = Predictions(torch.full((20, 1), math.nan), grades)
    assert has_failed(TASKS["stsb"], nan)


def test_a_run_that_collapses_at_the_end_has_failed_though_its_best_is_good(words, monkeypatch):
    """Trap 32: the best of eleven validations beats the majority class nearly always."""
    from stablebert.training.module import GlueClassifier

    step = GlueClassifier.training_step

    def collapsing(self, batch, batch_idx):
        if self.trainer.global_step == 150:
            with torch.no_grad():
                self.model.classifier.bias.copy_(torch.tensor([100.0, -100.0]))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GlueClassifier, "training_step", collapsing)
    run = words("trainer.max_steps=160")
    assert main(["train", *run]) == 0
    record = read_record(folder_of(run))
    assert record.val_best_step <= 150
    assert record.test_at_best > record.majority["test"] + 0.05
    assert record.predictions["dev_at_last"]["not_entailment"] == 0
    assert record.status == "failed"


def test_every_knob_reaches_its_object(words):
    """All knobs off their defaults at once: a knob that is not wired shows."""
    knobs = {
        "seed_init": 3,
        "seed_data": 4,
        "reinit.num_layers": 1,
        "reinit.pooler": "false",
        "optimizer.lr": 3e-4,
        "optimizer.bias_correction": "false",
        "optimizer.betas": "[0.8,0.99]",
        "optimizer.eps": 1e-5,
        "optimizer.weight_decay": 0.02,
        "optimizer.warmup": 0.3,
        "optimizer.clip_norm": 0.7,
        "trainer.batch_size": 16,
        "trainer.accumulate": 2,
        "trainer.eval_batch_size": 24,
        "trainer.evaluations": 4,
        "trainer.precision": "bf16-mixed",
        "data.max_length": 16,
        "monitor.weight_change": "false",
    }
    cfg = compose(words(*(f"{key}={value}" for key, value in knobs.items())))
    located = locate(cfg)
    module = build_module(located)
    trainer = build_trainer(cfg, build_callbacks(cfg), [])
    data = build_data(located)

    assert trainer.gradient_clip_val == 0.7
    assert trainer.accumulate_grad_batches == 2
    assert (trainer.max_steps, trainer.num_devices) == (20, 1)
    assert trainer.precision == "bf16-mixed"
    assert (data.batch_size, data.eval_batch_size, data.max_length) == (8, 24, 16)
    by_name = {type(callback).__name__: callback for callback in trainer.callbacks}
    assert by_name["ValidationSchedule"].evaluations == 4
    reinit = by_name["ReinitTopLayers"]
    assert (reinit.num_layers, reinit.pooler, reinit.seed) == (1, False, 3)
    assert "BiasRatioMonitor" in by_name
    assert "WeightChangeMonitor" not in by_name
    assert (module.dropout_seed, module.warmup) == (4, 0.3)
    assert torch.equal(
        module.model.classifier.weight,
        load_model(located.model, num_labels=2, seed=3).classifier.weight,
    )
    ids = [batch["input_ids"].tolist() for batch in data.train_dataloader()]
    same = build_data(
        locate(compose(words("seed=4", "trainer.batch_size=8", "data.max_length=16")))
    )
    assert ids == [batch["input_ids"].tolist() for batch in same.train_dataloader()]

    trainer.fit(module, datamodule=data)
    (optimizer,) = trainer.optimizers
    assert isinstance(optimizer, BertAdam)
    assert optimizer.step_offset > 0
    decayed, exempt = optimizer.param_groups
    assert (decayed["betas"], decayed["eps"], decayed["initial_lr"]) == ((0.8, 0.99), 1e-5, 3e-4)
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.02, 0.0)


def test_a_crash_is_recorded_and_a_rerun_clears_it(words, monkeypatch, capsys):
    from stablebert.training.module import GlueClassifier

    run = words()
    folder = folder_of(run)
    step = GlueClassifier.training_step

    def failing(self, batch, batch_idx):
        if batch_idx == 7:
            raise RuntimeError("out of luck")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(GlueClassifier, "training_step", failing)
        assert main(["train", *run]) == 1
    assert "RuntimeError: out of luck" in capsys.readouterr().err
    crash = json.loads((folder / "crash.json").read_text())
    assert (crash["error"], crash["message"], crash["step"]) == ("RuntimeError", "out of luck", 7)
    assert "in failing" in crash["traceback"]
    assert [line["step"] for line in history(folder)] == [1, 2, 3, 4, 5, 6]
    assert not (folder / "result.json").exists()
    assert main(["train", *run]) == 0
    assert sorted(f.name for f in folder.iterdir()) == [
        "config.yaml",
        "history.jsonl",
        "result.json",
    ]


def test_a_forced_run_that_crashes_keeps_the_finished_one(words, monkeypatch):
    from stablebert.training.module import GlueClassifier

    run = words()
    assert main(["train", *run]) == 0
    kept = {f.name: f.read_bytes() for f in folder_of(run).iterdir()}
    monkeypatch.setattr(GlueClassifier, "training_step", lambda *_: 1 / 0)
    assert main(["train", *run, "force=true"]) == 1
    assert kept == {f.name: f.read_bytes() for f in folder_of(run).iterdir()}


def test_two_processes_leave_one_whole_record(words):
    """Trap 20: the second is told, or finds the record done; nobody tears what another writes."""
    run = words("trainer.max_steps=60")
    command = [sys.executable, "-m", "stablebert", "train", *run]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [child.communicate(timeout=120)[1] for child in both]
    for child, error in zip(both, errors, strict=True):
        assert child.returncode == 0 or "is being run by process" in error
    assert 0 in [child.returncode for child in both]
    assert sorted(f.name for f in folder_of(run).iterdir()) == [
        "config.yaml",
        "history.jsonl",
        "result.json",
    ]
    assert read_record(folder_of(run)).steps == history(folder_of(run))[-1]["step"] == 60


def test_a_file_system_without_hard_links_keeps_the_record(words, monkeypatch):
    def refused(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert main(["train", *words("trainer.max_steps=2")]) == 0
    assert read_record(folder_of(words("trainer.max_steps=2"))).steps == 2


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_stopped_run_records_nothing_and_can_be_run_again(words, number, status):
    run = words("trainer.max_steps=100000")
    folder = folder_of(run)
    command = [sys.executable, "-m", "stablebert", "train", *run]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not any(part.read_text().count("\n") > 3 for part in folder.glob("history.jsonl.*.part")):
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == status, err
    assert not (folder / "result.json").exists()
    assert not (folder / "crash.json").exists()
    if number != signal.SIGKILL:
        assert "rerun the command to start over" in err
        assert "Traceback" not in err


def test_bad_data_is_told_before_training(words, tiny_glue, tmp_path, capsys):
    folder = shutil.copytree(tiny_glue / "rte", tmp_path / "glue" / "rte")
    (folder / "validation-00000-of-00001.parquet").unlink()
    assert main(["train", *words(f"data.source={folder.parent}")]) == 1
    err = capsys.readouterr().err
    assert "validation" in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_a_model_folder_without_weights_is_told(words, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    assert main(["train", *words(f"model.name={tmp_path / 'model'}")]) == 1
    assert "found nothing" in capsys.readouterr().err


def test_rows_longer_than_the_model_s_positions_are_refused(words, capsys):
    assert main(["train", *words("data.max_length=129")]) == 1
    assert "data.max_length=129" in capsys.readouterr().err


def test_train_loss_at_a_validation_is_the_mean_since_the_last_one(words, monkeypatch):
    """As the released code logs it (Figures 3, 6, 11), though the monitors read in between."""
    from stablebert.training.module import GlueClassifier

    def known(self, batch, batch_idx):
        loss = fine_tuning_loss(self(batch), batch.labels)
        return {"loss": loss, "unweighted_loss": torch.tensor(float(batch_idx + 1))}

    monkeypatch.setattr(GlueClassifier, "training_step", known)
    run = words("trainer.max_steps=20", "trainer.evaluations=2")
    assert main(["train", *run]) == 0
    losses = {line["step"]: line["train/loss"] for line in history(folder_of(run))}
    assert losses[3] == 2  # (1 + 2 + 3) / 3
    assert losses[10] == 5.5
    assert losses[12] == 11.5  # the last validation was at 10
    assert losses[20] == 15.5


def test_selecting_by_another_metric(words):
    run = words("task=mrpc", "trainer.select_by=accuracy", "trainer.max_steps=30")
    assert main(["train", *run]) == 0
    lines = [line for line in history(folder_of(run)) if "val/accuracy" in line]
    best = max(lines, key=lambda line: line["val/accuracy"])
    record = read_record(folder_of(run))
    assert record.val_best_step == best["step"]
    assert record.val_best == best["val/f1"]


def test_16_mixed_on_a_cpu_is_recorded_as_what_it_was(words, capsys):
    """Trap 6: Lightning changes it to bf16-mixed."""
    run = words("trainer.precision=16-mixed", "trainer.max_steps=2")
    assert main(["train", *run]) == 0
    assert read_record(folder_of(run)).precision == "bf16-mixed"


@pytest.mark.shared
def test_real_bert_on_real_cola(shared, tmp_path):
    """A step of real training, from real data and a real model to a record."""
    run = [
        *("task=cola_1k", f"data.source={shared}/glue", "trainer.max_steps=3"),
        *(f"model.name={shared}/models/all-MiniLM-L6-v2", "method=reinit"),
        *(f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache", "trainer.evaluations=1"),
    ]
    assert main(["train", *run]) == 0
    record = read_record(folder_of(run))
    assert record.splits["val"] == {
        "rows": 521,
        "source": "validation",
        "fingerprint": "3082c6cd9fee1792",
    }
    assert record.majority["dev"] == 0
    ratio = history(folder_of(run))[0]["bias_ratio/classifier"]
    assert ratio == pytest.approx(3.162, rel=1e-3)


def test_progress_is_shown_on_a_terminal_only(words, tmp_path):
    """A bar with steps, time left and the val score; not a word of it in a log file."""
    import pty

    run = words("seed=8")
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "stablebert", "train", *run]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "140"}
    child = subprocess.Popen(command, stdout=follower, stderr=subprocess.PIPE, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        shown += chunk
    assert child.wait() == 0
    text = shown.decode()
    assert "rte standard 3epochs seed 8" in text
    assert "20/20" in text
    assert re.search(r"val \d+\.\d", text)
    assert re.search(r"left\S* *\S*\d:\d\d", text)
    piped = subprocess.run([*command, "force=true"], capture_output=True, text=True, check=True)
    assert len(piped.stdout.splitlines()) == 2
    assert "20/20" not in piped.stdout + piped.stderr


def test_an_architecture_that_cannot_pack_is_padded_and_says_so(words, monkeypatch, capsys, caplog):
    from stablebert.training import build as module

    monkeypatch.setattr(module, "packed_forward", lambda model: None)
    run = words("trainer.max_steps=2")
    assert main(["train", *run]) == 0
    assert read_record(folder_of(run)).packing == "padded"
    assert "bert has no packed forward pass: batches are padded, which is slower" in caplog.text
    caplog.clear()
    assert main(["train", *words("trainer.max_steps=2", "trainer.packing=packed")]) == 1
    assert "trainer.packing=packed: bert has no packed forward pass" in capsys.readouterr().err
    assert main(["train", *words("trainer.max_steps=2", "trainer.packing=padded")]) == 0
    assert "no packed forward pass" not in caplog.text


def test_packed_and_padded_runs_score_alike_without_dropout(words, tiny_bert, tmp_path):
    """The whole path: same batches, same steps, same weights in the end but for rounding."""
    folder = shutil.copytree(tiny_bert, tmp_path / "no-dropout")
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    lines = {}
    for packing in ("packed", "padded"):
        run = words("trainer.max_steps=40", "optimizer.lr=1e-3", f"trainer.packing={packing}")
        run = [f"model.name={folder}" if w.startswith("model.name") else w for w in run]
        assert main(["train", *run]) == 0
        assert read_record(folder_of(run)).packing == packing
        lines[packing] = history(folder_of(run))
    for mine, other in zip(lines["packed"], lines["padded"], strict=True):
        assert mine.keys() == other.keys()
        for key in (
            "train/loss",
            "val/loss",
            "val/score",
            "bias_ratio/all",
            "weight_change/layer_00",
        ):
            if key in mine:
                assert mine[key] == pytest.approx(other[key], rel=2e-3), (mine["step"], key)
