"""On a GPU: the bias ratio, packed batches and skipped steps have the numbers of a CPU."""

import copy
import functools

import pytest
import torch
from torch.nn import functional as F

from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.config.compose import compose
from stablebert.models.location import layers, packed_forward
from stablebert.optim.adam import BertAdam
from stablebert.optim.bias_ratio import analytic_bias_ratio
from stablebert.packed.dropout import DropoutMasks
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from tests.helpers.optimizers import CORRECTIONS
from tests.helpers.packing import packed_and_padded, small_bert

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


@pytest.fixture
def cuda_run(run_arguments):
    """Function that trains a tiny run on the GPU and returns its record."""

    def train(*overrides):
        arguments = run_arguments(f"trainer.accelerator={DEVICE}", *overrides)
        return train_run(locate(compose(arguments)))

    return train


@pytest.mark.parametrize("packing", ["packed", "padded"])
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


def test_the_same_seed_gives_the_same_scores(cuda_run):
    first = cuda_run("seed=1")
    again = cuda_run("seed=1", "force=true")
    assert first.metrics == again.metrics
