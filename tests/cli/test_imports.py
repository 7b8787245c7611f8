"""Modules that a command must not import: each takes a share of its start-up time."""

import pytest

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.training.build import build_data
from tests.helpers.processes import imports_of

NEEDLESS = {"datasets", "matplotlib", "nltk", "pandas", "sklearn", "tensorboard", "torchvision"}
"""Packages that no command needs, except `datasets` to tokenize."""
TRAINING = {"torch", "lightning", "transformers", "torchmetrics", "pyarrow", "wandb"}
NUMBERS = {"numpy", "scipy"}
DRAWING = {"altair", "vl_convert", "jinja2", "plotext"}
"""Packages of the extra `stablebert[report]`."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], TRAINING | NEEDLESS | NUMBERS | {"rich"}),
        (["train", "--help"], TRAINING | NEEDLESS | DRAWING | NUMBERS | {"rich"}),
        (["config", "task=rte"], TRAINING | NEEDLESS | NUMBERS | {"rich"}),
        (["report", "--help"], TRAINING | NEEDLESS | DRAWING | {"rich"}),
        (["soup", "--help"], TRAINING | NEEDLESS | {"rich"}),
    ],
)
def test_a_command_answers_without_packages_that_train(arguments, unwanted):
    assert not unwanted & imports_of(*arguments)


@pytest.mark.slow
def test_a_grid_is_planned_without_packages_that_train(sweep_arguments):
    used = imports_of("grid", *sweep_arguments(), "--dry-run")
    assert not (TRAINING | NEEDLESS) & used


@pytest.mark.slow
def test_a_report_is_computed_without_packages_that_train(sweep_arguments, tmp_path):
    used = imports_of("report", *sweep_arguments(), f"--out={tmp_path}/report")
    assert not (TRAINING | NEEDLESS | DRAWING) & used


@pytest.mark.slow
def test_a_run_with_tokenized_data_imports_nothing_needless(run_arguments):
    arguments = run_arguments("trainer.max_steps=1", "trainer.evaluations=1")
    build_data(locate(compose(arguments)))
    assert not (NEEDLESS | {"wandb"}) & imports_of("train", *arguments)
