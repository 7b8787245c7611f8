"""The weights of the best validation."""

import copy
import math

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from stablebert.callbacks import BestWeights, ValidationSchedule
from stablebert.callbacks.best_weights import is_better
from stablebert.config.compose import compose
from stablebert.models.loading import load_model
from stablebert.models.surgery import train_embedding_rows
from stablebert.training.build import build_averaging
from stablebert.training.module import GlueClassifier
from tests.helpers.foreign import SETTINGS, ForeignModule, fit_foreign
from tests.helpers.trainers import OUTSIDE_OF_A_FIT, OneWeight, trainer_at


@pytest.mark.parametrize(
    ("score", "best", "better"),
    [
        (math.nan, None, False),
        (math.nan, 0.1, False),
        (0.0, None, True),
        (-0.2, None, True),
        (0.1, 0.1, False),
        (0.2, 0.1, True),
    ],
)
def test_nan_never_wins_and_the_earliest_best_stays(score, best, better):
    assert is_better(score, best) == better


def validate(best, module, score, step=1, **attributes):
    """Call the hooks of one validation."""
    metrics = {"val/score": torch.tensor(score), "val/loss": torch.tensor(step / 2)}
    trainer = trainer_at(step, callback_metrics=metrics, **attributes)
    best.on_validation_epoch_end(trainer, module)
    best.on_validation_end(trainer, module)


def validate_in_order(scores):
    """Return callback and module of a fit whose k-th validation is at step k with weight k."""
    best, module = BestWeights(), OneWeight()
    best.setup(trainer_at(), module, "fit")
    for step, score in enumerate(scores, start=1):
        module.set(step)
        validate(best, module, score, step)
    return best, module


def test_nothing_is_best_before_the_first_validation():
    best = BestWeights()
    assert (best.score, best.step, best.metrics) == (None, None, {})


ORDERS = {
    (0.5,): 1,
    (0.25, 0.75, 0.5): 2,
    (0.25, 0.5, 0.75): 3,
    (0.75, 0.5, 0.75): 1,
    (math.nan, 0.5, math.nan): 2,
    (0.25, 0.75, 0.5, 1.0, 0.125, 0.5): 4,
}
"""Scores, and the number of the best validation."""


@pytest.mark.parametrize("scores", ORDERS)
def test_weights_of_the_best_validation_are_restored(scores):
    """Later validations and steps, which change the weights in place, leave the copy alone."""
    best, module = validate_in_order(scores)
    module.set(99.0)
    assert best.restore(module)
    assert module.weight.item() == ORDERS[scores]


@pytest.mark.parametrize("scores", ORDERS)
def test_score_and_step_are_those_of_the_best_validation(scores):
    best, _ = validate_in_order(scores)
    step = ORDERS[scores]
    assert (best.score, best.step) == (scores[step - 1], step)


def test_metrics_are_everything_that_the_best_validation_logged():
    best, _ = validate_in_order((0.25, 0.75, 0.5))
    assert best.metrics == {"val/score": 0.75, "val/loss": 1.0}


@pytest.mark.parametrize("scores", [(0.5,), (0.25, 0.5)])
def test_nothing_changes_where_the_last_weights_are_the_best(scores):
    best, module = validate_in_order(scores)
    assert not best.restore(module)
    assert module.weight.item() == len(scores)


def test_nothing_is_restored_when_no_validation_had_a_score():
    best, module = validate_in_order((math.nan, math.nan))
    assert not best.restore(module)
    assert module.weight.item() == 2


@pytest.mark.parametrize("case", OUTSIDE_OF_A_FIT)
def test_validations_outside_of_training_do_not_count(case):
    best, module = validate_in_order((0.25,))
    module.set(9.0)
    validate(best, module, 0.75, 9, **OUTSIDE_OF_A_FIT[case])
    assert (best.score, best.step, best.state["weights"]["weight"].item()) == (0.25, 1, 1)


def test_the_score_of_the_first_process_counts(monkeypatch):
    monkeypatch.setattr(SingleDeviceStrategy, "broadcast", lambda self, x, src=0: 0.125)
    assert validate_in_order((0.75,))[0].score == 0.125


def test_a_key_that_was_not_logged_is_reported():
    best, module = BestWeights("val/f1"), OneWeight()
    best.setup(trainer_at(), module, "fit")
    message = "BestWeights monitors 'val/f1'; validation logged val/loss, val/score"
    with pytest.raises(KeyError, match=message):
        validate(best, module, 0.5)


def test_a_validation_that_logs_nothing_is_reported():
    with pytest.raises(KeyError, match="validation logged nothing"):
        BestWeights().on_validation_end(trainer_at(callback_metrics={}), OneWeight())


def test_a_second_fit_forgets_the_best_of_the_first():
    best, _ = validate_in_order((0.75,))
    best.setup(trainer_at(), OneWeight(), "fit")
    assert (best.score, best.state["weights"]) == (None, {})


def test_a_second_fit_may_have_weights_of_another_shape():
    best, _ = validate_in_order((0.75, 0.5))
    module = OneWeight()
    module.weight = torch.nn.Parameter(torch.ones(3))
    best.setup(trainer_at(), module, "fit")
    validate(best, module, 0.25)
    assert best.state["weights"]["weight"].tolist() == [1, 1, 1]


def test_a_resumed_fit_keeps_the_best_of_its_checkpoint():
    saved = copy.deepcopy(validate_in_order((0.75,))[0].state_dict())
    best, module = BestWeights(), OneWeight()
    best.setup(trainer_at(), module, "fit")
    best.load_state_dict(saved)
    validate(best, module, 0.5, step=2)
    assert (best.score, best.step, best.state["weights"]["weight"].item()) == (0.75, 1, 1)


def parameters(module):
    return [p.detach().clone() for p in module.parameters()]


def all_equal(a, b):
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def trained(tiny_bert):
    """Module and callback after six validations, and the weights at each."""
    module = ForeignModule(tiny_bert, scores=[0.1, math.nan, 0.7, 0.3, 0.7, 0.2])
    best, weights = BestWeights(), {}

    class Witness(L.Callback):
        def on_validation_end(self, trainer, pl_module):
            weights[trainer.global_step] = parameters(pl_module)

    fit_foreign(module, [ValidationSchedule(6), Witness(), best])
    return module, best, weights


@pytest.mark.slow
def test_the_earliest_best_validation_is_selected(trained):
    _, best, _ = trained
    assert (best.score, best.step) == (pytest.approx(0.7), 12)


@pytest.mark.slow
def test_best_weights_are_a_copy_of_the_earliest_best(trained):
    """On a CPU, `.cpu().detach()` is the live weights, so the last (docs/pitfalls.md, 19)."""
    module, best, weights = trained
    assert not all_equal(weights[12], weights[24])
    assert best.restore(module)
    assert all_equal(parameters(module), weights[12])


@pytest.mark.slow
def test_the_last_weights_stay_when_every_score_was_nan(tiny_bert):
    module, best = ForeignModule(tiny_bert, scores=[math.nan] * 3), BestWeights()
    fit_foreign(module, [ValidationSchedule(3), best])
    last = parameters(module)
    assert not best.restore(module)
    assert best.score is None
    assert all_equal(parameters(module), last)


@pytest.mark.slow
def test_processes_of_several_devices_keep_the_same_weights(tiny_bert, monkeypatch):
    """Each may log a score of its own rows; the first one's counts."""
    first = iter([0.1, 0.9, 0.2])
    monkeypatch.setattr(
        SingleDeviceStrategy, "broadcast", lambda self, x, src=0: next(first) if x == 0.5 else x
    )
    best = BestWeights()
    fit_foreign(ForeignModule(tiny_bert), [ValidationSchedule(3), best])
    assert (best.score, best.step) == (0.9, 16)


@pytest.mark.slow
def test_an_unknown_key_is_refused_with_those_that_were_logged(tiny_bert):
    with pytest.raises(KeyError, match="'val/f1'; validation logged val/score"):
        fit_foreign(ForeignModule(tiny_bert), [ValidationSchedule(), BestWeights("val/f1")])


@pytest.mark.slow
def test_best_weights_beside_weight_averaging_are_the_averaged_ones(tiny_bert):
    """They were validated, so they are kept (docs/pitfalls.md, 26)."""
    from lightning.pytorch.callbacks import EMAWeightAveraging

    validated = []

    class Witness(ForeignModule):
        def validation_step(self, batch, batch_idx):
            super().validation_step(batch, batch_idx)
            validated.append(self.model.classifier.weight.detach().clone())

    module = Witness(tiny_bert, scores=[0.1, 0.9, 0.2])
    best = BestWeights()
    averaging = EMAWeightAveraging(decay=0.5)
    fit_foreign(module, [ValidationSchedule(3), best, averaging], max_epochs=1)
    best.restore(module)
    assert best.step == 4
    assert torch.equal(module.model.classifier.weight, validated[1])


@pytest.fixture(scope="module")
def averaged(tiny_bert, callback_data):
    """A training of six steps with `ema.decay=0.8`: module, callbacks, and averages by hand.

    a_1 = w_1, a_t = d a_{t-1} + (1-d) w_t, from the weights after each step.
    """
    model = load_model(tiny_bert, num_labels=2, seed=0)
    module = GlueClassifier(model, metrics=["accuracy"], lr=1e-2)
    data = callback_data("rte", batch_size=16, packed=True)
    train_embedding_rows(model, torch.from_numpy(data.vocabulary()))  # adds integer buffers

    class Witness(L.Callback):
        live, validated = [], []

        def on_train_batch_end(self, trainer, pl_module, *args):
            self.live.append(copy.deepcopy(pl_module.model.classifier.weight.detach()))

        def on_validation_epoch_end(self, trainer, pl_module):
            self.validated.append(copy.deepcopy(pl_module.model.classifier.weight.detach()))

    witness, best = Witness(), BestWeights("val/loss")
    averaging = build_averaging(compose(["ema.decay=0.8", "trainer.accelerator=cpu"]))
    callbacks = [ValidationSchedule(2), witness, best, *averaging]
    L.Trainer(max_steps=6, callbacks=callbacks, **SETTINGS).fit(module, datamodule=data)
    average, averages = witness.live[0], []
    for weight in witness.live:
        average = 0.8 * average + 0.2 * weight
        averages.append(average)
    assert len(averages) == 6
    return module, best, witness, averages


@pytest.mark.slow
def test_the_average_is_validated(averaged):
    _, _, witness, averages = averaged
    torch.testing.assert_close(witness.validated, [averages[2], averages[5]])


@pytest.mark.slow
def test_the_average_is_left_at_the_end_and_differs_from_the_last_weights(averaged):
    module, best, witness, averages = averaged
    final = copy.deepcopy(module)
    torch.testing.assert_close(
        best.state["weights"]["model.classifier.weight"], averages[best.step - 1]
    )
    best.restore(final)
    weight = final.model.classifier.weight.detach()
    torch.testing.assert_close(weight, averages[best.step - 1])
    torch.testing.assert_close(module.model.classifier.weight.detach(), averages[5])
    assert not torch.allclose(averages[5], witness.live[5], atol=1e-4)


@pytest.mark.slow
def test_averaging_leaves_integer_buffers_as_they_are(averaged):
    embedding = averaged[0].model.get_input_embeddings()
    assert embedding.place.max() == len(embedding.weight) - 1
