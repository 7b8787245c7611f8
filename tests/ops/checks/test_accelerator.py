import sys

import pytest

from stablebert.config.compose import compose
from stablebert.ops.checks import accelerator
from stablebert.ops.checks.accelerator import check_torch
from stablebert.ops.torch_probe import TorchReport

BF16 = "trainer.precision=bf16-mixed"
NO_BF16 = {"bf16-mixed": "RuntimeError: no"}


@pytest.fixture
def findings(monkeypatch):
    """Function that returns the findings for a report of torch."""

    def check(*overrides, gpus=(), cuda=None, warnings=(), emulates_bf16=False, gpu_failures=None):
        report = TorchReport(
            version="2.13.0",
            cuda=cuda,
            gpus=[f"GPU {gpu}" for gpu in gpus],
            emulates_bf16=emulates_bf16,
            warnings=list(warnings),
            failures={"cpu": {}, **{gpu: gpu_failures or {} for gpu in gpus}},
        )
        monkeypatch.setattr(accelerator, "run_probe", lambda: report)
        return list(check_torch(compose(overrides)))

    return check


@pytest.mark.parametrize(
    ("overrides", "report", "level", "text"),
    [
        ([], {}, "ok", "auto, which is 32-true here"),
        (["trainer.precision=16-mixed"], {}, "note", "16-mixed, which is bf16-mixed here"),
        ([BF16], {}, "ok", "bf16-mixed"),
        (["trainer.accelerator=cuda"], {}, "problem", "torch sees no GPU"),
        ([], {"gpus": ["cuda:0"]}, "ok", "auto, which is 16-mixed here"),
        ([BF16], {"gpus": ["cuda:0"], "emulates_bf16": True}, "note", "slow"),
        (
            [BF16],
            {"gpus": ["cuda:0", "cuda:1"], "gpu_failures": NO_BF16},
            *("problem", "fails on cuda:0: RuntimeError: no; cuda:1: RuntimeError: no: "),
        ),
        (
            [BF16],
            {"gpus": ["cuda:0"], "gpu_failures": NO_BF16},
            *("problem", ": trainer.precision=32-true"),
        ),
        (
            ["trainer.accelerator=cpu"],
            {"gpus": ["cuda:0"], "gpu_failures": {"32-true": "no kernel image"}},
            *("ok", "auto, which is 32-true here"),
        ),
    ],
)
def test_the_precision_must_work_on_the_devices_that_runs_get(
    findings, overrides, report, level, text
):
    *_, finding = findings(*overrides, **report)
    assert (finding.level, text in finding.text) == (level, True), finding


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "report", "level", "texts"),
    [
        ("echo 580.1", {"gpus": ["cuda:0"], "cuda": "13.0"}, "ok", ["GPU cuda:0; driver 580.1"]),
        ("echo 450.2", {}, "note", ["built for CPUs, sees no GPU: driver 450.2", "TORCH=default"]),
        (
            "echo 450.2",
            {"cuda": "13.0", "warnings": ["The driver is too old"]},
            "note",
            ["driver 450.2; The driver is too old; CUDA_VISIBLE_DEVICES='7'", "fits the driver"],
        ),
        ("echo no driver; exit 9", {"cuda": "13.0"}, "note", ["nvidia-smi: no driver", "first"]),
        (None, {}, "ok", ["no GPU, runs use the CPU"]),
    ],
)
def test_a_driver_without_a_gpu_for_torch_is_a_note(
    findings, monkeypatch, tmp_path, driver, report, level, texts
):
    if driver:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{driver}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if driver else str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(accelerator, "DRIVER_SECONDS", 600)
    finding, _ = findings(**report)
    assert finding.level == level
    assert [text for text in texts if text not in finding.text] == [], finding


def run_program(monkeypatch, tmp_path, text, seconds):
    """Check torch with another program in place of Python."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(accelerator, "TORCH_SECONDS", seconds)
    (finding,) = check_torch(compose([]))
    return finding


@pytest.mark.slow
def test_a_torch_that_kills_its_process_is_a_problem(monkeypatch, tmp_path):
    finding = run_program(monkeypatch, tmp_path, "kill -ABRT $$", seconds=600)
    assert finding.level == "problem"
    assert finding.text.startswith("torch: does not load: exit status -6")


@pytest.mark.slow
def test_a_torch_that_hangs_is_a_problem(monkeypatch, tmp_path):
    finding = run_program(monkeypatch, tmp_path, "exec sleep 600", seconds=0.2)
    assert finding.level == "problem"
    assert finding.text.startswith("torch: does not load within 0.2 s")
