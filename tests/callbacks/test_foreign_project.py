"""Every callback in somebody else's Lightning project, and the errors when something is missing."""

import lightning as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from stablebert import callbacks
from stablebert.callbacks import (
    AddAdapters,
    AddNoise,
    BiasRatioMonitor,
    LinearProbe,
    Mixout,
    ReinitTopLayers,
    TrainingLossMonitor,
    TrainPart,
)
from tests.helpers.foreign import (
    CALLBACKS,
    SETTINGS,
    DictModule,
    ForeignModule,
    Recorder,
    dict_batches,
    fit_foreign,
)
from tests.helpers.foreign import (
    fit_dicts as fit,
)

pytestmark = pytest.mark.slow


LOGGED = {
    "BiasRatioMonitor": "bias_ratio/all",
    "RepresentationChangeMonitor": "cka/layer_00",
    "TrainingLossMonitor": "train/loss",
    "WeightChangeMonitor": "weight_change/layer_00",
}


def test_every_callback_is_tested():
    classes = {name for name in callbacks.__all__ if not name.startswith("Has")}
    assert classes == set(CALLBACKS)


@pytest.mark.parametrize("name", CALLBACKS)
def test_callback_works_with_a_plain_module(tiny_bert, name):
    recorder = Recorder()
    fit(DictModule(tiny_bert), CALLBACKS[name](), recorder=recorder)
    keys = {key for line in recorder.lines.values() for key in line}
    assert LOGGED.get(name, "val/score") in keys


ADAPTATIONS = {  # Mixout has no pre-trained weights of adapters to mix with
    "mixout": lambda: (TrainPart(num_layers=1), Mixout(0.1)),
    "adapters": lambda: (AddAdapters("lora"), TrainPart(["*.lora_*"], num_layers=1)),
}


@pytest.mark.parametrize("adaptation", ADAPTATIONS)
def test_all_callbacks_work_together(tiny_bert, adaptation):
    adaptation = ADAPTATIONS[adaptation]()
    methods = ("AddNoise", "ReinitTopLayers", "AddAdapters", "TrainPart", "Mixout", "LinearProbe")
    rest = [CALLBACKS[name]() for name in CALLBACKS if name not in methods]
    module = DictModule(tiny_bert)
    probe = LinearProbe(1.0, rows=dict_batches())
    fit(module, AddNoise(0.1), ReinitTopLayers(1), *adaptation, probe, *rest)
    assert module.validated == [2, 4]


class WithoutModel(L.LightningModule):
    """Module without an attribute `model`."""

    def __init__(self, optimizer=torch.optim.AdamW):
        super().__init__()
        self.net = nn.Linear(6, 2)
        self.optimizer = optimizer

    def training_step(self, batch, _):
        return F.cross_entropy(self.net(batch["input_ids"].float()), batch["labels"])

    def configure_optimizers(self):
        return self.optimizer(self.parameters(), lr=1e-3)


NEED_MODEL = [
    *("AddAdapters", "AddNoise", "BiasRatioMonitor", "LinearProbe", "Mixout", "ReinitTopLayers"),
    *("TrainPart", "WeightChangeMonitor"),
]


@pytest.mark.parametrize("name", NEED_MODEL)
def test_a_module_without_a_model_is_refused_by_name(name):
    message = rf"{name}: no model of the transformers .*in WithoutModel.*modules are net \(Linear"
    with pytest.raises(TypeError, match=message):
        fit(WithoutModel(), CALLBACKS[name]())


@pytest.mark.parametrize("name", NEED_MODEL)
def test_a_model_of_another_library_is_refused(name):
    module = WithoutModel()
    module.model = module.net
    with pytest.raises(TypeError, match=r"whose modules are net \(Linear\).*encoder=\.\.\."):
        fit(module, CALLBACKS[name]())


def test_training_loss_needs_no_model():
    recorder = Recorder()
    fit(WithoutModel(), TrainingLossMonitor(), recorder=recorder)
    assert "train/loss" in recorder.lines[1]


def test_the_bias_ratio_needs_an_adam(tiny_bert):
    module = DictModule(tiny_bert)
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="BiasRatioMonitor needs Adam, AdamW or BertAdam; got SGD"):
        fit(module, BiasRatioMonitor())


def test_the_linear_probe_needs_rows(tiny_bert):
    with pytest.raises(TypeError, match=r"pass batches as `rows=`.* got no data module"):
        fit(DictModule(tiny_bert), LinearProbe(1.0))


def test_the_linear_probe_reads_rows_of_a_data_module(tiny_bert):
    class Rows(L.LightningDataModule):
        def rows_dataloader(self, name):
            return {"train": dict_batches()}[name]

        def train_dataloader(self):
            return DataLoader(dict_batches(), batch_size=None)

    module = DictModule(tiny_bert, rate=0.0)
    before = module.model.classifier.weight.detach().clone()
    settings = SETTINGS | {"max_steps": 1}
    L.Trainer(callbacks=[LinearProbe(1.0)], **settings).fit(module, datamodule=Rows())
    assert not torch.equal(module.model.classifier.weight, before)


def test_the_linear_probe_needs_a_forward_that_calls_the_head(tiny_bert):
    module = DictModule(tiny_bert)
    module.forward = lambda batch: None
    with pytest.raises(ValueError, match=r"DictModule\.forward\(batch\) must call the classifier"):
        fit(module, LinearProbe(1.0, rows=dict_batches()))


def test_the_linear_probe_needs_labels(tiny_bert):
    rows = DataLoader(TensorDataset(torch.ones(2, 6).long(), torch.zeros(2)))
    module = ForeignModule(tiny_bert)
    module.forward = lambda batch: module.model(input_ids=batch[0])
    with pytest.raises(TypeError, match=r'labels in batch\["labels"\] or batch\.labels; got a lis'):
        fit_foreign(module, [LinearProbe(1.0, rows=rows)])
