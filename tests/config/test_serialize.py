import json

import pytest
import yaml
from omegaconf import OmegaConf

from stablebert.config.compose import compose
from stablebert.config.files import flatten
from stablebert.config.serialize import as_dict, to_yaml

ROUND_TRIPS = [
    ["task=cola", "method=bert_adam"],
    ["task=mrpc", "method=reinit", "length=longer", "scale=paper"],
    ["task=mnli", "length=longer", "scale=paper", "trainer.max_steps=77"],
    ["trainer.epochs=5", "seed_init=0", "data.revision=1e5", "model.revision=12345e67"],
    ["trainer.max_steps=5", "wandb.tags=[a, \"it's\", 'b,c', 1e5]", "wandb.project=${x"],
    [r"""wandb.tags=["a\\b", 'it\'s "x"', 'c:\\']"""],
    ["scale=mini", "wandb.project=a: b # c", "data.source=C:\\glue", "wandb.entity='null'"],
]


@pytest.mark.parametrize("overrides", ROUND_TRIPS, ids=" ".join)
def test_yaml_loads_to_the_plain_values(overrides):
    cfg = compose(overrides)
    assert yaml.safe_load(to_yaml(cfg)) == as_dict(cfg)


@pytest.mark.parametrize("overrides", ROUND_TRIPS, ids=" ".join)
def test_plain_values_survive_json(overrides):
    cfg = compose(overrides)
    assert json.loads(json.dumps(as_dict(cfg))) == as_dict(cfg)


# the text 'null' is the only one that has to be typed with quotes
@pytest.mark.parametrize("overrides", ROUND_TRIPS[:-1], ids=" ".join)
def test_a_printed_configuration_can_be_typed_back(overrides):
    cfg = compose(overrides)
    printed = flatten(yaml.safe_load(to_yaml(cfg)))
    assert compose([f"{key}={value}" for key, value in printed.items()]) == cfg


def test_equal_configurations_print_the_same_text():
    assert to_yaml(compose(["task=cola"])) == to_yaml(compose(["task=cola"]))


def test_text_that_looks_like_a_number_is_quoted():
    assert "revision: '12345e67'" in to_yaml(compose(["data.revision=12345e67"]))


def test_other_yaml_readers_read_the_same_values():
    text = to_yaml(compose(["data.revision=12345e67", "optimizer.lr=2e-5"]))
    read = OmegaConf.create(text)
    assert (read.data.revision, read.optimizer.lr) == ("12345e67", 2e-5)
