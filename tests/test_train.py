"""Whole runs through the command line: what a run leaves, what it repeats, how it ends."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from stablebert.callbacks.reading import is_reading_step
from stablebert.callbacks.validation import validation_steps
from stablebert.cli import main
from stablebert.config import compose
from stablebert.glue.tasks import TASKS
from stablebert.locate import locate
from stablebert.results import read_record
from stablebert.train import has_failed


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def words(tiny_bert, tiny_glue, cache, tmp_path):
    """Command line of a short run on tiny data; `words("task=cola", ...)` adds to it."""

    def words(*more):
        typed = {
            "task": "rte",
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
    assert (record.precision, record.packing, record.threads) == ("32-true", "padded", 1)
    assert 0.3 < record.padding_efficiency < 1
    assert set(record.seconds) == {"load", "train", "validate", "test"}
    assert min(record.seconds.values()) > 0
    assert record.peak_memory_bytes > 1e8
    assert record.versions["torch"].startswith(torch.__version__.split("+")[0])

    lines = history(folder)
    assert [line["step"] for line in lines] == [
        step
        for step in range(1, steps + 1)
        if is_reading_step(step) or step in validation_steps(steps)
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
    code = "import sys; from stablebert.cli import main; main(sys.argv[1:]);"
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


def test_the_two_seeds_are_separate(words):
    """Appendix B: the head follows seed_init, order and dropout follow seed_data."""
    first = {}
    for init, data in ((0, 0), (0, 1), (1, 0)):
        run = words(f"seed_init={init}", f"seed_data={data}", "trainer.max_steps=2")
        assert main(["train", *run]) == 0
        folder = folder_of(run)
        assert folder.name == ("seed0" if init == data else f"init{init}-data{data}")
        first[init, data] = history(folder)[0]
    # what is not shared shows in the very first loss: data and dropout, or the head
    assert len({line["train/loss"] for line in first.values()}) == 3


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


def test_failed_is_judged_against_the_majority_class():
    assert has_failed(math.nan, 0.5)
    assert has_failed(0.527, 146 / 277)
    assert has_failed(146 / 277, 146 / 277)
    assert not has_failed(147 / 277, 146 / 277)


def test_a_crash_is_recorded_and_a_rerun_clears_it(words, monkeypatch, capsys):
    from stablebert.module import GlueClassifier

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
    from stablebert.module import GlueClassifier

    run = words()
    assert main(["train", *run]) == 0
    kept = {n: (folder_of(run) / n).read_bytes() for n in ("result.json", "history.jsonl")}
    monkeypatch.setattr(GlueClassifier, "training_step", lambda *_: 1 / 0)
    assert main(["train", *run, "force=true"]) == 1
    assert kept == {n: (folder_of(run) / n).read_bytes() for n in kept}


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
    part = folder / "history.jsonl.part"
    while not (part.exists() and part.read_text().count("\n") > 3):
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == status, err
    assert not (folder / "result.json").exists()
    assert not (folder / "crash.json").exists()
    if number != signal.SIGKILL:
        assert "the same command starts over" in err
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


def test_wandb_offline_holds_the_whole_run(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = words("wandb.mode=offline", "wandb.tags=[try]", "seed=2")
    assert main(["train", *run]) == 0
    (file,) = Path("wandb").glob("offline-run-*/run-*.wandb")
    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", file]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for text in ("rte/standard/seed2", "bias_ratio/layer_01", "weight_change/pooler", "config_id"):
        assert text in shown, text
    for text in ("test_at_best", "val/score", '"try"', "trainer/global_step"):
        assert text in shown, text


def test_a_failure_of_wandb_costs_nothing(words, monkeypatch, caplog):
    import wandb

    def broken(*args, **kwargs):
        raise wandb.errors.CommError("no such luck")

    monkeypatch.setattr(wandb, "init", broken)
    run = words("wandb.mode=online")
    assert main(["train", *run]) == 0
    assert read_record(folder_of(run)).steps == 20
    assert caplog.text.count("no such luck") == 2  # online, then offline; not once per line


def test_started_by_a_sweep_s_agent_wandb_is_on(monkeypatch, words):
    from stablebert.train import wandb_window

    located = locate(compose(words()))
    assert wandb_window(located) is None
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert wandb_window(located) is None  # conftest: WANDB_MODE=disabled
    monkeypatch.delenv("WANDB_MODE")
    assert wandb_window(located) is not None


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
    piped = subprocess.run([*command, "force=true"], capture_output=True, text=True, check=True)
    assert len(piped.stdout.splitlines()) == 2
    assert "20/20" not in piped.stdout + piped.stderr
