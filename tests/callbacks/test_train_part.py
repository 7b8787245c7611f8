"""Training of a part of the model."""

import copy
import re
from types import SimpleNamespace

import pytest

from stablebert.callbacks import ReinitTopLayers, TrainPart
from stablebert.callbacks.train_part import freeze_all_but
from stablebert.models.location import layers
from stablebert.training.module import GlueClassifier
from tests.helpers.trainers import Holder, trainer_at


def trained_layers(model):
    """Return the layers by name with True, False, or a mix of both, for their parameters."""
    layers_by_name = layers(model).items()
    return {name: {p.requires_grad for p in layer.parameters()} for name, layer in layers_by_name}


def test_bitfit_trains_biases_and_the_head(bert):
    names = freeze_all_but(bert, ["*.bias", "classifier.*"])
    assert all(name.endswith("bias") or name == "classifier.weight" for name in names)
    assert len([name for name in names if name.endswith("bias")]) == 1 + 2 * 8 + 2


def test_the_names_returned_are_those_that_require_a_gradient(bert):
    names = freeze_all_but(bert, ["*.bias", "classifier.*"])
    assert set(names) == {n for n, p in bert.named_parameters() if p.requires_grad}


def test_top_layers_are_trained_with_pooler_and_classifier(bert):
    freeze_all_but(bert, num_layers=1)
    expected = {"embeddings": {False}, "layer.0": {False}}
    expected |= {"layer.1": {True}, "pooler": {True}, "classifier": {True}}
    assert trained_layers(bert) == expected


def test_patterns_and_top_layers_are_combined(bert):
    freeze_all_but(bert, ["bert.embeddings.*"], num_layers=0)
    trained = trained_layers(bert)
    assert (trained["embeddings"], trained["layer.1"]) == ({True}, {False})


@pytest.mark.parametrize(
    ("patterns", "num_layers", "message"),
    [
        (["classifier.*", "bert.*.beta"], None, r"bert\.\*\.beta matches no parameter and no laye"),
        # a model without biases, for example
        (["classifier", "classifier.bias"], None, r"classifier\.bias matches no other parameter"),
        ([], 3, "num_layers=3: the model has 2 layers"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused(bert, patterns, num_layers, message):
    with pytest.raises(ValueError, match=message):
        freeze_all_but(bert, patterns, num_layers=num_layers)


def test_the_allowed_names_are_listed(bert):
    choices = (
        "there are bert.embeddings.word_embeddings.weight, "
        "bert.embeddings.position_embeddings.weight, ..., classifier.weight, classifier.bias, "
        "embeddings, layer.0, layer.1, pooler, classifier"
    )
    with pytest.raises(ValueError, match=f"{re.escape(choices)}$"):
        freeze_all_but(bert, ["head"])


def test_parameters_of_the_model_alone_are_frozen(bert):
    """Other models in the module stay as they are."""
    module = Holder(student=bert, teacher=copy.deepcopy(bert))
    freeze_all_but(module, ["classifier"], encoder="student")
    assert all(p.requires_grad for p in module.teacher.parameters())


def test_the_callback_trains_its_patterns_and_top_layers(bert):
    part, module = TrainPart(["embeddings"], num_layers=1), Holder(model=bert)
    part.setup(trainer_at(), module, "fit")
    assert set(part.parameters) == {
        name.removeprefix("model.") for name, p in module.named_parameters() if p.requires_grad
    }
    trained = trained_layers(bert)
    assert (trained["embeddings"], trained["layer.0"]) == ({True}, {False})
    assert trained["layer.1"] == trained["pooler"] == trained["classifier"] == {True}


def test_a_classifier_that_stays_random_is_refused(bert):
    with pytest.raises(ValueError, match="classifier starts at random and 1 of its parameters"):
        freeze_all_but(bert, ["*.bias"])


def test_a_reinitialized_layer_that_stays_random_is_refused(bert):
    reinit, module = ReinitTopLayers(2), GlueClassifier(bert, metrics=["accuracy"])
    trainer = SimpleNamespace(strategy=None)
    reinit.setup(trainer, module, "fit")
    with pytest.raises(ValueError, match=r"layer\.0 starts at random and 16 of its parameters"):
        TrainPart(num_layers=1).setup(trainer, module, "fit")
