"""Fixtures for all tests: a tiny BERT and tiny GLUE tasks; no test uses the network."""

import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "disabled"
os.environ["WANDB_SILENT"] = "true"
# commands that tests start end with them, also when a test is killed
os.environ["STABLEBERT_END_WITH_PARENT"] = "1"

import pytest

from stablebert.config.own_tasks import use_tasks
from stablebert.signals import STOP_SIGNALS
from stablebert.tasks import TASKS, OwnData
from tests.helpers.installed import install
from tests.helpers.tiny import SHAPES, write_tiny_bert, write_tiny_task

# nohup, and a script's background, hand on that signals are ignored; tests send them to commands.
# A handler, unlike that, ends with the start of a command.
for _number in STOP_SIGNALS:
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)

ROOT = Path(__file__).parents[1]
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure(config):
    """Hide GPUs, so that tests expect the same everywhere, except in `pytest -m gpu`.

    A process cannot show them again: CUDA reads this variable once.
    """
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items):
    """Mark the runs of the golden test as slow from here: that file must stay as it is."""
    for item in items:
        if item.originalname == "test_tiny_run_is_unchanged_bit_for_bit":
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item):
    """Skip tests that need a GPU where torch sees none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs an NVIDIA GPU, and `pytest -m gpu`")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """Folder of a BERT with 2 layers, hidden size 16 and its own vocabulary."""
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    write_tiny_bert(folder)
    return folder


@pytest.fixture
def use_own_task():
    """A function that adds the task `mine` with data at a source; it is forgotten afterwards."""

    def use(source):
        own = OwnData(source, (("train", "train"), ("dev", "dev")))
        use_tasks([replace(TASKS["rte"], name="mine", config="mine", own=own)])

    yield use
    use_tasks([])


@pytest.fixture(scope="session")
def tiny_glue(tmp_path_factory):
    """Folder with all eight tasks in the hub's parquet layout, small and imbalanced."""
    folder = tmp_path_factory.mktemp("data") / "glue"
    for config in SHAPES:
        write_tiny_task(folder, config)
    return folder


@pytest.fixture(scope="session")
def small_glue(tmp_path_factory):
    """Folder with 100 training rows of RTE, and enough of MNLI for intermediate training."""
    folder = tmp_path_factory.mktemp("data") / "small-glue"
    write_tiny_task(folder, "rte", train_rows=100)
    write_tiny_task(folder, "mnli", train_rows=1500)
    return folder


@pytest.fixture(scope="session")
def shared():
    """Folder with real GLUE data and a real BERT; skip the test if there is none."""
    if not (SHARED / "glue" / "rte").is_dir():
        pytest.skip("needs real GLUE data and a real BERT next to the checkout")
    return SHARED


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory):
    """The wheel; building it needs a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", folder, ROOT], check=True)
    (file,) = folder.glob("stablebert-*.whl")
    return file


@pytest.fixture(scope="session")
def wheel(wheel_file):
    """Folder with the unpacked wheel."""
    folder = wheel_file.parent / "unpacked"
    zipfile.ZipFile(wheel_file).extractall(folder)
    return folder


@pytest.fixture(scope="session", params=["copied", pytest.param("wheel", marks=pytest.mark.stress)])
def installed(tmp_path_factory, request):
    """The command `stablebert` of an environment that has the package, but not the repository.

    The package is copied as the wheel would have it, or installed from the wheel.
    """
    wheel = request.getfixturevalue("wheel_file") if request.param == "wheel" else None
    return install(tmp_path_factory.mktemp("environment"), wheel)
