"""Batches of a fixed shape: their tokens, and logits and gradients through the padded attention."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stablebert.config.compose import compose
from stablebert.errors import ActionableError
from stablebert.models.adapters import add_adapters
from stablebert.models.loading import load_model
from stablebert.models.location import packed_forward
from stablebert.models.surgery import train_embedding_rows
from stablebert.packed import attention, forward
from stablebert.packed.capture import BatchShape, CapturedForward, extend
from stablebert.packed.dropout import DropoutMasks
from stablebert.training.build import use_capture
from tests.helpers.architectures import write_architecture
from tests.helpers.packing import LENGTHS, packed_and_padded, small_bert

ROWS, LONGEST, TOKENS = len(LENGTHS), max(LENGTHS), sum(LENGTHS)


@pytest.fixture
def padded_attention(monkeypatch):
    """Attention of a GPU, on the CPU."""

    def attend(q, k, v, batch, *, heads, p, masks, first_only=False):
        return attention._padded_attention(q, k, v, batch, heads=heads, p=p, first_only=first_only)

    monkeypatch.setattr(forward, "packed_attention", attend)


def logits_and_gradients(model, batch):
    """Return the logits and gradients of a batch as one vector."""
    model.zero_grad()
    logits = packed_forward(model)(model, batch, DropoutMasks(0))
    F.cross_entropy(logits, batch.labels).backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat([logits.detach().flatten(), *gradients])


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS + 31, ROWS * 64], ids=["none", "some", "all"])
def test_logits_and_gradients_do_not_depend_on_added_tokens(padded_attention, tokens):
    packed, *_ = packed_and_padded()
    model = small_bert(torch.float64).eval()
    train_embedding_rows(model, packed.input_ids.unique())  # without a row for padding
    extended = extend(packed, BatchShape(ROWS, 64, tokens))
    results = [logits_and_gradients(model, batch) for batch in (packed, extended)]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", ["roberta", "electra", "bert+lora", "bert+ia3"])
def test_neither_do_those_of_other_architectures_and_adapters(
    padded_attention, tiny_bert, tmp_path, kind
):
    architecture, _, adapter = kind.partition("+")
    write_architecture(architecture, tmp_path, tiny_bert)
    model = load_model(tmp_path, num_labels=2, seed=0).double().eval()
    if adapter:
        add_adapters(model, kind=adapter)
    packed, *_ = packed_and_padded(vocabulary=40)
    packed = replace(packed, token_type_ids=torch.zeros_like(packed.input_ids))  # RoBERTa has one
    extended = extend(packed, BatchShape(ROWS, 64, TOKENS + 31))
    results = [logits_and_gradients(model, batch) for batch in (packed, extended)]
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-10)


def test_added_tokens_take_different_places_in_padding():
    packed, *_ = packed_and_padded()
    extended = extend(packed, BatchShape(ROWS, 64, TOKENS + 31))
    assert extended.input_ids[:TOKENS].equal(packed.input_ids)
    assert len(extended.input_ids) == len(extended.padded_indices.unique()) == TOKENS + 31
    is_real = extended.attention_mask.flatten()[extended.padded_indices]
    assert is_real.tolist() == [True] * TOKENS + [False] * 31
    assert extended.attention_mask.sum(1).tolist() == sorted(LENGTHS, reverse=True)


def test_a_shape_fits_all_batches_that_it_was_made_for():
    batches = [np.array([5, 9]), np.array([40, 31])]
    assert BatchShape.of(batches, longest=45) == BatchShape(rows=2, length=48, tokens=96)
    assert BatchShape.of([np.array([15, 16])] * 2, longest=16).tokens == 32  # no more than padded


@pytest.mark.parametrize(
    "shape",
    [
        BatchShape(ROWS, LONGEST, TOKENS - 1),
        BatchShape(ROWS, LONGEST - 1, TOKENS),
        BatchShape(ROWS + 1, LONGEST, TOKENS),
    ],
    ids=["tokens", "length", "rows"],
)
def test_a_batch_that_does_not_fit_is_recognized(shape):
    packed, *_ = packed_and_padded()
    assert BatchShape(ROWS, LONGEST, TOKENS).fits(packed)
    assert not shape.fits(packed)


@pytest.fixture
def captured(padded_attention, monkeypatch):
    """Model, and its captured forward pass where the CPU computes instead of a graph."""
    monkeypatch.setattr(
        torch.cuda, "make_graphed_callables", lambda step, example, allow_unused_input: step
    )
    model = small_bert(torch.float64).eval()
    return model, CapturedForward(model, forward.bert_logits, BatchShape(ROWS, 64, TOKENS + 31))


@pytest.mark.parametrize("rows", [ROWS, ROWS - 1], ids=["captured", "as usual"])
def test_a_batch_that_fits_or_not_has_its_logits(captured, rows):
    packed, *_ = packed_and_padded(LENGTHS[:rows])
    model, captured_forward = captured
    expected = forward.bert_logits(model, packed, DropoutMasks(0))
    for _ in range(2):
        torch.testing.assert_close(captured_forward(packed), expected, rtol=1e-9, atol=1e-10)


def freeze(parameter):
    parameter.requires_grad_(False)


def move(parameter):
    parameter.data = parameter.data.clone()


@pytest.mark.parametrize("change", [freeze, move])
def test_parameters_that_a_graph_would_not_follow_are_refused(captured, change):
    packed, *_ = packed_and_padded()
    model, captured_forward = captured
    change(model.classifier.weight)  # before the first step, it is captured as it is
    captured_forward(packed)
    change(model.bert.pooler.dense.weight)
    with pytest.raises(ActionableError, match=r"moved, frozen or unfrozen.*trainer.packing=packed"):
        captured_forward(packed)


def test_a_failed_capture_names_the_reason_and_the_way_out(captured, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("operation not permitted when stream is capturing\ndetails")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fail)
    packed, *_ = packed_and_padded()
    _, captured_forward = captured
    with pytest.raises(ActionableError) as error:
        captured_forward(packed)
    assert str(error.value) == (
        "training steps cannot be captured as a CUDA graph (operation not permitted when stream "
        "is capturing); use trainer.packing=packed"
    )


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("trainer.accelerator=cpu", "there is no GPU"),
        ("method=rdrop", "two passes per step"),
        ("method=sam", "two passes per step"),
        ("trainer.accumulate=2", "overwrites the gradients"),
        ("method=mixout", "Mixout replaces modules"),
    ],
)
def test_capture_is_refused_where_it_would_be_wrong(monkeypatch, override, reason):
    is_cpu = override.endswith("cpu")
    monkeypatch.setattr(
        "stablebert.training.build.choose_device", lambda cfg: "cpu" if is_cpu else "cuda"
    )
    asked = compose(["scale=demo", override, "trainer.packing=captured"])
    with pytest.raises(ValueError, match=reason):
        use_capture(asked, packed=True)
    assert not use_capture(compose(["scale=demo", override]), packed=True)


def test_a_gpu_captures_packed_steps_unless_another_layout_is_requested(monkeypatch):
    monkeypatch.setattr("stablebert.training.build.choose_device", lambda cfg: "cuda")
    cfg = compose(["scale=demo"])
    assert use_capture(cfg, packed=True)
    assert not use_capture(cfg, packed=False)
    assert not use_capture(compose(["scale=demo", "trainer.packing=packed"]), packed=True)
