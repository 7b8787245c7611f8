"""The forward pass over packed batches: the numbers of the padded path without its padding."""

import lightning as L
import pytest
import torch
from torch.nn import functional as F

from stablebert.models.loading import load_model
from stablebert.models.location import packed_forward
from stablebert.packed.dropout import DropoutMasks
from stablebert.training.module import GlueClassifier
from tests.helpers.foreign import SETTINGS
from tests.helpers.packing import LENGTHS, packed_and_padded, small_bert

PRECISIONS = {
    "float64": (LENGTHS, torch.float64, None, 1e-12),
    "32-true": (LENGTHS, torch.float32, None, 2e-5),
    # eight bits of mantissa: the two paths round differently, layer after layer
    "bf16-mixed": (LENGTHS, torch.float32, torch.bfloat16, 0.1),
    # attention in bf16 too
    "bf16-mixed, long rows": ([60, 64, 50, 41], torch.float32, torch.bfloat16, 0.1),
    "16-mixed": (LENGTHS, torch.float32, torch.float16, 0.015),
}


@pytest.fixture(scope="module", params=PRECISIONS)
def both_paths(request):
    """Tolerance, and logits and gradients of the packed and of the padded path."""
    lengths, dtype, lower, tolerance = PRECISIONS[request.param]
    packed, padded, order = packed_and_padded(lengths)
    model = small_bert(dtype).eval()
    results = []
    for path in ("packed", "padded"):
        model.zero_grad()
        with torch.autocast("cpu", dtype=lower or torch.bfloat16, enabled=lower is not None):
            if path == "packed":
                logits = packed_forward(model)(model, packed, DropoutMasks(0)).to(dtype)
            else:
                logits = model(**padded).logits[order].to(dtype)
        F.cross_entropy(logits, packed.labels).backward()
        results.append((logits.detach(), {n: p.grad for n, p in model.named_parameters()}))
    return tolerance, *results


def test_logits_equal_those_of_the_padded_path(both_paths):
    tolerance, (packed, _), (padded, _) = both_paths
    scale = padded.abs().max().item()
    torch.testing.assert_close(packed, padded, rtol=0, atol=tolerance * scale)


def test_gradients_equal_those_of_the_padded_path(both_paths):
    tolerance, (_, packed), (_, padded) = both_paths
    largest = max(grad.abs().max() for grad in padded.values())
    for name, grad in padded.items():
        error = (packed[name] - grad).abs().max()
        # gradients of key biases are zero in exact arithmetic (docs/pitfalls.md, 28)
        scale = largest if name.endswith("key.bias") else max(grad.abs().max(), 0.01 * largest)
        assert error <= tolerance * scale, name


@pytest.mark.slow
def test_a_trainer_takes_packed_batches_and_dropout_follows_the_seed(tiny_bert):
    packed, _, _ = packed_and_padded([4, 7, 7, 2], vocabulary=60)
    weights = []
    for seed in (1, 1, 2):
        model = load_model(tiny_bert, num_labels=2, seed=0)
        module = GlueClassifier(model, metrics=("accuracy",), lr=1e-3, dropout_seed=seed)
        trainer = L.Trainer(max_steps=3, **SETTINGS)
        trainer.fit(module, torch.utils.data.DataLoader([packed] * 3, batch_size=None))
        weights.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
