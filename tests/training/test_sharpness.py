"""Sharpness-aware minimization against its formula, in a real Trainer."""

import copy

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from torch.utils.data import DataLoader

from stablebert.callbacks import TrainingLossMonitor, TrainPart, ValidationSchedule
from stablebert.losses import fine_tuning_loss
from stablebert.models.loading import load_model
from stablebert.models.surgery import disable_dropout
from stablebert.optim.adam import steps_taken
from stablebert.optim.sharpness import ascend
from stablebert.packed.dropout import DropoutMasks
from stablebert.training.module import GlueClassifier
from tests.helpers.foreign import SETTINGS, Recorder
from tests.helpers.packing import packed_and_padded, small_bert

RHO = 0.5


def batches(rows=8, batch_size=8):
    """Batches of random rows without padding."""
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (rows, 7), generator=rng)
    data = [
        {"input_ids": row, "attention_mask": torch.ones_like(row), "labels": torch.tensor(i % 2)}
        for i, row in enumerate(ids)
    ]
    return DataLoader(data, batch_size)


class Gradients(L.Callback):
    """Gradients and weights as the optimizer receives them at each step."""

    def __init__(self):
        self.gradients, self.weights = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.gradients.append({n: p.grad.clone() for n, p in named(pl_module)})
        self.weights.append({n: p.detach().clone() for n, p in named(pl_module)})


def named(module):
    return [(n, p) for n, p in module.named_parameters() if p.grad is not None]


def classifier(folder, *, dropout=True, sam=RHO, rdrop=0.0):
    model = load_model(folder, num_labels=2, seed=0)
    if not dropout:
        disable_dropout(model)
    return GlueClassifier(model, metrics=["accuracy"], lr=1e-3, warmup=0.0, sam=sam, rdrop=rdrop)


def fit(module, *callbacks, loader=None, **settings):
    """Train for one step, unless the settings say otherwise."""
    seen = Gradients()
    trainer = L.Trainer(
        callbacks=[ValidationSchedule(1), *callbacks, seen],
        **SETTINGS | {"max_steps": 1, "max_epochs": -1} | settings,
    )
    trainer.fit(module, loader or batches(), batches())
    return seen, trainer


def uphill_gradient(model, batch):
    """Return ∇L(w + RHO ∇L(w) / ‖∇L(w)‖) by name, for a model without dropout."""
    model, inputs = copy.deepcopy(model), {k: v for k, v in batch.items() if k != "labels"}

    def gradients():
        model.zero_grad()
        fine_tuning_loss(model(**inputs).logits, batch["labels"]).backward()
        return {n: p.grad.clone() for n, p in named(model)}

    first = gradients()
    norm = sum(g.square().sum() for g in first.values()).sqrt()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in first:
                p += RHO * first[name] / norm
    return {f"model.{name}": g for name, g in gradients().items()}


def test_the_ascent_has_the_length_and_the_direction_of_the_formula():
    """In float64 with numpy, with one norm over several tensors."""
    rng = np.random.default_rng(0)
    w, g = [[rng.normal(size=shape) for shape in ((3, 2), (4,))] for _ in range(2)]
    tensors = [torch.tensor(x) for x in w]
    start = ascend(tensors, [torch.tensor(x * 7) for x in g], RHO)
    norm = np.sqrt(sum((x**2).sum() for x in g))
    for tensor, before, x, y in zip(tensors, start, w, g, strict=True):
        np.testing.assert_allclose(tensor.numpy(), x + RHO * y / norm, rtol=1e-12)
        np.testing.assert_array_equal(before.numpy(), x)


def test_the_ascent_stays_in_place_where_the_gradient_is_zero():
    weight = torch.ones(3)
    ascend([weight], [torch.zeros(3)], RHO)
    assert torch.equal(weight, torch.ones(3))


@pytest.mark.slow
class TestTraining:
    @pytest.mark.parametrize("micro_batches", [1, 2])
    def test_the_gradient_is_that_of_the_weights_uphill(self, tiny_bert, micro_batches):
        """With accumulation, the mean of the micro-batches' gradients, each at its own weights."""
        module = classifier(tiny_bert, dropout=False).double()
        start = copy.deepcopy(module.model)
        loader = batches(8, 8 // micro_batches)
        seen, _ = fit(module, loader=loader, accumulate_grad_batches=micro_batches)
        twins = [uphill_gradient(start, batch) for batch in loader]
        for name, gradient in seen.gradients[0].items():
            expected = sum(twin[name] for twin in twins) / micro_batches
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-8)

    def test_the_weights_are_back_before_the_optimizer_s_step(self, tiny_bert):
        module = classifier(tiny_bert)
        start = copy.deepcopy(module)
        seen, _ = fit(module)
        parameters = dict(start.named_parameters())
        assert all(torch.equal(p, parameters[n]) for n, p in seen.weights[0].items())

    def test_the_logged_loss_is_that_of_the_weights_themselves(self, tiny_bert):
        losses = []
        for sam in (0.0, RHO):
            recorder = Recorder()
            fit(classifier(tiny_bert, sam=sam), TrainingLossMonitor(), logger=recorder)
            losses.append(recorder.lines[1]["train/loss"])
        assert losses[0] == losses[1]

    @pytest.mark.parametrize("rdrop", [0.0, 1.0])
    def test_both_passes_draw_the_masks_of_standard(self, tiny_bert, rdrop):
        masks = []
        for sam in (0.0, RHO):
            module = classifier(tiny_bert, sam=sam, rdrop=rdrop)
            drop, drawn = module.model.bert.embeddings.dropout, []
            drop.register_forward_hook(
                lambda m, i, o, drawn=drawn: drawn.append((o == 0) & (i[0] != 0))
            )
            fit(module, max_steps=2, limit_val_batches=0)
            masks.append(drawn)
        passes = 2 if rdrop else 1
        steps = [masks[0][i : i + passes] for i in (0, passes)]
        expected = [mask for step in steps for mask in step + step]
        assert not torch.equal(masks[0][0], masks[0][-1])
        assert len(masks[1]) == len(expected)
        assert all(torch.equal(a, b) for a, b in zip(masks[1], expected, strict=True))

    def test_packed_batches_have_the_same_masks_in_both_passes(self, monkeypatch):
        drawn, draw = [], DropoutMasks.dropped_indices

        def record(masks, n, p):
            drawn.append(draw(masks, n, p))
            return drawn[-1]

        monkeypatch.setattr(DropoutMasks, "dropped_indices", record)
        packed, _, _ = packed_and_padded()
        module = GlueClassifier(small_bert(), metrics=["accuracy"], sam=RHO)
        fit(module, loader=DataLoader([packed], batch_size=None), limit_val_batches=0)
        first, second = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
        assert first
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

    @pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
    def test_mixed_precision_computes_the_second_pass_with_the_moved_weights(
        self, tiny_bert, precision
    ):
        """Autocast's cache, which Lightning turns off, would give the logits of the first pass."""
        logits, settings = [], {"precision": precision}
        if precision == "16-mixed":
            scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
            settings = {"plugins": [MixedPrecision("16-mixed", device="cpu", scaler=scaler)]}
        module = classifier(tiny_bert, dropout=False, sam=5.0)
        hook = module.model.classifier.register_forward_hook
        hook(lambda m, i, o: logits.append(o.detach().clone()))
        fit(module, TrainPart(["classifier"]), limit_val_batches=0, **settings)
        first, second = logits
        assert not torch.allclose(first, second, atol=0.01)

    def test_an_ascent_that_overflows_is_a_skipped_step(self, tiny_bert):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
        precision = MixedPrecision("16-mixed", device="cpu", scaler=scaler)
        module = classifier(tiny_bert)
        _, trainer = fit(module, plugins=[precision], max_steps=60)
        assert 0 < steps_taken(trainer.optimizers[0]) < 60
        assert all(p.isfinite().all() for p in module.parameters())
