"""The state of BertAdam: saved, loaded, copied, and refused by another kind of optimizer."""

import copy
import pickle
import re
from itertools import permutations

import pytest
import torch

from stablebert.optim.adam import BertAdam, steps_taken
from tests.helpers.optimizers import (
    CORRECTIONS,
    SETTINGS,
    gradients,
    pulled,
    take_steps,
    two_groups,
)


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_training_continues_from_a_saved_state(bias_correction):
    params, groups = two_groups(3)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    grads = list(gradients(params, 20))
    take_steps(optimizer, params, grads[:10])
    copies, copy_groups = two_groups(3)
    resumed = BertAdam(copy_groups, **SETTINGS, bias_correction=bias_correction)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for p, q in zip(copies, params, strict=True):
        p.data.copy_(q.data)
    take_steps(optimizer, params, grads[10:])
    take_steps(resumed, copies, grads[10:])
    assert steps_taken(resumed) == 20
    assert all(torch.equal(p, q) for p, q in zip(params, copies, strict=True))


COPIES = {
    "deep copy": copy.deepcopy,
    "pickle": lambda optimizer: pickle.loads(pickle.dumps(optimizer)),
}


def parameters_of(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("bias_correction", CORRECTIONS)
@pytest.mark.parametrize("steps_before", [0, 5])
def test_a_copy_continues_like_its_original(kind, bias_correction, steps_before):
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    grads = list(gradients(params, 10))
    take_steps(optimizer, params, grads[:steps_before])
    twin = COPIES[kind](optimizer)
    take_steps(optimizer, params, grads[steps_before:])
    take_steps(twin, parameters_of(twin), grads[steps_before:])
    assert steps_taken(twin) == 10
    assert all(torch.equal(p, q) for p, q in zip(params, parameters_of(twin), strict=True))


@pytest.mark.parametrize("copied", [lambda x: x, *COPIES.values()])
@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_a_group_that_is_added_has_the_bias_correction(copied, bias_correction):
    params, groups = two_groups(4)
    optimizer = copied(BertAdam(groups[:1], **SETTINGS, bias_correction=bias_correction))
    optimizer.add_param_group({"params": [params[1]], "weight_decay": 0.0, "lr": 5e-4})
    twins, twin_groups = two_groups(4)
    twin = BertAdam(twin_groups, **SETTINGS, bias_correction=bias_correction)
    take_steps(optimizer, parameters_of(optimizer), gradients(params, 5))
    take_steps(twin, twins, gradients(params, 5))
    assert all(torch.equal(p, q) for p, q in zip(parameters_of(optimizer), twins, strict=True))


@pytest.mark.parametrize("other", CORRECTIONS[1:])
def test_a_group_may_have_a_bias_correction_of_its_own(other):
    params, groups = two_groups(4)
    groups[1]["bias_correction"] = other
    optimizer = BertAdam(groups, **SETTINGS)
    take_steps(optimizer, params, gradients(params, 3))
    for index, bias_correction in enumerate((True, other)):
        twins, twin_groups = two_groups(4)
        twin = BertAdam(twin_groups, **SETTINGS, bias_correction=bias_correction)
        take_steps(twin, twins, gradients(params, 3))
        assert torch.equal(params[index], twins[index])
    assert steps_taken(optimizer) == 3


def without_the_switch(state):
    """Return a state as versions saved it that kept the switch outside of the groups."""
    groups = [{k: v for k, v in g.items() if k != "bias_correction"} for g in state["param_groups"]]
    return {"state": state["state"], "param_groups": groups}


@pytest.mark.parametrize("of", [lambda state: state, without_the_switch], ids=["new", "old"])
@pytest.mark.parametrize("bias_correction", [True, False])
def test_a_state_of_the_other_kind_is_refused(of, bias_correction):
    """BERTAdam would have counted -9,999,997 steps and corrected them."""
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    take_steps(optimizer, params, gradients(params, 3))
    other = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=not bias_correction)
    message = f"state comes from an optimizer with bias_correction={bias_correction} in group 0"
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(of(optimizer.state_dict()))
    assert steps_taken(other) == 0


@pytest.mark.parametrize(("saved", "own"), [*permutations(CORRECTIONS, 2)])
def test_a_state_with_another_bias_correction_is_refused(saved, own):
    optimizer, other = (
        BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=c) for c in (saved, own)
    )
    message = re.escape(f"bias_correction={saved!r} in group 0, but this one has {own!r}")
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_state_without_the_switch_is_loaded(bias_correction, steps_before):
    params, groups = two_groups(4)
    optimizer = BertAdam(groups, **SETTINGS, bias_correction=bias_correction)
    take_steps(optimizer, params, gradients(params, steps_before))
    twin = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=bias_correction)
    twin.load_state_dict(without_the_switch(optimizer.state_dict()))
    take_steps(twin, parameters_of(twin), gradients(params, 2))
    assert steps_taken(twin) == steps_before + 2
    assert {group["bias_correction"] for group in twin.param_groups} == {bias_correction}


def test_a_state_of_torch_s_adamw_has_the_correction():
    params, groups = two_groups(4)
    theirs = torch.optim.AdamW(groups, **SETTINGS)
    take_steps(theirs, params, gradients(params, 3))
    ours = BertAdam(two_groups(4)[1], **SETTINGS)
    ours.load_state_dict(theirs.state_dict())
    assert steps_taken(ours) == 3
    with pytest.raises(ValueError, match="comes from an optimizer with bias_correction=True"):
        BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=False).load_state_dict(
            theirs.state_dict()
        )


def test_a_state_without_a_pull_is_refused_by_an_optimizer_that_pulls():
    """Torch takes the options of a group from the state, so the pull would vanish."""
    _, _, optimizer = pulled(0.5)
    _, _, plain = pulled(0.0)
    with pytest.raises(
        ValueError, match=r"optimizer with pull=None in group 0, but this one has 0\.5"
    ):
        optimizer.load_state_dict(plain.state_dict())


def test_a_copy_is_pulled_like_its_original():
    layer, _, optimizer = pulled(0.5)
    with torch.no_grad():
        layer.weight.add_(1)
    twin = copy.deepcopy(optimizer)
    for each in (optimizer, twin):
        take_steps(each, parameters_of(each), [[torch.zeros_like(p) for p in parameters_of(each)]])
    assert torch.equal(parameters_of(optimizer)[0], parameters_of(twin)[0])


@pytest.mark.parametrize("bias_correction", CORRECTIONS)
def test_a_copy_leaves_unscaling_to_the_scaler(bias_correction):
    """Otherwise Lightning refuses to clip its gradients in fp16 (docs/pitfalls.md, 5)."""
    optimizer = BertAdam(two_groups(4)[1], **SETTINGS, bias_correction=bias_correction)
    for each in (optimizer, copy.deepcopy(optimizer)):
        assert not each._step_supports_amp_scaling
