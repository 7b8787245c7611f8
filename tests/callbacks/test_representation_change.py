"""Linear CKA, the hidden states that it compares, and when."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from stablebert.callbacks import ReinitTopLayers, RepresentationChangeMonitor
from stablebert.callbacks.representation_change import linear_cka
from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.training.averaging import LateAveraging
from tests.helpers.architectures import SHAPES, padded_batch, write_architecture
from tests.helpers.foreign import (
    DictModule,
    ForeignModule,
    Recorder,
    dict_batches,
    fit_dicts,
    fit_foreign,
)
from tests.helpers.packing import packed_and_padded
from tests.helpers.trainers import Holder, trainer_at

# ---------------------------------------------------------------- linear CKA

CROSS = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (CROSS, CROSS[:, :1], 4 / (8**0.5 * 2)),  # norms: of XᵀX = 2 I √8, of YᵀY 2, of YᵀX 2
        (torch.tensor([[-1.0], [0.0], [1.0]]), torch.tensor([[-1.0], [2.0], [-1.0]]), 0.0),
    ],
)
def test_cka_has_hand_computed_values(x, y, expected):
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-15)


@pytest.fixture
def features():
    """Two related representations of 40 tokens, of 12 and 7 units, in float64."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 12)) + 2
    y = x[:, :7] @ rng.normal(size=(7, 7)) + rng.normal(size=(40, 7))
    return torch.from_numpy(x), torch.from_numpy(y)


def test_cka_equals_the_ratio_of_hsic_on_gram_matrices(features):
    """Kornblith et al. (2019), section 3: HSIC(K, L) = tr(K H L H) / (n - 1)²."""
    centering = np.eye(40) - 1 / 40

    def hsic(k, m):
        return np.trace(k @ centering @ m @ centering) / 39**2

    k, m = ((z @ z.T).numpy() for z in features)
    expected = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
    assert 0.1 < expected < 0.9
    assert linear_cka(*features) == pytest.approx(expected, rel=1e-12)


def test_cka_is_symmetric(features):
    x, y = features
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x), rel=1e-12)


def test_cka_of_equal_features_is_1(features):
    assert linear_cka(features[0], features[0].clone()) == pytest.approx(1, rel=1e-12)


def rotate(y):
    rng = torch.Generator().manual_seed(1)
    return y @ torch.linalg.qr(torch.randn(7, 7, dtype=y.dtype, generator=rng))[0]


@pytest.mark.parametrize("change", [rotate, lambda y: -7 * y, lambda y: y + 5])
def test_rotation_scale_and_translation_leave_cka_unchanged(features, change):
    x, y = features
    assert linear_cka(x, change(y)) == pytest.approx(linear_cka(x, y), rel=1e-12)


def test_other_linear_maps_change_cka(features):
    x, _ = features
    assert linear_cka(x, x * torch.arange(1, 13)) < 0.9


def test_a_large_mean_costs_no_precision():
    x = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 5.0]])
    y = x[:, :1] - 3 * x[:, 1:].square()
    assert linear_cka(x + 2**20, y) == pytest.approx(linear_cka(x, y), rel=1e-9)


def test_cka_of_constant_features_is_undefined():
    constant = torch.full((5, 3), 0.1)
    constant[0] += 1e-8  # a rounding error
    assert math.isnan(linear_cka(torch.randn(5, 2), constant))


# ---------------------------------------------------------------- hidden states


def read(model, batches, trainer=None):
    """Return the features that a monitor reads from a model."""
    monitor = RepresentationChangeMonitor(batches)
    module = Holder(model=model)
    monitor.setup(trainer_at(), module, "fit")
    monitor.on_train_start(trainer or trainer_at(), module)
    return monitor.state["start"]


@pytest.fixture(params=SHAPES)
def kind(request):
    return request.param


@pytest.fixture
def model(kind, tiny_bert, tmp_path):
    write_architecture(kind, tmp_path, tiny_bert)
    return load_model(tmp_path, num_labels=2, seed=0)


def test_every_layer_of_every_architecture_is_read(kind, model):
    blocks = 4 if kind == "bart" else 2  # ALBERT applies its only block twice
    expected = ["embeddings", *(f"layer_{i:02d}" for i in range(blocks))]
    features = read(model, [padded_batch(9, 12, 5)])
    assert list(features) == [f"{name}/{n}" for n in expected for name in ("cka", "cka_cls")]
    shapes = {name: {tuple(x.shape) for k, x in features.items() if k.startswith(f"{name}/")}
              for name in ("cka", "cka_cls")}  # fmt: skip
    assert shapes == {"cka": {(9 + 12 + 5, 16)}, "cka_cls": {(3, 16)}}


def test_padding_has_no_part_in_the_features_of_any_architecture(kind, model):
    batch = padded_batch(9, 12, 5)
    alone = [
        {name: x[i : i + 1, :n] for name, x in batch.items()} for i, n in enumerate((9, 12, 5))
    ]
    padded, expected = read(model, [batch]), read(model, alone)
    for key, features in padded.items():
        torch.testing.assert_close(features, expected[key], atol=1e-5, rtol=1e-4)


def test_cls_at_the_top_is_what_the_head_of_any_architecture_reads(model):
    batch, inputs = padded_batch(9, 9), []
    layers_by_name = layers(model)
    head = layers_by_name.get("pooler", layers_by_name["classifier"])
    first = next(module for module in head.modules() if isinstance(module, nn.Linear))
    hook = first.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    model.eval()(**batch)
    hook.remove()
    *_, top = read(model, [batch]).values()
    torch.testing.assert_close(top, inputs[0])


def test_partly_trained_embeddings_give_the_same_features(bert):
    """A packed run has them; ids outside of training come from the rest."""
    from stablebert.models.surgery import train_embedding_rows

    partial = copy.deepcopy(bert)
    train_embedding_rows(partial, torch.arange(2, 30))
    expected, features = (read(m, [padded_batch(9, 12, 5)]) for m in (bert, partial))
    assert all(torch.equal(x, expected[key]) for key, x in features.items())


def test_without_a_mask_every_token_is_real(bert):
    ids = padded_batch(9, 9)["input_ids"]
    assert len(read(bert, [{"input_ids": ids}])["cka/layer_00"]) == 18


# ---------------------------------------------------------------- side effects and refusals


def test_modes_are_restored(bert):
    bert.bert.encoder.layer[0].eval()
    modes = [module.training for module in bert.modules()]
    read(bert, dict_batches())
    assert [module.training for module in bert.modules()] == modes


def test_random_numbers_are_restored(bert):
    state = torch.get_rng_state()
    loader = DataLoader(dict_batches(), batch_size=None)
    next(iter(loader))
    assert not torch.equal(torch.get_rng_state(), state)  # the loader alone draws a number
    state = torch.get_rng_state()
    read(bert, loader)
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_that_can_be_read_once_only_are_refused():
    with pytest.raises(TypeError, match=r"^RepresentationChangeMonitor: rows is a list_iterator"):
        RepresentationChangeMonitor(iter(dict_batches()))


@pytest.mark.parametrize(
    ("batch", "found"),
    [(packed_and_padded()[0], "a PackedBatch$"), ({"ids": 1}, "a dict without input_ids$")],
)
def test_batches_that_are_not_padded_dicts_are_refused(bert, batch, found):
    with pytest.raises(TypeError, match=rf"rows must yield padded batches.*got {found}"):
        read(bert, [batch])


def test_a_module_without_a_model_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^RepresentationChangeMonitor: no model of the"):
        RepresentationChangeMonitor([]).on_train_start(trainer_at(), Holder())


@pytest.mark.parametrize("path", ["model.ckpt", None])
def test_a_checkpoint_without_the_start_is_reported(bert, caplog, path):
    read(bert, dict_batches(), trainer_at(5, ckpt_path=path))
    message = "model.ckpt has no representations from the start of training"
    assert (message in caplog.text) == (path is not None)


# ---------------------------------------------------------------- in a fit


def fit_monitored(tiny_bert, *callbacks, before=(), rate=1e-2):
    """Train for four steps; return the module, the monitor, and what it logged, by step."""
    module, recorder = DictModule(tiny_bert, rate), Recorder()
    monitor = RepresentationChangeMonitor(dict_batches())
    fit_dicts(module, *before, monitor, *callbacks, recorder=recorder)
    lines = {step: {k: v for k, v in line.items() if k.startswith("cka")}
             for step, line in recorder.lines.items()}  # fmt: skip
    return module, monitor, {step: line for step, line in lines.items() if line}


def expected_ckas(monitor, module):
    """Return the CKA of the start with the module as it is now."""
    start, now = monitor.state["start"], read(module.model, dict_batches())
    return {key: linear_cka(start[key], now[key]) for key in now}


@pytest.mark.slow
def test_the_start_is_compared_with_the_end_and_logged_at_the_last_step(tiny_bert):
    module, monitor, lines = fit_monitored(tiny_bert)
    expected = expected_ckas(monitor, module)
    assert list(lines) == [4]
    assert lines[4] == pytest.approx(expected, rel=1e-6)
    assert all(0 < cka < 0.9999 for cka in expected.values())


@pytest.mark.slow
def test_averaged_weights_are_compared_by_a_monitor_after_the_averaging(tiny_bert):
    averaging = LateAveraging(0.0, "cpu")
    module, monitor, after = fit_monitored(tiny_bert, before=[averaging])
    assert after[4] == pytest.approx(expected_ckas(monitor, module), rel=1e-6)
    _, _, before = fit_monitored(tiny_bert, LateAveraging(0.0, "cpu"))
    assert before[4]["cka/layer_01"] < after[4]["cka/layer_01"]


@pytest.mark.slow
def test_representations_are_compared_with_those_after_reinit(tiny_bert):
    recorder, module = Recorder(), ForeignModule(tiny_bert, rate=0.0)
    with torch.no_grad():  # so large that drawing the layers again changes what they compute
        for p in module.model.bert.encoder.parameters():
            p.mul_(20)
    untreated = read(module.model, dict_batches())
    callbacks = [ReinitTopLayers(2), RepresentationChangeMonitor(dict_batches())]
    fit_foreign(module, callbacks, recorder=recorder, max_epochs=1)
    ckas = [v for k, v in recorder.lines[8].items() if k.startswith("cka")]
    assert ckas == pytest.approx([1.0] * 6)
    treated = read(module.model, dict_batches())
    assert linear_cka(untreated["cka/layer_01"], treated["cka/layer_01"]) < 0.9
