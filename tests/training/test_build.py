"""Every configuration key reaches the object that uses it: module, data, and all together."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.loggers import Logger

from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.models.surgery import PartiallyTrainedEmbedding
from stablebert.optim.adam import BertAdam
from stablebert.tasks import TASKS
from stablebert.tasks.metrics import METRICS
from stablebert.training import build as building
from stablebert.training.build import (
    build_callbacks,
    build_data,
    build_module,
    build_parts,
    use_packing,
)
from stablebert.training.progress import StepSender
from tests.helpers.config import configure
from tests.helpers.models import copy_model

# ---------------------------------------------------------------- module


@pytest.mark.parametrize(
    ("override", "attribute", "value"),
    [
        ("optimizer.lr=3e-4", "lr", 3e-4),
        ("optimizer.betas=0.8,0.99", "betas", (0.8, 0.99)),
        ("optimizer.eps=1e-5", "eps", 1e-5),
        ("optimizer.weight_decay=0.02", "weight_decay", 0.02),
        ("optimizer.decay_to=start", "decay_to", "start"),
        ("optimizer.layer_decay=0.9", "layer_decay", 0.9),
        ("optimizer.bias_correction=false", "bias_correction", False),
        ("optimizer.bias_correction=second_moment", "bias_correction", "second_moment"),
        ("optimizer.warmup=0.3", "warmup", 0.3),
        ("swa.start=0.7", "constant_from", 0.7),
        ("optimizer.clip_by=component", "clip_by", "component"),
        ("optimizer.matrices=muon", "matrices", "muon"),
        ("rdrop.alpha=2", "rdrop", 2),
        ("sam.rho=0.2", "sam", 0.2),
        ("seed_data=4", "dropout_seed", 4),
        ("task=mrpc", "metrics", (METRICS["f1"], METRICS["accuracy"])),
    ],
)
def test_the_module_has_the_configured_setting(run_with, override, attribute, value):
    overrides = {override.partition("=")[0]: override}
    if attribute == "decay_to":
        overrides["optimizer.weight_decay"] = "optimizer.weight_decay=0.01"
    assert getattr(build_module(run_with(*overrides.values())), attribute) == value


def test_the_optimizer_has_the_settings_of_the_module(run_with):
    module = build_module(
        run_with(
            "optimizer.lr=3e-4", "optimizer.betas=0.8,0.99", "optimizer.eps=1e-5",
            "optimizer.weight_decay=0.02", "optimizer.bias_correction=false",
        )
    )  # fmt: skip
    module.trainer = SimpleNamespace(estimated_stepping_batches=20)
    optimizer = module.configure_optimizers()["optimizer"]
    decayed, exempt = optimizer.param_groups
    assert isinstance(optimizer, BertAdam)
    assert not any(group["bias_correction"] for group in optimizer.param_groups)
    assert (decayed["betas"], decayed["eps"], decayed["initial_lr"]) == ((0.8, 0.99), 1e-5, 3e-4)
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.02, 0.0)


@pytest.mark.parametrize(
    ("method", "random_layers"),
    [
        ("pretrained_wd", {"classifier"}),
        ("reinit+pretrained_wd reinit.num_layers=1", {"classifier", "layer.1", "pooler"}),
        ("reinit+pretrained_wd reinit.num_layers=0", {"classifier", "pooler"}),
    ],
)
def test_layers_that_start_at_random_are_not_pulled_to_their_start(run_with, method, random_layers):
    run = run_with(*f"method={method}".split())
    module = build_module(run)
    for callback in build_callbacks(run.cfg):
        callback.setup(SimpleNamespace(strategy=None), module, "fit")
    module.trainer = SimpleNamespace(estimated_stepping_batches=20)
    groups = module.configure_optimizers()["optimizer"].param_groups
    pulled = {id(p) for group in groups if "pull" in group for p in group["params"]}
    assert {
        name
        for name, layer in layers(module.model).items()
        if pulled.isdisjoint(id(p) for p in layer.parameters())
    } == random_layers
    assert not any(group["weight_decay"] for group in groups)


@pytest.mark.parametrize(
    ("overrides", "is_partial"),
    [
        ("optimizer.weight_decay=0.01", False),  # moves every row, also of words without a gradient
        ("optimizer.weight_decay=0.01 optimizer.decay_to=start", True),
        ("optimizer.weight_decay=0", True),
        ("trainer.packing=padded", False),
    ],
)
def test_words_that_no_text_contains_are_trained_only_where_they_decay(
    run_with, overrides, is_partial
):
    module = build_parts(run_with(*overrides.split()), [], []).module
    embedding = module.model.get_input_embeddings()
    assert isinstance(embedding, PartiallyTrainedEmbedding) == is_partial


def test_the_head_follows_seed_init(run_with):
    run = run_with("seed_init=3", "seed_data=4")
    head = load_model(run.model, num_labels=2, seed=3).classifier.weight
    assert torch.equal(build_module(run).model.classifier.weight, head)


@pytest.mark.parametrize("task", ["rte", "stsb", "mnli"])
def test_the_head_has_an_output_per_class(run_with, task):
    head = build_module(run_with(f"task={task}")).model.classifier
    assert head.out_features == TASKS[task].num_labels


def test_rows_longer_than_the_positions_of_the_model_are_refused(run_with):
    with pytest.raises(ValueError, match=r"data\.max_length=129: .* has 128 positions"):
        build_module(run_with("data.max_length=129"))


NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def test_rdrop_is_refused_for_a_model_without_dropout(run_with, tiny_bert, tmp_path):
    model = copy_model(tiny_bert, tmp_path / "model", config=NO_DROPOUT)
    with pytest.raises(ValueError, match="has no dropout, so its two passes are identical"):
        build_module(run_with("rdrop.alpha=1", f"model.name={model}"))


def test_rdrop_with_mixout_needs_no_dropout(run_with, tiny_bert, tmp_path):
    model = copy_model(tiny_bert, tmp_path / "model", config=NO_DROPOUT)
    build_module(run_with("method=mixout+rdrop", f"model.name={model}"))


# ---------------------------------------------------------------- data


def test_the_data_have_the_configured_sizes(run_with):
    data = build_data(run_with("trainer.batch_size=16", "trainer.accumulate=2",
                               "trainer.eval_batch_size=24"))  # fmt: skip
    assert (data.batch_size, data.eval_batch_size) == (8, 24)


def test_rows_are_cut_to_the_configured_length(run_with):
    data = build_data(run_with("data.max_length=8"))
    assert max(batch["input_ids"].shape[1] for batch in data.train_dataloader()) == 8


def test_the_data_order_follows_seed_data(run_with):
    def order(*overrides):
        data = build_data(run_with(*overrides))
        return [batch["input_ids"].tolist() for batch in data.train_dataloader()]

    assert order("seed_init=3", "seed_data=4") == order("seed=4")
    assert order("seed=4") != order("seed=3")


@pytest.mark.parametrize(
    ("requested", "packed"), [("auto", True), ("packed", True), ("padded", False)]
)
def test_batches_are_packed_unless_padding_is_requested(run_with, requested, packed):
    run = run_with(f"trainer.packing={requested}")
    assert use_packing(run.cfg, build_module(run)) == packed


@pytest.fixture
def unpackable(monkeypatch):
    """Module of an architecture without a packed forward pass."""
    monkeypatch.setattr(building, "packed_forward", lambda model: None)
    return SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(model_type="xlnet")))


def test_an_architecture_that_cannot_pack_is_padded_with_a_warning(unpackable, caplog):
    assert not use_packing(configure("trainer.packing=auto"), unpackable)
    assert "xlnet has no packed forward pass: batches are padded, which is slower" in caplog.text


def test_a_setting_that_the_packed_forward_pass_ignores_means_padding(run_with, caplog):
    """A newer version of the library may have one."""
    run = run_with()
    module = build_module(run)

    class NewerConfig(type(module.model.config)):
        residual_scale: float = 1.0

    module.model.config = NewerConfig(residual_scale=0.5)
    assert not use_packing(run.cfg, module)
    assert "the packed forward pass of bert ignores residual_scale: batches are pad" in caplog.text


def test_requested_padding_needs_no_warning(unpackable, caplog):
    assert not use_packing(configure("trainer.packing=padded"), unpackable)
    assert caplog.text == ""


def test_packing_that_the_architecture_lacks_is_refused(unpackable):
    with pytest.raises(ValueError, match=r"trainer\.packing=packed: xlnet has no packed forward"):
        use_packing(configure("trainer.packing=packed"), unpackable)


# ---------------------------------------------------------------- all together


class Silent(Logger):
    """Logger that drops everything."""

    name, version = "silent", ""

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, params):
        pass


def test_watchers_come_last_and_the_best_weights_before_the_average(run_with):
    watcher, logger = StepSender(print), Silent()
    parts = build_parts(run_with("method=ema"), [logger], [watcher])
    names = [type(each).__name__ for each in parts.trainer.callbacks]
    assert names.index("BestWeights") < names.index("WeightAveraging")
    assert parts.trainer.callbacks[-1] is watcher
    assert parts.trainer.loggers == [logger]


@pytest.mark.parametrize(
    ("overrides", "monitor"), [([], "val/score"), (["trainer.select_by=f1"], "val/f1")]
)
def test_the_best_weights_are_selected_by_the_configured_metric(run_with, overrides, monitor):
    parts = build_parts(run_with("task=mrpc", *overrides), [], [])
    assert parts.best.monitor == monitor


def test_only_rows_of_the_vocabulary_in_use_are_trained(run_with):
    module = build_parts(run_with(), [], []).module
    words = module.model.bert.embeddings.word_embeddings
    full = load_model(run_with().model, num_labels=2, seed=0).bert.embeddings.word_embeddings
    assert sum(p.numel() for p in words.parameters() if p.requires_grad) < full.weight.numel()


def test_decay_to_zero_trains_the_whole_embedding(run_with):
    module = build_parts(run_with("optimizer.weight_decay=0.01"), [], []).module
    words = module.model.bert.embeddings.word_embeddings
    assert words.weight.requires_grad


def test_threads_are_set_as_configured(run_with):
    before = torch.get_num_threads()
    try:
        build_parts(run_with("trainer.threads=2"), [], [])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_start_gives_the_weights_but_not_the_head(run_with, tiny_bert, tmp_path):
    run = run_with("seed=3")
    start = replace(run, folder=tmp_path / "start")
    weights = load_model(tiny_bert, num_labels=2, seed=0)
    copy_model(tiny_bert, start.folder / "encoder", scale=2.0)
    module = build_module(replace(run, start=start))
    own = build_module(run)
    assert torch.equal(module.model.classifier.weight, own.model.classifier.weight)
    name = "bert.encoder.layer.0.output.dense.weight"
    expected = 2 * weights.state_dict()[name]
    assert torch.equal(module.model.state_dict()[name], expected)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_memory_is_pinned_for_training_on_a_gpu_only(run_with, monkeypatch, device):
    """On a CPU it would create a CUDA context."""
    monkeypatch.setattr(building, "choose_device", lambda cfg: device)
    data = build_data(run_with())
    loaders = data.train_dataloader(), data.val_dataloader()
    assert [loader.pin_memory for loader in loaders] == [device == "cuda"] * 2


def test_the_forward_pass_selects_the_kernels_of_its_device(run_with, monkeypatch):
    devices = []
    monkeypatch.setattr(
        "stablebert.training.module.attention_kernels",
        lambda device: devices.append(device) or nullcontext(),
    )
    module = build_module(run_with())
    module({"input_ids": torch.ones(1, 4).long(), "attention_mask": torch.ones(1, 4).long()})
    assert devices == [torch.device("cpu")]
