"""Every configuration key reaches the object that uses it, and the machine decides the rest."""

import logging
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.loggers import Logger

from stablebert.callbacks.stateful import Treatment
from stablebert.config.compose import compose
from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.models.surgery import PartiallyTrainedEmbedding
from stablebert.optim.adam import BertAdam
from stablebert.runs.locate import locate
from stablebert.tasks import TASKS
from stablebert.tasks.metrics import METRICS
from stablebert.training import build as building
from stablebert.training.averaging import LateAveraging
from stablebert.training.build import (
    build_averaging,
    build_callbacks,
    build_data,
    build_module,
    build_parts,
    build_trainer,
    choose_device,
    choose_precision,
    use_packing,
)
from stablebert.training.progress import RunProgress, StepSender
from tests.helpers.models import copy_model
from tests.helpers.runs import join_arguments


@pytest.fixture
def run_with(run_arguments):
    """Function that locates a tiny run."""
    return lambda *overrides: locate(compose(run_arguments(*overrides)))


def configure(*overrides):
    """Return a configuration without locating its data and model."""
    return compose(join_arguments({"scale": "mini"}, overrides))


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


# ---------------------------------------------------------------- callbacks


def chain(*overrides):
    """Return the callbacks of a configuration by the name of their class, in order."""
    return {
        type(callback).__name__: callback for callback in build_callbacks(configure(*overrides))
    }


ALWAYS = ["ValidationSchedule", "TrainingLossMonitor"]
MONITORS = ["BiasRatioMonitor", "WeightChangeMonitor"]


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ([], [*ALWAYS, *MONITORS]),
        (["monitor.bias_ratio=false"], [*ALWAYS, "WeightChangeMonitor"]),
        (["monitor.weight_change=false"], [*ALWAYS, "BiasRatioMonitor"]),
        (["method=reinit"], [*ALWAYS, "ReinitTopLayers", *MONITORS]),
        (["method=mixout"], [*ALWAYS, "Mixout", *MONITORS]),
        (["method=noisytune"], [*ALWAYS, "AddNoise", *MONITORS]),
        # re-initialized layers are drawn after the noise, which lower layers have in any case
        (["method=noisytune+reinit+mixout"],
         [*ALWAYS, "AddNoise", "ReinitTopLayers", "Mixout", *MONITORS]),
        (["method=bitfit"], [*ALWAYS, "TrainPart", *MONITORS]),
        (["method=lora"], [*ALWAYS, "AddAdapters", "TrainPart", *MONITORS]),
        (["method=lp_ft"], [*ALWAYS, "LinearProbe", *MONITORS]),
        # the part to train is chosen after re-initialization
        (["method=reinit", "trainable.top_layers=2"],
         [*ALWAYS, "ReinitTopLayers", "TrainPart", *MONITORS]),
    ],
)  # fmt: skip
def test_a_configuration_has_exactly_its_callbacks(overrides, names):
    assert list(chain(*overrides)) == names


@pytest.mark.parametrize(
    ("overrides", "last"),
    [
        ([], "BestWeights"),
        (["monitor.representation_change=true"], "RepresentationChangeMonitor"),
        # the average is in place when the monitor reads the weights
        (["monitor.representation_change=true", "method=ema"], "RepresentationChangeMonitor"),
    ],
)
def test_representations_are_compared_last_and_only_on_request(run_with, overrides, last):
    trainer = build_parts(run_with(*overrides), [], []).trainer
    names = [type(callback).__name__ for callback in trainer.callbacks]
    assert names[-1] == last
    assert names.count("RepresentationChangeMonitor") == (last != "BestWeights")


def test_the_number_of_evaluations_reaches_the_schedule():
    assert chain("trainer.evaluations=4")["ValidationSchedule"].evaluations == 4


def test_the_settings_of_reinit_reach_its_callback():
    settings = ("reinit.num_layers=1", "reinit.skip=2", "reinit.pooler=false", "seed_init=3")
    reinit = chain(*settings)["ReinitTopLayers"]
    assert (reinit.num_layers, reinit.skip, reinit.pooler, reinit.seed) == (1, 2, False, 3)


def test_the_settings_of_the_noise_reach_its_callback():
    noise = chain("noise.intensity=0.3", "seed_init=3")["AddNoise"]
    assert (noise.intensity, noise.seed) == (0.3, 3)


def test_the_settings_of_adapters_reach_their_callback():
    adapters = chain("method=lora", "adapter.rank=4", "adapter.alpha=2", "seed_init=3")
    settings = vars(adapters["AddAdapters"])
    expected = {"kind": "lora", "rank": 4, "alpha": 2.0, "seed": 3}
    assert {name: settings[name] for name in expected} == expected


def test_adapters_are_trained_with_the_configured_part():
    assert chain("method=ia3")["TrainPart"].patterns == ("classifier", "*.ia3_*")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("method=lora+reinit reinit.num_layers=1", r"\w+ starts at random and \d+ of its"),
        ("method=lora+reinit reinit.num_layers=0", "pooler starts at random and 2 of its"),
        ("adapter.kind=lora", "classifier starts at random and 2 of its"),
    ],
)
def test_random_layers_next_to_adapters_are_not_frozen(run_with, overrides, message):
    run = run_with(*overrides.split())
    module = build_module(run)
    *earlier, part = [c for c in build_callbacks(run.cfg) if isinstance(c, Treatment)]
    for callback in earlier:
        callback.setup(SimpleNamespace(strategy=None), module, "fit")
    with pytest.raises(ValueError, match=message):
        part.setup(SimpleNamespace(strategy=None), module, "fit")


def test_a_bar_is_shown_on_a_terminal_only(monkeypatch):
    assert "RunProgress" not in chain()
    monkeypatch.setattr(building.sys.stdout, "isatty", lambda: True)
    assert isinstance(build_callbacks(configure())[-1], RunProgress)


def test_weights_are_averaged_only_on_request():
    assert build_averaging(configure()) == []
    (averaging,) = build_averaging(configure("method=ema"))
    assert isinstance(averaging, WeightAveraging)


def test_late_weights_are_averaged_from_the_configured_start():
    (averaging,) = build_averaging(configure("method=swa", "swa.start=0.7"))
    assert isinstance(averaging, LateAveraging)
    assert averaging.start == 0.7


# ---------------------------------------------------------------- Trainer


def build_trainer_of(*overrides):
    return build_trainer(configure("trainer.accelerator=cpu", *overrides), [], [])


@pytest.mark.parametrize(
    ("overrides", "attribute", "value"),
    [
        (["optimizer.clip_norm=0.7"], "gradient_clip_val", 0.7),
        (["trainer.accumulate=2"], "accumulate_grad_batches", 2),
        (["trainer.precision=bf16-mixed"], "precision", "bf16-mixed"),
        (["trainer.epochs=5"], "max_epochs", 5),
        (["trainer.epochs=5"], "max_steps", -1),
        (["trainer.max_steps=20"], "max_steps", 20),
        (["trainer.max_steps=20"], "max_epochs", -1),
        ([], "num_devices", 1),
        ([], "checkpoint_callback", None),
    ],
)
def test_the_trainer_has_the_configured_setting(overrides, attribute, value):
    assert getattr(build_trainer_of(*overrides), attribute) == value


def test_a_trainer_ignores_the_tasks_of_slurm(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_JOB_NAME", "array")
    assert build_trainer_of().world_size == 1


@pytest.fixture(params=[False, True], ids=["no GPU", "GPU"])
def cuda(request, monkeypatch):
    """True if torch sees a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return request.param


def test_a_run_on_a_cpu_does_not_touch_cuda(monkeypatch, run_with):
    """A context of CUDA takes hundreds of megabytes of a GPU that others may use."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: pytest.fail("touched"))
    build_parts(run_with("trainer.accelerator=cpu"), [], [])


def test_auto_means_a_gpu_if_there_is_one(cuda):
    assert choose_device(configure("trainer.accelerator=auto")) == ("cuda" if cuda else "cpu")


def test_a_cpu_is_used_on_request(cuda):
    assert choose_device(configure("trainer.accelerator=cpu")) == "cpu"


@pytest.mark.parametrize(
    ("requested", "on_cuda", "on_cpu"),
    [
        ("auto", "16-mixed", "32-true"),
        ("16-mixed", "16-mixed", "16-mixed"),
        ("bf16-mixed", "bf16-mixed", "bf16-mixed"),
        ("32-true", "32-true", "32-true"),
    ],
)
def test_precision_is_the_requested_one_or_fits_the_device(requested, on_cuda, on_cpu):
    assert choose_precision(requested, cuda=True) == on_cuda
    assert choose_precision(requested, cuda=False) == on_cpu


@pytest.mark.parametrize(
    ("requested", "cuda", "warning"),
    [
        ("auto", False, "training in 32-true"),
        ("16-mixed", False, "trains in bf16-mixed instead of 16-mixed"),
        ("bf16-mixed", False, ""),
        ("32-true", False, ""),
        ("auto", True, ""),
    ],
)
def test_a_precision_that_was_not_requested_is_reported(requested, cuda, warning, caplog):
    """docs/pitfalls.md, 6."""
    caplog.set_level(logging.WARNING)
    choose_precision(requested, cuda=cuda)
    assert warning in caplog.text
    assert bool(caplog.text) == bool(warning)


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
