"""Callbacks and Trainer have the configured settings, and the machine decides the rest."""

import logging
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import WeightAveraging

from stablebert.callbacks.stateful import Treatment
from stablebert.training import build as building
from stablebert.training.averaging import LateAveraging
from stablebert.training.build import (
    build_averaging,
    build_callbacks,
    build_module,
    build_parts,
    build_trainer,
    choose_device,
    choose_precision,
)
from stablebert.training.progress import RunProgress
from tests.helpers.config import configure

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
