"""Torch, its GPUs and the precision of the configuration."""

import os
import subprocess
import sys
from collections.abc import Iterator

from stablebert.config.schema import RunConfig
from stablebert.machine import DRIVER_SECONDS
from stablebert.ops.finding import Finding
from stablebert.ops.torch_probe import TorchReport

TORCH_SECONDS = 180  # long enough to load torch from a cold network disk


class TorchError(Exception):
    """Torch does not load."""


def check_torch(cfg: RunConfig) -> Iterator[Finding]:
    """Load torch, find its GPUs and try the precision."""
    try:
        report = run_probe()
    except TorchError as error:
        yield Finding("problem", f"torch: {error}")
        return
    yield _check_gpus(report)
    yield _check_precision(cfg, report)


def run_probe() -> TorchReport:
    """Run `stablebert.ops.torch_probe` in another process.

    Raises:
        TorchError: If torch does not load, or not in time.
    """
    command = [sys.executable, "-m", "stablebert.ops.torch_probe"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise TorchError(f"does not load within {TORCH_SECONDS} s: a slow disk?") from None
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise TorchError(f"does not load: {reason}; reinstall it: pytorch.org")
    return TorchReport.from_json(process.stdout.splitlines()[-1])


def _check_gpus(report: TorchReport) -> Finding:
    """Compare the GPUs that torch sees with the driver's."""
    build = f"torch {report.version}, built for {f'CUDA {report.cuda}' if report.cuda else 'CPUs'}"
    driver, driver_problem = _driver_version()
    if report.gpus:
        return Finding("ok", f"{build}: {', '.join(report.gpus)}; driver {driver or 'unknown'}")
    if not driver and not driver_problem:
        return Finding("ok", f"{build}: no GPU, runs use the CPU")
    facts = [driver_problem or f"driver {driver}", *report.warnings]
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        facts.append(f"CUDA_VISIBLE_DEVICES={visible!r}")
    if driver_problem:
        advice = "repair the driver first (nvidia-smi)"
    elif report.cuda:
        advice = "install a build that fits the driver"
    else:
        advice = "make setup TORCH=default"
    return Finding("note", f"{build}, sees no GPU: {'; '.join(facts)}: {advice}")


def _driver_version() -> tuple[str, str]:
    """Return the version of the NVIDIA driver and why it is unknown; both empty without driver."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        process = subprocess.run(query, capture_output=True, text=True, timeout=DRIVER_SECONDS)
    except FileNotFoundError:
        return "", ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"nvidia-smi: {error}"
    output = (process.stdout + process.stderr).strip().splitlines() or ["no output"]
    return ("", f"nvidia-smi: {output[0]}") if process.returncode else (output[0], "")


def _check_precision(cfg: RunConfig, report: TorchReport) -> Finding:
    """Check the precision on every device that runs may use."""
    gpus = [device for device in report.failures if device != "cpu"]
    if cfg.trainer.accelerator == "cuda" and not gpus:
        advice = "trainer.accelerator=auto would use the CPU"
        return Finding(
            "problem", f"precision: trainer.accelerator=cuda: torch sees no GPU; {advice}"
        )
    setting = str(cfg.trainer.precision)
    devices = gpus if cfg.trainer.accelerator != "cpu" and gpus else ["cpu"]
    on_gpu = devices != ["cpu"]
    precision = setting.replace("auto", "16-mixed" if on_gpu else "32-true")
    if not on_gpu and precision == "16-mixed":  # Lightning replaces it on a CPU
        precision = "bf16-mixed"
    text = "precision: " + setting
    if precision != setting:
        text += f", which is {precision} here"
    failures = [
        f"{device}: {report.failures[device][precision]}"
        for device in devices
        if precision in report.failures[device]
    ]
    if failures:
        usable = [p for p in ("32-true", "16-mixed") if p not in report.failures[devices[0]]]
        advice = f"trainer.precision={usable[0]}" if usable else "install a torch for this device"
        return Finding("problem", f"{text}: fails on {'; '.join(failures)}: {advice}")
    if precision == "bf16-mixed" and on_gpu and report.emulates_bf16:
        return Finding("note", f"{text}: emulated and slow on this GPU; use 16-mixed")
    if precision != setting != "auto":
        return Finding("note", f"{text} (the record says so)")
    return Finding("ok", text)
