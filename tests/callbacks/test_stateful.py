"""State and treatments, hook by hook."""

import copy

import pytest
import torch
from lightning.pytorch.plugins import Precision

from stablebert.callbacks import BestWeights, Mixout, ReinitTopLayers, TrainPart
from stablebert.callbacks.stateful import (
    StatefulCallback,
    Treatment,
    is_validation_of_fit,
)
from tests.helpers.trainers import OUTSIDE_OF_A_FIT, Holder, OneWeight, trainer_at


class Counter(StatefulCallback):
    def new_state(self):
        return {"count": 0}


def test_the_state_exists_before_any_fit():
    assert Counter().state_dict() == {"count": 0}


def test_a_fit_starts_from_a_new_state():
    counter = Counter()
    counter.state["count"] = 3
    counter.setup(trainer_at(), OneWeight(), "fit")
    assert counter.state == {"count": 0}


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_other_stages_keep_the_state(stage):
    counter = Counter()
    counter.state["count"] = 3
    counter.setup(trainer_at(), OneWeight(), stage)
    assert counter.state == {"count": 3}


def test_a_fit_continues_with_the_state_of_its_checkpoint():
    counter = Counter()
    counter.setup(trainer_at(), OneWeight(), "fit")
    counter.load_state_dict({"count": 3})
    assert counter.state == {"count": 3}


def test_a_checkpoint_loaded_before_any_fit_leaves_the_state():
    counter = Counter()
    counter.load_state_dict({"count": 3})
    assert counter.state == {"count": 0}


def test_a_checkpoint_loaded_by_a_test_leaves_the_state():
    counter = Counter()
    counter.setup(trainer_at(), OneWeight(), "fit")
    counter.setup(trainer_at(), OneWeight(), "test")
    counter.load_state_dict({"count": 3})
    assert counter.state == {"count": 0}


@pytest.mark.parametrize(
    ("callback", "key"),
    [
        (Counter(), "Counter"),
        (BestWeights("val/f1"), "BestWeights(val/f1)"),
        (Mixout(0.5), "Mixout"),
        (Mixout(0.5, encoder="student"), "Mixout(student)"),
        (ReinitTopLayers(1, encoder="student"), "ReinitTopLayers(student)"),
        (TrainPart(encoder="student"), "TrainPart(student)"),
    ],
)
def test_key_in_checkpoints_tells_instances_of_a_class_apart(callback, key):
    assert callback.state_key == key


class Count(Treatment):
    """Treatment that counts how often it changed a model."""

    count = 0

    def treat(self, trainer, pl_module):
        self.count += 1
        return [f"change {self.count}"]


class Other(Count):
    pass


def test_a_treatment_has_changed_nothing_before_the_first_fit():
    assert ReinitTopLayers(1).layers == []


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_other_stages_change_no_model(bert, stage):
    count = Count()
    count.setup(trainer_at(), Holder(model=bert), stage)
    assert count.count == 0


def test_a_second_fit_changes_the_model_no_more(bert):
    module, count = Holder(model=bert), Count()
    for _ in range(2):
        count.setup(trainer_at(), module, "fit")
    assert (count.count, count._names) == (1, ["change 1"])


def test_a_copy_of_a_changed_module_is_not_changed_again(bert):
    module, count = Holder(model=bert), Count()
    count.setup(trainer_at(), module, "fit")
    count.setup(trainer_at(), copy.deepcopy(module), "fit")
    assert count.count == 1


def test_a_fresh_model_in_the_same_module_is_changed(bert):
    module, count = Holder(model=bert), Count()
    fresh = copy.deepcopy(bert)
    count.setup(trainer_at(), module, "fit")
    module.model = fresh
    count.setup(trainer_at(), module, "fit")
    assert count.count == 2


def test_another_instance_changes_the_same_module(bert):
    module, second = Holder(model=bert), Count()
    Count().setup(trainer_at(), module, "fit")
    second.setup(trainer_at(), module, "fit")
    assert second.count == 1


def test_names_of_an_earlier_treatment_are_known_after_a_second_fit(bert):
    """The second model in between has names of its own."""
    first, second, count = Holder(model=bert), Holder(model=copy.deepcopy(bert)), Count()
    for module in (first, second, first):
        count.setup(trainer_at(), module, "fit")
    assert count._names == ["change 1"]


def test_a_replaced_model_is_refused(bert):
    module, count = Holder(model=bert), Count()
    fresh = copy.deepcopy(bert)
    count.setup(trainer_at(), module, "fit")
    module.model = fresh
    with pytest.raises(ValueError, match="Count changed a model that Holder replaced afterward"):
        count.on_fit_start(trainer_at(), module)


def test_an_unchanged_module_passes_the_check_before_training(bert):
    Count().on_fit_start(trainer_at(), Holder(model=bert))


def configuring_trainer():
    return trainer_at(precision_plugin=Precision())


class Configured(Holder):
    def configure_model(self):
        self.model = self.source


def test_a_model_that_configure_model_creates_is_treated(bert):
    module, count = Configured(), Count()
    vars(module)["source"] = bert
    count.setup(configuring_trainer(), module, "fit")
    assert count._names == ["change 1"]


def test_the_module_is_not_configured_for_a_test(bert):
    module = Configured()
    vars(module)["source"] = bert
    Count().setup(trainer_at(), module, "test")
    assert not hasattr(module, "model")


@pytest.mark.parametrize("case", OUTSIDE_OF_A_FIT)
def test_validations_outside_of_training_are_recognized(case):
    assert not is_validation_of_fit(trainer_at(**OUTSIDE_OF_A_FIT[case]))


def test_a_validation_of_training_is_recognized():
    assert is_validation_of_fit(trainer_at())


@pytest.fixture
def two_encoders(bert):
    """A module with a student, whose classifier is its own, and a teacher."""
    return Holder(student=bert, teacher=copy.deepcopy(bert))


@pytest.mark.parametrize(
    "callback",
    [
        ReinitTopLayers(1, encoder="student"),
        Mixout(0.5, encoder="student"),
        TrainPart(["classifier"], encoder="student"),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_only_the_named_encoder_is_treated(two_encoders, callback):
    teacher = copy.deepcopy(two_encoders.teacher)
    callback.setup(trainer_at(), two_encoders, "fit")
    assert callback._names
    assert str(two_encoders.teacher) == str(teacher)
    pairs = zip(two_encoders.teacher.parameters(), teacher.parameters(), strict=True)
    assert all(torch.equal(p, q) and p.requires_grad for p, q in pairs)
