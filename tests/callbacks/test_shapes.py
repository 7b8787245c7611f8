"""Every callback that needs a model, in modules of every shape."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stablebert.callbacks import (
    BiasRatioMonitor,
    LinearProbe,
    Mixout,
    ReinitTopLayers,
    RepresentationChangeMonitor,
    TrainPart,
    WeightChangeMonitor,
)
from stablebert.callbacks.mixout import MixoutLinear
from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.models.surgery import reinitialize_top
from tests.helpers.foreign import Recorder, dict_batches, fit_dicts

pytestmark = pytest.mark.slow


class Shape(L.LightningModule):
    """Module that classifies rows, or tokens; subclasses differ in where the BERT is."""

    encoder = None
    """Path that a callback needs, if the model is not the only one."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.build()

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch).flatten(0, -2), batch["labels"].flatten())

    def configure_optimizers(self):
        return torch.optim.AdamW([p for p in self.parameters() if p.requires_grad], lr=0.0)

    def classifier(self):
        return load_model(self.folder, num_labels=2, seed=0)

    def bare(self):
        return self.classifier().bert


class InModel(Shape):
    def build(self):
        self.model = self.classifier()

    def forward(self, batch):
        return self.model(input_ids=batch["input_ids"]).logits


class AnyName(Shape):
    def build(self):
        self.network = self.classifier()

    def forward(self, batch):
        return self.network(input_ids=batch["input_ids"]).logits


class OwnHead(Shape):
    """Most public code of Re-init has this shape."""

    def build(self):
        self.backbone = self.bare()
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(16, 2))

    def forward(self, batch):
        return self.head(self.backbone(input_ids=batch["input_ids"]).pooler_output)


class Nested(Shape):
    def build(self):
        self.net = nn.ModuleDict({"bert": self.bare(), "out": nn.Linear(16, 2)})

    def forward(self, batch):
        return self.net["out"](self.net["bert"](input_ids=batch["input_ids"]).pooler_output)


class TokenClassifier(Shape):
    def build(self):
        from transformers import BertForTokenClassification

        with torch.random.fork_rng():
            self.tagger = BertForTokenClassification.from_pretrained(self.folder, num_labels=2)

    def forward(self, batch):
        return self.tagger(input_ids=batch["input_ids"]).logits


class Configured(AnyName):
    """The model exists only after `configure_model`."""

    def build(self):
        self.network = None

    def configure_model(self):
        if self.network is None:
            self.network = self.classifier()


class Teacher(OwnHead):
    """A second encoder, which must stay as it is."""

    encoder = "backbone"

    def build(self):
        super().build()
        self.teacher = self.bare()


SHAPES = [InModel, AnyName, OwnHead, Nested, TokenClassifier, Configured, Teacher]


def batches(shape):
    """Batches of four rows with a label each, or one label per token."""
    rows = dict_batches()
    if shape is TokenClassifier:
        for batch in rows:
            batch["labels"] = batch["input_ids"] % 2
            batch["labels"][:, 0] = -100
    return rows


@pytest.fixture(scope="module")
def fitted(tiny_bert):
    """Function that trains a shape with a callback at learning rate 0."""

    def fit(shape, callback, **arguments):
        module, recorder = shape(tiny_bert), Recorder()
        instance = callback(encoder=shape.encoder, **arguments)
        settings = {"max_steps": 2, "recorder": recorder, "batches": batches(shape)}
        fit_dicts(module, instance, **settings)
        keys = {key for line in recorder.lines.values() for key in line}
        return module, instance, keys

    return fit


every_shape = pytest.mark.parametrize("shape", SHAPES)


@every_shape
def test_reinit_draws_the_same_weights_in_every_shape(tiny_bert, fitted, shape):
    module, callback, _ = fitted(shape, ReinitTopLayers, num_layers=1)
    twin, ours = load_model(tiny_bert, num_labels=2, seed=0), layers(module, shape.encoder)
    assert callback.layers == reinitialize_top(twin, num_layers=1, pooler="pooler" in ours)
    expected = layers(twin)
    for name in ours.keys() - {"classifier"}:
        for p, q in zip(ours[name].parameters(), expected[name].parameters(), strict=True):
            assert torch.equal(p, q), name


@every_shape
def test_mixout_replaces_the_linears_of_the_encoder_in_every_shape(fitted, shape):
    module, callback, _ = fitted(shape, Mixout, p=0.5)
    mixed = [m for m in module.modules() if isinstance(m, MixoutLinear)]
    count = 2 * 6 + ("pooler" in layers(module, shape.encoder))
    assert len(mixed) == len(callback.modules) == count


@every_shape
def test_the_head_alone_is_trained_in_every_shape(fitted, shape):
    module, _, _ = fitted(shape, TrainPart, patterns=["classifier"])
    others = getattr(module, "teacher", nn.Module()).parameters()
    trained = {id(p) for p in module.parameters() if p.requires_grad} - {id(p) for p in others}
    head = layers(module, shape.encoder)["classifier"]
    assert trained == {id(p) for p in head.parameters()}
    assert sum(p.numel() for p in head.parameters()) == 16 * 2 + 2


@every_shape
def test_the_probe_fits_the_head_in_every_shape(tiny_bert, fitted, shape):
    module, _, _ = fitted(shape, LinearProbe, l2=1.0, rows=batches(shape))
    with torch.no_grad():
        module.eval()
        rows = batches(shape)
        loss = sum(module.training_step(batch, 0) for batch in rows) / len(rows)
    assert loss < 0.6931  # of equal logits
    layer = layers(module, shape.encoder)["layer.1"]
    start = load_model(tiny_bert, num_labels=2, seed=0).bert.encoder.layer[1]
    pairs = zip(layer.parameters(), start.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@every_shape
@pytest.mark.parametrize("callback", [WeightChangeMonitor, BiasRatioMonitor])
def test_every_layer_is_monitored_in_every_shape(fitted, shape, callback):
    module, _, keys = fitted(shape, callback)
    name = {WeightChangeMonitor: "weight_change", BiasRatioMonitor: "bias_ratio"}[callback]
    expected = ["embeddings", "layer_00", "layer_01", "classifier"]
    assert {f"{name}/{layer}" for layer in expected} <= keys
    assert (f"{name}/pooler" in keys) == ("pooler" in layers(module, shape.encoder))


@every_shape
def test_representations_are_compared_in_every_shape(fitted, shape):
    _, _, keys = fitted(shape, RepresentationChangeMonitor, rows=batches(shape))
    logged = {key for key in keys if key.startswith("cka/")}
    assert logged == {"cka/embeddings", "cka/layer_00", "cka/layer_01"}


def test_the_other_encoder_stays_as_it_is(tiny_bert, fitted):
    module, _, _ = fitted(Teacher, ReinitTopLayers, num_layers=2)
    start = load_model(tiny_bert, num_labels=2, seed=0).bert
    pairs = zip(module.teacher.parameters(), start.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_of_several_models_the_attribute_model_is_taken(tiny_bert):
    module = InModel(tiny_bert)
    module.teacher = module.bare()
    assert layers(module)["classifier"] is module.model.classifier


ERRORS = {
    "several": (Teacher, None, TypeError, "Mixout: several models in Teacher: backbone, teacher;"),
    "none there": (OwnHead, "head", ValueError, "encoder='head'.*found a Sequential in OwnHead"),
    "no module": (OwnHead, "bert", ValueError, "found no module in OwnHead.*models: backbone"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_was_searched_and_found_is_reported(tiny_bert, case):
    shape, encoder, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        fit_dicts(shape(tiny_bert), Mixout(0.5, encoder=encoder))


def test_a_model_that_is_created_again_after_its_treatment_is_refused(tiny_bert):
    class Forgetful(Configured):
        def configure_model(self):
            self.network = self.classifier()

    with pytest.raises(ValueError, match="ReinitTopLayers changed a model that Forgetful replaced"):
        fit_dicts(Forgetful(tiny_bert), ReinitTopLayers(1))


def test_the_optimizer_of_another_part_is_refused(tiny_bert):
    class Discriminator(OwnHead):
        def configure_optimizers(self):
            self.critic = nn.Linear(2, 1)
            return torch.optim.Adam([nn.Parameter(torch.ones(1, requires_grad=True))])

    with pytest.raises(TypeError, match="first optimizer, which has no parameter of the model"):
        fit_dicts(Discriminator(tiny_bert), BiasRatioMonitor())
