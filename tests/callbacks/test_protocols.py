"""Requirements on the Trainer, the module and the data."""

from types import SimpleNamespace

import pytest
from lightning.pytorch.strategies import FSDPStrategy

from stablebert.callbacks import BestWeights, LinearProbe, Mixout, ReinitTopLayers, TrainPart
from stablebert.callbacks.protocols import model_of, training_rows_of
from tests.helpers.trainers import Holder, OneWeight, trainer_at


@pytest.mark.parametrize(
    "callback", [BestWeights(), ReinitTopLayers(1), Mixout(0.5), TrainPart(["classifier"])]
)
def test_a_model_that_is_split_among_devices_is_refused(bert, callback):
    message = (
        f"^{type(callback).__name__} needs the whole model on every device; got FSDPStrategy: use "
        "one device or strategy='ddp'$"
    )
    with pytest.raises(ValueError, match=message):
        callback.setup(trainer_at(strategy=FSDPStrategy()), Holder(model=bert), "fit")


def test_a_missing_model_is_reported_under_the_name_of_the_callback():
    with pytest.raises(TypeError, match=r"^Mixout: no model of the transformers"):
        model_of(trainer_at(), OneWeight(), Mixout(0.5), None)


def test_a_wrong_path_is_reported_under_the_name_of_the_callback(bert):
    with pytest.raises(ValueError, match=r"^Mixout: encoder='student'"):
        model_of(trainer_at(), Holder(model=bert), Mixout(0.5), "student")


def test_the_model_at_the_path_is_taken(bert):
    assert model_of(trainer_at(), Holder(a=bert, b=bert.bert), Mixout(0.5), "a").model is bert


def test_training_rows_are_those_of_the_data_module():
    rows = {"train": ["batch"]}
    data = SimpleNamespace(rows_dataloader=rows.get)
    assert training_rows_of(trainer_at(datamodule=data), LinearProbe(1.0)) == ["batch"]


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [({}, "no data module"), ({"datamodule": None}, "no data module"), ({"datamodule": 3}, "int")],
)
def test_a_trainer_without_training_rows_is_refused(attributes, kind):
    message = (
        r"^LinearProbe needs the training rows: pass batches as `rows=`, or a data module with a "
        rf"method `rows_dataloader\(name\)` to `Trainer\.fit`; got {kind}$"
    )
    with pytest.raises(TypeError, match=message):
        training_rows_of(trainer_at(**attributes), LinearProbe(1.0))
