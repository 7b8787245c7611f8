"""On a GPU: the bias ratio, packed batches and skipped steps have the numbers of a CPU."""

import copy
import functools

import pytest
import torch
from lightning.pytorch import Callback
from torch.nn import functional as F

from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.config.compose import compose
from stablebert.models.location import layers, packed_forward
from stablebert.optim.adam import BertAdam
from stablebert.optim.bias_ratio import analytic_bias_ratio
from stablebert.packed.capture import BatchShape, CapturedForward
from stablebert.packed.dropout import DropoutMasks
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from tests.helpers.optimizers import CORRECTIONS
from tests.helpers.packing import packed_and_padded, small_bert, without_dropout

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

DEVICE = "cuda"
STEPS = 12


def train_step_by_step(model, optimizer, device):
    """Take the same steps on any device, with gradients that are computed on the CPU."""
    rng = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=rng).to(device)
        optimizer.step()


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_the_bias_ratio_is_that_of_a_cpu(bias_correction):
    ratios = {}
    for device in ("cpu", DEVICE):
        model = small_bert().to(device)
        optimizer = BertAdam(model.parameters(), lr=1e-3, bias_correction=bias_correction)
        train_step_by_step(model, optimizer, device)
        ratios[device] = measure_bias_ratio(optimizer, layers(model))
    assert ratios[DEVICE] == pytest.approx(ratios["cpu"], rel=1e-4)
    expected = analytic_bias_ratio(STEPS, (0.9, 0.999))
    assert ratios[DEVICE]["bias_ratio/classifier"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_the_updates_are_those_of_a_cpu(bias_correction):
    start = small_bert()
    weights = {}
    for device in ("cpu", DEVICE):
        model = copy.deepcopy(start).to(device)
        optimizer = BertAdam(model.parameters(), lr=1e-3, bias_correction=bias_correction)
        train_step_by_step(model, optimizer, device)
        weights[device] = torch.cat([p.detach().flatten().cpu() for p in model.parameters()])
    torch.testing.assert_close(weights[DEVICE], weights["cpu"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("lower", "tolerance"),
    [(None, 1e-3), (torch.float16, 0.02), (torch.bfloat16, 0.1)],  # TF32 may round products
    ids=["32-true", "16-mixed", "bf16-mixed"],
)
def test_packed_logits_and_gradients_are_those_of_padded_batches(lower, tolerance):
    packed, padded, order = packed_and_padded()
    packed = packed.to(DEVICE)
    model = small_bert().eval().to(DEVICE)
    logits, gradients = [], []
    for path in ("packed", "padded"):
        model.zero_grad()
        with torch.autocast(DEVICE, dtype=lower or torch.bfloat16, enabled=lower is not None):
            if path == "packed":
                output = packed_forward(model)(model, packed, DropoutMasks(0))
            else:
                rows = {name: tensor.to(DEVICE) for name, tensor in padded.items()}
                output = model(**rows).logits[order.to(DEVICE)]
        F.cross_entropy(output.float(), packed.labels).backward()
        logits.append(output.detach().float())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    for ours, theirs in (logits, gradients):
        assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


@pytest.mark.parametrize("lower", [None, torch.float16, torch.bfloat16], ids=str)
def test_captured_steps_have_the_logits_and_gradients_of_packed_batches(lower):
    model = without_dropout(small_bert()).train().to(DEVICE)
    captured = CapturedForward(model, packed_forward(model), BatchShape(9, 64, 320))
    batches = [packed_and_padded(seed=seed)[0].to(DEVICE) for seed in range(3)]
    results = {"captured": [], "packed": []}
    for batch in batches:  # the first is captured, the others replay it
        for path, forward in (
            ("captured", captured),  # first, as in a run: capture needs parameters without a graph
            ("packed", lambda b: packed_forward(model)(model, b, DropoutMasks(0))),
        ):
            model.zero_grad()
            with torch.autocast(
                DEVICE, lower or torch.bfloat16, enabled=lower is not None, cache_enabled=False
            ):
                logits = forward(batch)
            F.cross_entropy(logits.float(), batch.labels).backward()
            gradients = [p.grad.flatten() for p in model.parameters()]
            results[path].append(torch.cat([logits.detach().float().flatten(), *gradients]))
    for ours, theirs in zip(results["captured"], results["packed"], strict=True):
        tolerance = 1e-3 if lower is None else 0.02
        assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()
    assert not torch.equal(*results["captured"][:2])


def test_every_replay_draws_its_own_dropout_masks():
    model = small_bert().train().to(DEVICE)
    captured = CapturedForward(model, packed_forward(model), BatchShape(9, 64, 320))
    batch = packed_and_padded()[0].to(DEVICE)
    first, second = (captured(batch).detach().clone() for _ in range(2))
    assert not torch.allclose(first, second, atol=1e-3)


@pytest.fixture
def cuda_run(run_arguments):
    """Function that trains a tiny run on the GPU and returns its record."""

    def train(*overrides, watchers=()):
        arguments = run_arguments(f"trainer.accelerator={DEVICE}", *overrides)
        return train_run(locate(compose(arguments)), watchers)

    return train


@pytest.mark.parametrize("packing", ["captured", "packed", "padded"])
def test_a_run_uses_mixed_precision_and_names_the_gpu(cuda_run, packing):
    record = cuda_run(f"trainer.packing={packing}")
    assert (record.precision, record.packing) == ("16-mixed", packing)
    assert record.device == torch.cuda.get_device_name()
    assert record.peak_memory_bytes > 0


def test_a_run_counts_the_steps_that_fp16_skips(cuda_run, monkeypatch):
    """docs/pitfalls.md, 7 and 24: the scaler halves its scale at every step that overflows."""
    scaler = functools.partial(torch.amp.GradScaler, init_scale=2.0**40)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    record = cuda_run("trainer.precision=16-mixed", "trainer.max_steps=100")
    assert record.steps == 100
    assert 20 <= record.skipped_steps < 60  # from 2^40 down to about 2^16, at which fp16 trains


@pytest.mark.parametrize("packing", ["captured", "packed"])
def test_the_same_seed_gives_the_same_scores(cuda_run, packing):
    first = cuda_run("seed=1", f"trainer.packing={packing}")
    again = cuda_run("seed=1", f"trainer.packing={packing}", "force=true")
    assert first.metrics == again.metrics


class SynchronizationGuard(Callback):
    """Callback that makes every synchronization inside a training step an error."""

    def __init__(self, from_step):
        self.from_step, self.steps = from_step, 0

    def on_train_start(self, trainer, module):
        trainer.callbacks.insert(0, trainer.callbacks.pop(trainer.callbacks.index(self)))

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step >= self.from_step:
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(self, trainer, *args):  # before the monitors, which read their numbers
        self.steps += torch.cuda.get_sync_debug_mode() == 2
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("packing", ["captured", "packed"])
def test_a_training_step_never_waits_for_the_gpu(cuda_run, packing):
    """In 16-mixed, torch's gradient scaler does, once per step: it asks for overflows."""
    guard = SynchronizationGuard(from_step=5)
    overrides = ["trainer.precision=bf16-mixed", "trainer.max_steps=20", "trainer.evaluations=1"]
    cuda_run(f"trainer.packing={packing}", *overrides, watchers=[guard])
    assert guard.steps >= 10
