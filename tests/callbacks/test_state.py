"""State of every callback: it belongs to a fit and a module, and to the checkpoints of the fit."""

import copy
import pickle

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from stablebert.callbacks import (
    BestWeights,
    LinearProbe,
    Mixout,
    ReinitTopLayers,
    ValidationSchedule,
    WeightChangeMonitor,
)
from stablebert.models.loading import load_model
from tests.helpers.foreign import CALLBACKS, SETTINGS, DictModule, Recorder, dict_batches, fit_dicts

pytestmark = pytest.mark.slow

every_callback = pytest.mark.parametrize("name", CALLBACKS)
SCORES = [0.9, 0.1, 0.3, 0.7]
"""The best of the first fit is its first validation, and that of later ones their last."""


class Seeded(DictModule):
    """Module whose random numbers depend on the step, not on the steps before."""

    def __init__(self, folder, scores=(), num_labels=2, seed=0):
        super().__init__(folder, scores=scores)
        self.model = load_model(folder, num_labels=num_labels, seed=seed)

    def training_step(self, batch, batch_idx):
        torch.manual_seed(self.trainer.global_step)
        return super().training_step(batch, batch_idx)


def fit(module, callback, evaluations=4, more=(), **settings):
    """Train, and return what the callbacks log, by step."""
    recorder = Recorder()
    schedule = [ValidationSchedule(evaluations)] * (not isinstance(callback, ValidationSchedule))
    fit_dicts(module, *schedule, callback, *more, recorder=recorder, **settings)
    foreign = {"val/score", "epoch"}  # Lightning's own, whose steps are off after a resumption
    lines = {step: {k: v for k, v in line.items() if k not in foreign}
             for step, line in recorder.lines.items()}  # fmt: skip
    return {step: line for step, line in lines.items() if line}


def outcome(module, callback):
    """Everything that a fit leaves in the module and in the callback."""
    frozen = [name for name, p in module.named_parameters() if not p.requires_grad]
    kinds = [type(m).__name__ for m in module.modules()]
    state = callback.state_dict()
    weights = [p.detach() for p in module.parameters()]
    return [weights, frozen, kinds, state, module.validated]


def same(a, b):
    """Return whether nested values are equal, bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return a == b or (a != a and b != b)  # NaN


@every_callback
def test_a_second_model_gets_what_a_new_instance_would_give(tiny_bert, name):
    """The models differ in shape, and scores are such that the first fit has the best one."""
    reused, outcomes = CALLBACKS[name](), []
    fit(Seeded(tiny_bert, SCORES), reused)
    for callback in (reused, CALLBACKS[name]()):
        module = Seeded(tiny_bert, SCORES[1:], num_labels=3, seed=1)
        lines = fit(module, callback)
        outcomes.append([*outcome(module, callback), lines])
    assert same(*outcomes)


RESUMED = [0.2, 0.4, 0.1, 0.3, 0.2, 0.5, 0.4, 0.5]
"""Scores of eight validations: the best one so far changes before and after a resumption."""


@pytest.fixture(scope="module", params=[1, 2], ids=["", "accumulated"])
def whole_fits(tiny_bert, tmp_path_factory, request):
    """Function that returns a fit of eight steps, and a folder with the checkpoint of each."""
    settings = {"max_steps": 8, "accumulate_grad_batches": request.param}
    settings |= {"batches": dict_batches()[:1] * 4}  # a loader starts over when a fit resumes
    fits = {}

    def whole_fit(name):
        if name not in fits:
            folder, callback = tmp_path_factory.mktemp(name), CALLBACKS[name]()
            saving = ModelCheckpoint(folder, "{step}", save_top_k=-1, monitor="val/score")
            module = Seeded(tiny_bert, RESUMED)
            lines = fit(module, callback, 8, [saving], enable_checkpointing=True, **settings)
            fits[name] = folder, settings, module, callback, lines
        return fits[name]

    return whole_fit


@every_callback
@pytest.mark.parametrize("stop", [2, 4, 5])
def test_a_resumed_fit_equals_one_fit(tiny_bert, whole_fits, name, stop):
    folder, settings, module, callback, lines = whole_fits(name)
    path = folder / f"step={stop}.ckpt"
    if not path.exists():
        assert name == "ValidationSchedule"  # it validates, and thus saves, less often
        return
    before = len([step for step in module.validated if step <= stop])
    resumed, another = Seeded(tiny_bert, RESUMED[before:]), CALLBACKS[name]()
    resumed.validated = module.validated[:before]
    later = fit(resumed, another, 8, ckpt_path=path, **settings)
    assert same(later, {step: line for step, line in lines.items() if step > stop})
    assert same(outcome(resumed, another), outcome(module, callback))


@every_callback
@pytest.mark.parametrize("verb", ["validate", "test"])
def test_validating_without_a_fit_changes_nothing(tiny_bert, name, verb):
    module, callback = Seeded(tiny_bert), CALLBACKS[name]()
    before = copy.deepcopy(outcome(module, callback))
    trainer = L.Trainer(callbacks=[callback], **SETTINGS)
    getattr(trainer, verb)(module, DataLoader(dict_batches(), batch_size=None), verbose=False)
    module.validated = []
    assert same(outcome(module, callback), before)
    assert not trainer.should_stop


@every_callback
def test_testing_a_checkpoint_leaves_the_state_of_the_fit(tiny_bert, whole_fits, name):
    folder, settings, _, _, _ = whole_fits(name)
    module, callback = Seeded(tiny_bert, RESUMED), CALLBACKS[name]()
    fit(module, callback, 8, **settings)
    state = copy.deepcopy(callback.state_dict())
    trainer = L.Trainer(callbacks=[callback], **SETTINGS)
    loader = DataLoader(dict_batches(), batch_size=None)
    trainer.test(module, loader, ckpt_path=folder / "step=4.ckpt", verbose=False)
    assert same(callback.state_dict(), state)


@every_callback
def test_the_sanity_check_is_no_validation_of_the_fit(tiny_bert, name):
    """A reused instance meets the sanity check with the state of another fit."""
    reused, outcomes = CALLBACKS[name](), []
    fit(Seeded(tiny_bert, SCORES), reused)
    for callback, batches in ((reused, 2), (CALLBACKS[name](), 0)):
        module = Seeded(tiny_bert, [1.0] * bool(batches) + SCORES[1:])
        lines = fit(module, callback, num_sanity_val_steps=batches)
        module.validated = [step for step in module.validated if step]
        outcomes.append([*outcome(module, callback), lines])
    assert same(*outcomes)


@every_callback
def test_a_second_fit_of_one_module_keeps_its_weights(tiny_bert, name):
    """No learning rate, so only a callback can change them."""
    module, callback = Seeded(tiny_bert, SCORES * 2), CALLBACKS[name]()
    fit(module, callback)
    module.learning_rate = 0.0
    before = copy.deepcopy([p.detach() for p in module.parameters()])
    fit(module, callback)
    assert same([p.detach() for p in module.parameters()], before)


@every_callback
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_works_like_the_callback(tiny_bert, name, copied):
    outcomes = []
    for callback in (CALLBACKS[name](), copied(CALLBACKS[name]())):
        module = Seeded(tiny_bert, SCORES)
        lines = fit(module, callback)
        outcomes.append([*outcome(module, callback), lines])
    assert same(*outcomes)


def test_a_resumed_linear_probe_leaves_the_head_of_the_checkpoint(tiny_bert, whole_fits):
    folder, settings, _, _, _ = whole_fits("LinearProbe")
    path = folder / "step=4.ckpt"
    module = Seeded(tiny_bert, RESUMED)
    module.learning_rate = 0.0
    state = torch.load(path, weights_only=True)  # tensors and plain values only
    state["optimizer_states"][0]["param_groups"][0]["lr"] = 0.0
    torch.save(state, folder / "frozen.ckpt")
    fit(module, LinearProbe(1.0, rows=dict_batches()), ckpt_path=folder / "frozen.ckpt", **settings)
    weight = state["state_dict"]["model.classifier.weight"]
    assert torch.equal(module.model.classifier.weight.detach(), weight)


def test_targets_of_mixout_are_those_of_the_checkpoint(tiny_bert, whole_fits):
    """A module that starts from trained weights must not be mixed with them."""
    folder, settings, whole, _, _ = whole_fits("Mixout")
    module = copy.deepcopy(Seeded(tiny_bert, RESUMED))
    module.load_state_dict(whole.state_dict())
    fit(module, Mixout(0.5), ckpt_path=folder / "step=4.ckpt", **settings)
    query = "bert.encoder.layer.0.attention.self.query"
    target, start = module.model.get_submodule(query).target, Seeded(tiny_bert).model
    assert torch.equal(target, start.get_submodule(query).weight.detach())


def test_weight_change_reports_a_checkpoint_without_a_start(tiny_bert, whole_fits, caplog):
    folder, settings, _, _, _ = whole_fits("TrainPart")
    path = folder / "step=4.ckpt"
    fit(Seeded(tiny_bert, RESUMED), WeightChangeMonitor(), ckpt_path=path, **settings)
    assert f"WeightChangeMonitor: {path} has no weights from the start" in caplog.text


def test_a_validation_that_a_checkpoint_precedes_is_reported(tiny_bert, tmp_path, caplog):
    """Lightning saves before the validation of the same step, and never repeats it."""
    saving = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=2)
    fit_dicts(Seeded(tiny_bert), ValidationSchedule(2), saving, enable_checkpointing=True)
    module = Seeded(tiny_bert)
    fit_dicts(module, ValidationSchedule(2), ckpt_path=tmp_path / "step=2.ckpt")
    assert "was saved before the validation that was due after step 2" in caplog.text
    assert module.validated == [4]


def test_best_weights_of_another_fit_are_not_restored(tiny_bert):
    best = BestWeights()
    fit(Seeded(tiny_bert, SCORES), best)
    second = Seeded(tiny_bert, [float("nan")] * 4, seed=1)
    fit(second, best)
    before = copy.deepcopy(second.state_dict())
    assert not best.restore(second)
    assert same(second.state_dict(), before)


def test_two_best_weights_of_one_trainer_have_states_of_their_own(tiny_bert):
    first, other = BestWeights("val/score"), BestWeights("val/other")
    assert first.state_key != other.state_key


def test_a_module_is_treated_again_when_its_model_is_another(tiny_bert):
    """Notebooks put a fresh model into the same module."""
    module, reinit = Seeded(tiny_bert, SCORES * 2), ReinitTopLayers(1)
    fit(module, reinit)
    module.model = load_model(tiny_bert, num_labels=2, seed=0)
    module.learning_rate = 0.0
    pooler = module.model.bert.pooler.dense.weight.detach().clone()
    fit(module, reinit)
    assert not torch.equal(module.model.bert.pooler.dense.weight.detach(), pooler)
