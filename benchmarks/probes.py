"""Child processes of `benchmarks.gpu`: parity of packed batches, and the time in kernels."""

import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch.profiler import ProfilerActivity, profile
from typing_extensions import override

from benchmarks.contest import DEVICE, HALF, ON_CUDA, synchronize
from stablebert.config.compose import compose
from stablebert.losses import fine_tuning_loss
from stablebert.runs.locate import locate
from stablebert.training.build import build_data, build_module
from stablebert.training.lifecycle import train_run
from stablebert.training.module import labels_of

PRECISIONS = {
    "32-true": None,
    "16-mixed": torch.float16,
    "bf16-mixed": torch.bfloat16,
}


def measure_parity(pipe: Connection, work: Path, *, overrides: list[str]) -> None:
    """Send the largest difference of packed from padded batches, for each precision.

    The differences of logits and of gradients are relative to the largest value of the padded path
    in float32, which every precision is compared with: `padded` is what rounding alone costs.

    Args:
        pipe: Connection to the parent.
        work: Temporary folder of this process; unused.
        overrides: Configuration of the run.
    """
    _send_result(pipe, lambda: _parity(overrides))


def _parity(overrides: list[str]) -> dict[str, Any]:
    run = locate(compose(overrides))
    module = build_module(run).to(DEVICE).eval()
    packed, padded = (
        next(iter(build_data(run, packed=is_packed).train_dataloader()))
        for is_packed in (True, False)
    )
    # a packed batch has the longest rows first
    order = (-padded["attention_mask"].sum(1)).argsort(stable=True)
    padded = {name: tensor[order].to(DEVICE) for name, tensor in padded.items()}

    def compute(batch: Any, half: torch.dtype | None) -> tuple[torch.Tensor, torch.Tensor]:
        module.zero_grad()
        with torch.autocast(DEVICE.type, dtype=half or HALF, enabled=half is not None):
            logits = module(batch)
        torch.autograd.backward(fine_tuning_loss(logits, labels_of(batch)))
        grads = [p.grad.flatten().float() for p in module.parameters() if p.grad is not None]
        return logits.detach(), torch.cat(grads)

    exact = compute(padded, None)
    results: dict[str, Any] = {}
    for precision, half in PRECISIONS.items():
        results[precision] = {
            path: {
                name: float((value - reference).abs().max() / reference.abs().max())
                for name, value, reference in zip(
                    ("logits", "gradients"), compute(batch, half), exact, strict=True
                )
            }
            for path, batch in (("packed", packed.to(DEVICE)), ("padded", padded))
        }
    return results


def measure_busy_time(
    pipe: Connection, work: Path, *, overrides: list[str], warmup: int, steps: int
) -> None:
    """Send the seconds per step during which the device executes a kernel, on a CPU an operator.

    Args:
        pipe: Connection to the parent.
        work: Temporary folder of this process.
        overrides: Configuration of the run, without precision and folder of records.
        warmup: Steps before the profile.
        steps: Steps to profile.
    """
    precision = "16-mixed" if ON_CUDA else "bf16-mixed"
    own = [f"trainer.precision={precision}", f"paths.runs={work / 'runs'}"]
    profiler = _StepProfiler(warmup, steps)

    def measure() -> dict[str, Any]:
        train_run(locate(compose([*overrides, *own])), [profiler])
        return {"seconds_per_step": profiler.busy_seconds() / steps}

    _send_result(pipe, measure)


class _StepProfiler(Callback):
    """Callback that profiles steps `warmup + 1` to `warmup + steps`."""

    def __init__(self, warmup: int, steps: int):
        self._first, self._last = warmup, warmup + steps
        device = ProfilerActivity.CUDA if ON_CUDA else ProfilerActivity.CPU
        self._profile = profile(activities=[device])

    @override
    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self._first:
            synchronize()
            self._profile.start()
        elif trainer.global_step == self._last:
            synchronize()
            self._profile.stop()

    def busy_seconds(self) -> float:
        """Return the seconds in which at least one kernel, or one operator of the CPU, ran."""
        device = "CUDA" if ON_CUDA else "CPU"
        events = self._profile.events() or []  # type: ignore[no-untyped-call]  # not typed in torch
        spans = sorted(
            (event.time_range.start, event.time_range.end)
            for event in events
            if event.device_type.name == device and (ON_CUDA or event.name.startswith("aten::"))
        )
        busy = until = 0.0
        for start, end in spans:
            busy += max(0.0, end - max(start, until))
            until = max(until, end)
        return busy / 1e6


def _send_result(pipe: Connection, measure: Callable[[], dict[str, Any]]) -> None:
    """Send a result, or the traceback."""
    try:
        start = time.perf_counter()
        pipe.send(measure() | {"measured_in": time.perf_counter() - start})
    except BaseException:
        pipe.send(traceback.format_exc())
        raise
