"""The LightningModule in a real Trainer: precision, clipping, accumulation, seeds, losses."""

import lightning as L
import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from torch.utils.data import DataLoader

from stablebert.callbacks import ReinitTopLayers, ValidationSchedule
from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.config.compose import compose
from stablebert.glue.batches import Permutations
from stablebert.losses import fine_tuning_loss
from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.models.surgery import disable_dropout
from stablebert.optim.adam import BertAdam, steps_taken
from stablebert.optim.bias_ratio import analytic_bias_ratio
from stablebert.packed.batch import PackedBatch
from stablebert.packed.dropout import DropoutMasks
from stablebert.runs.locate import locate
from stablebert.tasks import TASKS
from stablebert.training.build import build_parts
from stablebert.training.module import GlueClassifier
from tests.helpers.foreign import SETTINGS
from tests.helpers.optimizers import CORRECTIONS

pytestmark = pytest.mark.slow


class Rows(torch.utils.data.Dataset):
    """Random token rows in the form of GLUE's batches."""

    def __init__(self, n, regression=False):
        rng = torch.Generator().manual_seed(0)
        self.ids = torch.randint(5, 60, (n, 7), generator=rng)
        labels = torch.arange(n) % 2
        self.labels = labels.float() * 5 if regression else labels

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        mask = torch.ones_like(self.ids[i])
        ids = self.ids[i]
        return {"input_ids": ids, "attention_mask": mask, "labels": self.labels[i]}


def loader(n=32, batch_size=4, **kwargs):
    own = torch.Generator()
    return DataLoader(Rows(n, **kwargs), batch_size, sampler=Permutations(n, 0), generator=own)


def classifier(folder, num_labels=2, task="rte", seed=0, **kwargs):
    model = load_model(folder, num_labels=num_labels, seed=seed)
    return GlueClassifier(model, metrics=TASKS[task].metrics, **kwargs)


def trainer(*callbacks, **kwargs):
    settings = {**SETTINGS, "max_epochs": 1, **kwargs}
    return L.Trainer(callbacks=[ValidationSchedule(1), *callbacks], **settings)


class Norms(L.Callback):
    """Gradient norms as the optimizer receives them."""

    def __init__(self):
        self.norms = []

    def on_train_start(self, trainer, pl_module):
        (optimizer,) = trainer.optimizers
        step = optimizer.step

        def watched_step(*args, **kwargs):
            closure = kwargs.get("closure", args[0] if args else None)
            result = closure() if closure else None  # Lightning computes gradients inside the step
            grads = [p.grad for p in pl_module.parameters() if p.grad is not None]
            self.norms.append(torch.nn.utils.get_total_norm(grads).item())
            step()
            return result

        optimizer.step = watched_step


PRECISIONS = {
    "32-true": {"precision": "32-true"},
    "bf16-mixed": {"precision": "bf16-mixed"},
    # real fp16 with a gradient scaler, on the CPU (docs/pitfalls.md, 24)
    "16-mixed": {"fp16": 2.0**10},
}


def plugin(scale):
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return MixedPrecision("16-mixed", device="cpu", scaler=scaler)


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_gradients_are_clipped_in_every_precision(tiny_bert, precision, bias_correction):
    """docs/pitfalls.md, 5: Lightning refuses to clip for torch's fused AdamW in mixed precision."""
    settings = dict(PRECISIONS[precision])
    if "fp16" in settings:
        settings["plugins"] = [plugin(settings.pop("fp16"))]
    norms = {}
    for limit in (None, 0.05):
        watch = Norms()
        module = classifier(tiny_bert, lr=1e-3, bias_correction=bias_correction)
        run = trainer(watch, gradient_clip_val=limit, **settings)
        run.fit(module, loader(), loader(8))
        assert isinstance(run.optimizers[0], BertAdam)
        norms[limit] = watch.norms
    assert len(norms[0.05]) == 8
    assert min(norms[None]) > 0.06
    assert norms[0.05] == pytest.approx([0.05] * 8, rel=1e-3)


class Gradients(L.Callback):
    """Gradients of every parameter before and after clipping, in float64."""

    def __init__(self):
        self.before, self.after = [], []

    @staticmethod
    def copy(pl_module):
        return [p.grad.double().clone() for p in pl_module.parameters() if p.grad is not None]

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.before.append(self.copy(pl_module))

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        if any(p.grad is not None for p in pl_module.parameters()):
            self.after.append(self.copy(pl_module))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_component_is_clipped_by_its_own_norm_in_every_precision(tiny_bert, precision):
    """g min(1, c / |g|) for each matrix and vector, whatever the loss scale."""
    settings = dict(PRECISIONS[precision])
    if "fp16" in settings:
        settings["plugins"] = [plugin(settings.pop("fp16"))]
    seen, limit = Gradients(), 0.05
    module = classifier(tiny_bert, lr=1e-3, clip_by="component")
    trainer(seen, gradient_clip_val=limit, accumulate_grad_batches=2, **settings).fit(
        module, loader(), loader(8)
    )
    norms = [g.norm().item() for step in seen.before for g in step]
    assert min(norms) < 0.04 < 0.06 < max(norms)
    assert len(seen.before) > 1
    for before, after in zip(seen.before[:-1], seen.after, strict=True):
        for g, clipped in zip(before, after, strict=True):
            torch.testing.assert_close(clipped, g * min(1, limit / g.norm()), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_the_bias_ratio_counts_no_step_that_fp16_skips(tiny_bert, bias_correction):
    """docs/pitfalls.md, 7 and 24: Lightning's global_step counts steps that overflowed."""
    module = classifier(tiny_bert, lr=1e-3, bias_correction=bias_correction)
    run = trainer(plugins=[plugin(2.0**40)])
    run.fit(module, loader(400), loader(8))
    (optimizer,) = run.optimizers
    step_count = steps_taken(optimizer)
    assert run.global_step == 100
    assert 0 < step_count < 100
    assert all(torch.isfinite(p).all() for p in module.parameters())
    ratio = measure_bias_ratio(optimizer, layers(module.model))["bias_ratio/classifier"]
    assert ratio == pytest.approx(analytic_bias_ratio(step_count, (0.9, 0.999)), rel=1e-3)


@pytest.mark.parametrize("rows", [32, 30, 26])
def test_accumulated_micro_batches_equal_one_batch(tiny_bert, rows):
    """docs/pitfalls.md, 9: also the incomplete batch at the end of an epoch, by its rows."""
    weights = []
    for batch_size, accumulate in ((8, 1), (2, 4), (4, 2)):
        module = classifier(tiny_bert, lr=1e-3).double()
        disable_dropout(module.model)
        run = trainer(accumulate_grad_batches=accumulate, gradient_clip_val=1.0, max_epochs=2)
        run.fit(module, loader(rows, batch_size), loader(8))
        assert run.global_step == 2 * -(-rows // 8)
        weights.append(torch.cat([p.flatten() for p in module.parameters()]))
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=1e-4, atol=1e-7)


def test_micro_batches_of_a_limited_epoch_equal_those_of_as_many_rows(tiny_bert):
    """Three batches of 2: the last step has one micro-batch, though more rows exist."""
    weights = []
    for rows in (32, 6):
        module = classifier(tiny_bert, lr=1e-3).double()
        disable_dropout(module.model)
        run = trainer(accumulate_grad_batches=2, limit_train_batches=3, gradient_clip_val=1.0)
        data = torch.utils.data.Subset(Rows(32), range(rows))
        run.fit(module, DataLoader(data, 2), loader(8))
        moments = run.optimizers[0].state[module.model.classifier.bias]["exp_avg"]
        weights.append(moments)
    assert torch.equal(*weights)


def test_a_training_without_an_end_is_refused(tiny_bert):
    settings = SETTINGS | {"max_epochs": -1}
    with pytest.raises(ValueError, match="GlueClassifier needs a Trainer that knows the number"):
        L.Trainer(**settings).fit(classifier(tiny_bert), loader())


def test_an_interrupted_validation_leaves_no_predictions_to_the_next(tiny_bert):
    module = classifier(tiny_bert)
    module._outputs.append((torch.zeros(3, 2), torch.zeros(3)))
    L.Trainer(**SETTINGS).validate(module, loader(8), verbose=False)
    assert len(module.predictions["val"].labels) == 8


class MaskRecorder(L.Callback):
    """Dropout masks of the embeddings in training."""

    def __init__(self):
        self.masks = []

    def on_train_start(self, trainer, pl_module):
        drop = pl_module.model.bert.embeddings.dropout
        drop.register_forward_hook(lambda m, i, o: self.masks.append((o == 0) & (i[0] != 0)))


@pytest.fixture(scope="module")
def draws(tiny_bert):
    """Dropout masks and head of Standard, of Re-init, and of Standard with another seed."""
    results = {}
    for name, extra, seed in (
        ("standard", [], 0),
        ("reinit", [ReinitTopLayers(1, seed=0)], 0),
        ("other seed", [], 1),
    ):
        torch.manual_seed(len(results))  # whatever was drawn before
        recorder = MaskRecorder()
        module = classifier(tiny_bert, dropout_seed=seed)
        head = module.model.classifier.weight.detach().clone()
        trainer(recorder, *extra).fit(module, loader(), loader(8))
        results[name] = recorder.masks, head
    return results


def test_dropout_is_on(draws):
    masks, _ = draws["standard"]
    assert 0.05 < masks[0].float().mean() < 0.15


def test_methods_with_one_seed_share_masks_and_head(draws):
    """Standard and Re-init differ in the re-initialized layers alone."""
    (masks, head), (other_masks, other_head) = draws["standard"], draws["reinit"]
    assert torch.equal(head, other_head)
    assert len(masks) == 10  # eight training batches and two of validation
    assert all(torch.equal(*pair) for pair in zip(masks, other_masks, strict=True))


def test_another_seed_draws_other_masks(draws):
    assert not torch.equal(draws["standard"][0][0], draws["other seed"][0][0])


def test_the_loss_of_a_regression_is_the_mean_squared_error():
    loss = fine_tuning_loss(torch.tensor([[2.0], [5.0]]), torch.tensor([1.0, 3.0]))
    assert loss.item() == 2.5


@pytest.fixture(scope="module")
def regression(tiny_bert):
    """Trainer and module of a regression on scores of 0 and 5."""
    module = classifier(tiny_bert, num_labels=1, task="stsb", lr=1e-2)
    run = trainer(max_epochs=30)
    run.fit(module, loader(16, 8, regression=True), loader(8, 8, regression=True))
    return run, module


def test_regression_is_mean_squared_error_on_raw_scores(regression):
    run, module = regression
    assert module.predictions["val"].labels.max() == 5.0
    assert run.callback_metrics["val/loss"] < 6.25  # the loss of predicting the mean of 0 and 5


def test_the_score_of_a_regression_is_spearman_s_correlation(regression):
    run, _ = regression
    assert run.callback_metrics["val/score"] == run.callback_metrics["val/spearman"]


def test_a_packed_batch_needs_a_packed_forward_pass(monkeypatch):
    module = GlueClassifier(torch.nn.Linear(1, 1), metrics=["accuracy"])
    monkeypatch.setattr("stablebert.training.module.packed_forward", lambda model: None)
    batch = PackedBatch.__new__(PackedBatch)
    with pytest.raises(ValueError, match="Linear has no packed forward pass"):
        module(batch)


class FailingStep(L.Callback):
    """Callback that ends a fit with an exception after its first step."""

    def on_train_batch_end(self, *args):
        raise ArithmeticError


def test_a_fit_after_a_failed_one_captures_its_steps_again(run_arguments, monkeypatch):
    """Between the two, the weights were on the host, so they have other addresses on the GPU."""
    captures = []

    def capture(model, forward, shape):
        captures.append(shape)
        return lambda batch: forward(model, batch, DropoutMasks(0))

    monkeypatch.setattr("stablebert.training.module.CapturedForward", capture)
    parts = build_parts(locate(compose(run_arguments())), [], [])
    parts.module.captured_shape = parts.data.captured_shape()
    with pytest.raises(ArithmeticError):
        trainer(FailingStep()).fit(parts.module, parts.data)
    assert len(captures) == 1
    trainer(limit_train_batches=2).fit(parts.module, parts.data)
    assert len(captures) == 2
