"""Intermediate tasks: one run is trained for all seeds, keeps its encoder, and is recorded."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.runs.run import Job
from stablebert.training.build import build_module
from stablebert.training.lifecycle import train_run
from tests.helpers.runs import join_arguments

pytestmark = pytest.mark.slow

EMBEDDING = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def run(run_defaults, tmp_path_factory):
    """Run on RTE that starts from MNLI, trained together with its start."""
    more = {
        "method": "intermediate",
        "task": "rte",
        "seed": "3",
        "paths.runs": str(tmp_path_factory.mktemp("runs")),
        "trainer.max_steps": "2",
        "trainer.threads": "1",
    }
    run = locate(compose(join_arguments({**run_defaults, **more}, [])))
    train_run(run)
    return run


@pytest.fixture
def encoder(run):
    """Weights that the start has kept."""
    return load_file(run.start.folder / "encoder" / "model.safetensors")


@pytest.fixture
def pretrained(run):
    """Weights of the pre-trained model."""
    weights = load_file(run.model / "model.safetensors")
    return {f"bert.{name}": weight for name, weight in weights.items()}


def test_the_start_is_three_epochs_of_the_intermediate_task(run):
    record = read_record(run.start.folder)
    steps = 3 * 57  # 1,800 rows in batches of 32
    assert (record.task, record.method, record.seed, record.steps) == ("mnli", "standard", 0, steps)


def test_the_prerequisite_is_done(run):
    assert Job(run).prerequisite.is_done


def test_the_record_describes_the_start(run):
    record, start = read_record(run.folder), read_record(run.start.folder)
    assert record.start["config_id"] == start.config_id
    assert record.start["val_best"] == start.val_best


def test_both_records_name_the_pretrained_model(run):
    assert read_record(run.folder).model == read_record(run.start.folder).model


def test_the_encoder_is_kept_without_a_head(encoder, pretrained):
    assert encoder.keys() == pretrained.keys()


@pytest.mark.parametrize(
    "name", ["bert.pooler.dense.weight", "bert.encoder.layer.0.output.dense.weight", EMBEDDING]
)
def test_the_encoder_has_moved(encoder, pretrained, name):
    assert not torch.equal(encoder[name], pretrained[name])


def test_embeddings_of_words_that_never_occur_have_not_moved(encoder, pretrained):
    has_moved = (encoder[EMBEDDING] != pretrained[EMBEDDING]).any(1)
    assert not has_moved.all()


@pytest.mark.parametrize("seed", [3, 4])
def test_a_run_starts_from_the_encoder(run, encoder, seed):
    cfg = replace(run.cfg, seed=seed)
    weights = build_module(replace(run, cfg=cfg)).model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in encoder.items())


@pytest.mark.parametrize("seed", [3, 4])
def test_a_run_has_the_head_of_its_own_seed(run, seed):
    run = replace(run, cfg=replace(run.cfg, seed=seed))
    heads = [build_module(each).model.classifier.weight for each in (run, replace(run, start=None))]
    assert torch.equal(*heads)
