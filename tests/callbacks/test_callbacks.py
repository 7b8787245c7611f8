"""The callbacks' arithmetic without a Trainer, and their hooks in a real one."""

import math

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from stablebert.callbacks import (
    BestWeights,
    BiasRatioMonitor,
    ReinitTopLayers,
    ValidationSchedule,
    WeightChangeMonitor,
)
from stablebert.callbacks.best_weights import is_better
from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.callbacks.step_monitor import is_measured_step
from stablebert.callbacks.validation import validation_steps
from stablebert.callbacks.weight_change import snapshot, weight_change, weight_norms
from stablebert.models.architectures import layers
from stablebert.models.loading import load_model
from stablebert.optim.adam import BertAdam
from stablebert.optim.bias_ratio import analytic_bias_ratio

# ---------------------------------------------------------------- pure functions


def test_validation_steps_are_the_released_ones():
    """paper.md, section 2: eleven where ten does not divide the total; trap 23 below ten steps."""
    assert validation_steps(234) == [*range(23, 231, 23), 234]
    assert validation_steps(345) == [*range(34, 341, 34), 345]
    assert validation_steps(540) == list(range(54, 541, 54))
    assert validation_steps(804) == [*range(80, 801, 80), 804]
    assert validation_steps(96) == [*range(9, 91, 9), 96]
    assert len(validation_steps(200)) == 10
    assert validation_steps(7) == [1, 2, 3, 4, 5, 6, 7]
    assert validation_steps(1) == [1]


def test_reading_steps():
    read = [step for step in range(1, 1300) if is_measured_step(step)]
    assert read == [
        *(1, 2, 3, 5, 8, 12, 20, 30, 50, 80),
        *(120, 200, 300, 500, 800, 1200),
    ]


def test_nan_never_wins_and_the_earliest_best_stays():
    assert not is_better(math.nan, None)
    assert is_better(0.0, None)
    assert is_better(-0.2, None)
    assert not is_better(math.nan, 0.1)
    assert not is_better(0.1, 0.1)
    assert is_better(0.2, 0.1)


def test_weight_change_is_a_hand_computed_norm():
    named = {"layer.0": nn.Linear(2, 2), "classifier": nn.Linear(2, 1)}
    with torch.no_grad():
        for p in (p for part in named.values() for p in part.parameters()):
            p.fill_(1.0)
    start = snapshot(named)
    norms = weight_norms(start)
    assert norms.tolist() == pytest.approx([6**0.5, 3**0.5])
    assert weight_change(named, start, norms).tolist() == [[0, 0], [0, 0]]
    named["layer.0"].weight.data += 3.0  # four weights by 3 and
    named["layer.0"].bias.data -= 2.0  # two biases by 2: 36 + 8
    moved, relative = weight_change(named, start, norms).tolist()
    assert moved == pytest.approx([44**0.5, 0])
    assert relative == pytest.approx([(44 / 6) ** 0.5, 0])


@pytest.mark.parametrize("bias_correction", [True, False])
def test_bias_ratio_follows_the_closed_form(tiny_bert, bias_correction):
    """Figure 1: 3.16 at the first step, 6.57 at the peak; whichever update is applied."""
    model = load_model(tiny_bert, num_labels=2, seed=0).double()
    named = layers(model)
    optimizer = BertAdam(model.parameters(), lr=0.0, eps=1e-30, bias_correction=bias_correction)
    assert measure_bias_ratio(optimizer, named) == {}
    rng = torch.Generator().manual_seed(0)
    for step in range(1, 15):
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=rng, dtype=torch.float64)
        optimizer.step()
        found = measure_bias_ratio(optimizer, named)
        expected = analytic_bias_ratio(step, (0.9, 0.999))
        assert found["bias_ratio/analytic"] == expected
        for name in ("embeddings", "layer_00", "layer_01", "pooler", "classifier", "all"):
            assert found[f"bias_ratio/{name}"] == pytest.approx(expected, rel=1e-5), (step, name)
            assert found[f"eps_share/{name}"] == 0
    total = sum(found[f"update_biased/{n}"] ** 2 for n in ("embeddings", "layer_00", "layer_01"))
    total += sum(found[f"update_biased/{n}"] ** 2 for n in ("pooler", "classifier"))
    assert found["update_biased/all"] == pytest.approx(total**0.5)


def test_bias_ratio_of_torch_s_own_adam_and_where_eps_dominates(tiny_bert):
    """Trap 28: key biases have no gradient in exact arithmetic; their share is reported."""
    model = load_model(tiny_bert, num_labels=2, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0, eps=1.0)
    for p in model.parameters():
        p.grad = torch.full_like(p, 0.5)
    model.bert.embeddings.word_embeddings.weight.grad[5:] = 0  # rows that no batch held
    optimizer.step()
    found = measure_bias_ratio(optimizer, layers(model))
    # √v = 0.5 √0.001 < ε: everywhere, also where v̂ = 0.25 would not be
    assert found["eps_share/all"] == 1.0
    biased = 0.05 / (0.5 * 0.001**0.5 + 1)
    corrected = 0.5 / (0.5 + 1)
    assert found["bias_ratio/all"] == pytest.approx(biased / corrected, rel=1e-5)
    seen = sum(p.numel() for p in model.parameters())
    seen -= model.bert.embeddings.word_embeddings.weight[5:].numel()
    assert found["update_biased/all"] == pytest.approx(biased * seen**0.5, rel=1e-5)


# ---------------------------------------------------------------- somebody else's project


class Recorder(Logger):
    """Keeps what is logged, by step."""

    name, version = "recorder", ""

    def __init__(self):
        self.lines = {}

    def log_metrics(self, metrics, step=None):
        self.lines.setdefault(step, {}).update(metrics)

    def log_hyperparams(self, *args, **kwargs):
        pass


class Foreign(L.LightningModule):
    """A module that knows nothing of stablebert but has a BERT as `model`."""

    def __init__(self, folder, rate=1e-3, scores=()):
        super().__init__()
        self.model = load_model(folder, num_labels=2, seed=0)
        self.rate = rate
        self.scores = iter(scores)
        self.validated = []
        self.batches = []

    def training_step(self, batch, _):
        self.batches.append(batch[1].tolist())
        return F.cross_entropy(self.model(input_ids=batch[0]).logits, batch[1])

    def validation_step(self, batch, batch_idx):
        self.model(input_ids=batch[0])

    def on_validation_epoch_end(self):
        self.validated.append(self.trainer.global_step)
        self.log("val/score", next(self.scores, 0.5))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.model.parameters(), lr=self.rate)


def loader(rows, batch_size, shuffle=False, seed=0):
    rng = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randint(5, 60, (rows, 6), generator=rng), torch.arange(rows) % 2)
    own = torch.Generator().manual_seed(seed)
    return DataLoader(data, batch_size, shuffle=shuffle, generator=own)


def fit(module, callbacks, *, rows=32, batch_size=4, recorder=None, **kwargs):
    settings = {
        "accelerator": "cpu",
        "logger": recorder or False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "val_check_interval": 1,
        "check_val_every_n_epoch": None,
        "max_epochs": 3,
    }
    trainer = L.Trainer(callbacks=callbacks, **settings | kwargs)
    trainer.fit(module, loader(rows, batch_size, shuffle=True), loader(8, 8))
    return trainer


@pytest.mark.parametrize(
    ("rows", "accumulate", "total"),
    [(32, 1, 24), (30, 1, 24), (32, 2, 12), (30, 3, 9), (28, 2, 12), (4, 1, 3), (4, 4, 3)],
)
def test_validates_at_exactly_those_optimizer_steps(tiny_bert, rows, accumulate, total):
    """Traps 3, 9, 23: not per epoch, exact under accumulation, the last step included."""
    module = Foreign(tiny_bert)
    trainer = fit(module, [ValidationSchedule()], rows=rows, accumulate_grad_batches=accumulate)
    assert trainer.global_step == total
    assert module.validated == validation_steps(total)


@pytest.mark.parametrize("max_steps", [1, 7, 20])
def test_validates_by_steps_where_epochs_do_not_end(tiny_bert, max_steps):
    module = Foreign(tiny_bert)
    fit(module, [ValidationSchedule()], max_steps=max_steps, max_epochs=-1)
    assert module.validated == validation_steps(max_steps)


def test_other_trainer_settings_are_refused(tiny_bert):
    with pytest.raises(ValueError, match=r"needs Trainer\(val_check_interval=1"):
        fit(Foreign(tiny_bert), [ValidationSchedule()], check_val_every_n_epoch=1)


def test_validating_changes_nothing_that_training_computes(tiny_bert):
    """Trap 4."""
    runs = []
    for times in (1, 10):
        torch.manual_seed(0)
        module = Foreign(tiny_bert)
        trainer = fit(module, [ValidationSchedule(times)])
        runs.append((module, trainer))
    (a, _), (b, _) = runs
    assert len(a.validated) < len(b.validated)
    assert a.batches == b.batches
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_best_weights_are_a_copy_of_the_earliest_best(tiny_bert):
    """Trap 19: on a CPU, what `.cpu().detach()` keeps is the last weights."""
    module = Foreign(tiny_bert, scores=[0.1, math.nan, 0.7, 0.3, 0.7, 0.2])
    best = BestWeights()
    kept = {}

    class Witness(L.Callback):
        def on_validation_end(self, trainer, pl_module):
            kept[trainer.global_step] = [p.detach().clone() for p in pl_module.parameters()]

    fit(module, [ValidationSchedule(6), Witness(), best])
    assert (best.score, best.step) == (pytest.approx(0.7), 12)
    last = [p.detach().clone() for p in module.parameters()]
    assert best.restore(module)
    now = list(module.parameters())
    assert all(torch.equal(p, q) for p, q in zip(now, kept[12], strict=True))
    assert not all(torch.equal(p, q) for p, q in zip(now, last, strict=True))


def test_where_every_score_was_nan_the_last_weights_stay(tiny_bert):
    module = Foreign(tiny_bert, scores=[math.nan] * 3)
    best = BestWeights()
    fit(module, [ValidationSchedule(3), best])
    last = [p.detach().clone() for p in module.parameters()]
    assert not best.restore(module)
    assert best.score is None
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), last, strict=True))


def test_best_weights_names_what_it_can_monitor(tiny_bert):
    with pytest.raises(KeyError, match="'val/f1'; validation logged val/score"):
        fit(Foreign(tiny_bert), [ValidationSchedule(), BestWeights("val/f1")])


def test_monitors_read_at_their_steps_and_at_validations(tiny_bert):
    recorder = Recorder()
    callbacks = [ValidationSchedule(2), BiasRatioMonitor(), WeightChangeMonitor()]
    fit(Foreign(tiny_bert), callbacks, recorder=recorder, rows=36, log_every_n_steps=1000)
    read = [s for s, line in recorder.lines.items() if "bias_ratio/all" in line]
    assert read == [1, 2, 3, 5, 8, 12, 13, 20, 26, 27]
    assert read == [s for s, line in recorder.lines.items() if "weight_change/layer_01" in line]
    for step, line in recorder.lines.items():
        if step in read:
            analytic = analytic_bias_ratio(step, (0.9, 0.999))
            assert line["bias_ratio/analytic"] == pytest.approx(analytic)
            assert line["bias_ratio/classifier"] == pytest.approx(analytic, rel=0.01)
    change = [recorder.lines[s]["weight_change/embeddings"] for s in read]
    assert change[0] > 0  # rate 1e-3 from the first step on, in this foreign project
    assert change[-1] > change[0]


def test_weight_change_starts_after_reinit(tiny_bert):
    recorder = Recorder()
    module = Foreign(tiny_bert, rate=0.0)
    before = module.model.bert.pooler.dense.weight.detach().clone()
    fit(module, [ReinitTopLayers(2), WeightChangeMonitor()], recorder=recorder, max_epochs=1)
    assert not torch.equal(before, module.model.bert.pooler.dense.weight)
    assert {v for k, v in recorder.lines[8].items() if k.startswith("weight_change/")} == {0.0}


def test_reinit_happens_once(tiny_bert):
    """Trap 8: setup runs for every stage; trained weights are not drawn anew for the test."""
    module = Foreign(tiny_bert)
    callback = ReinitTopLayers(1)
    trainer = fit(module, [callback], max_epochs=1)
    trained = [p.detach().clone() for p in module.parameters()]
    trainer.validate(module, loader(8, 8), verbose=False)
    assert callback.layers == ["layer.1", "pooler"]
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), trained, strict=True))


def test_best_weights_beside_weight_averaging_are_the_averaged_ones(tiny_bert):
    """Trap 26: the averaged weights were validated, so they are what is kept."""
    from lightning.pytorch.callbacks import EMAWeightAveraging

    validated = []

    class Witness(Foreign):
        def validation_step(self, batch, batch_idx):
            super().validation_step(batch, batch_idx)
            validated.append(self.model.classifier.weight.detach().clone())

    module = Witness(tiny_bert, scores=[0.1, 0.9, 0.2])
    best = BestWeights()
    fit(module, [ValidationSchedule(3), best, EMAWeightAveraging(decay=0.5)], max_epochs=1)
    best.restore(module)
    assert best.step == 4
    assert torch.equal(module.model.classifier.weight, validated[1])
