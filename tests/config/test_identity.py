import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stablebert.config import identity
from stablebert.config.compose import compose
from stablebert.config.identity import config_id, prerequisite
from stablebert.config.schema import KEYS
from stablebert.config.values import parse_value
from tests.helpers.config import value_of

ROOT = Path(__file__).parents[2]
SAME_ID = {"seed", "seed_init", "seed_data", "force", "trainer.accelerator", "trainer.threads"}
SAME_ID |= {"monitor.bias_ratio", "monitor.weight_change", "monitor.representation_change"}
SAME_ID |= {"monitor.file"}
SAME_ID |= {"paths.runs", "paths.cache", "trainer.keep_weights", "trainer.checkpoint_minutes"}
SAME_ID |= {"wandb.mode", "wandb.project", "wandb.entity", "wandb.tags"}
BY_CONTENT = {"data.source", "data.revision", "model.name", "model.revision", "model.like"}
# keys whose other value cannot be derived from the type
OTHER = {
    "trainer.precision": "32-true", "trainer.accelerator": "cpu", "trainer.select_by": "accuracy",
    "wandb.mode": "offline", "optimizer.betas": (0.5, 0.5), "wandb.tags": ("x",), "task": "cola",
    "method": "bert_adam", "length": "longer", "scale": "paper", "mixout.mask": "weight",
    "optimizer.clip_by": "component", "optimizer.matrices": "muon", "adapter.kind": "lora",
    "swa.start": 0.5,
    "trainable.patterns": ("x",), "optimizer.decay_to": "start", "intermediate.task": "mnli",
    "model.like": "facebook/bart-large",
}  # fmt: skip


def replace_value(cfg, key, new):
    group, _, name = key.rpartition(".")
    if group:
        return dataclasses.replace(
            cfg, **{group: dataclasses.replace(getattr(cfg, group), **{name: new})}
        )
    return dataclasses.replace(cfg, **{key: new})


@pytest.mark.parametrize("key", KEYS)
def test_a_key_changes_the_id_unless_it_cannot_change_the_result(key):
    cfg = compose([])
    old = value_of(cfg, key)
    new = OTHER.get(key, not old if isinstance(old, bool) else 7 if old is None else old * 2 or 5)
    first = config_id(cfg, data="d", model="m")
    other = config_id(replace_value(cfg, key, new), data="d", model="m")
    assert (first == other) == (key in SAME_ID | BY_CONTENT)


def test_an_id_has_ten_hex_digits():
    identifier = config_id(compose([]), data="d", model="m")
    assert len(identifier) == 10
    assert set(identifier) <= set("0123456789abcdef")


@pytest.mark.parametrize("content", [("D", "m"), ("d", "M"), ("m", "d")])
def test_the_content_of_data_and_model_changes_the_id(content):
    data, model = content
    cfg = compose([])
    assert config_id(cfg, data=data, model=model) != config_id(cfg, data="d", model="m")


def test_the_run_that_it_starts_from_changes_the_id():
    cfg = compose([])
    first = config_id(cfg, data="d", model="m")
    assert config_id(cfg, data="d", model="m", start="0123456789") != first


def test_the_recipe_version_changes_the_id(monkeypatch):
    cfg = compose([])
    first = config_id(cfg, data="d", model="m")
    monkeypatch.setattr(identity, "RECIPE_VERSION", identity.RECIPE_VERSION + 1)
    assert config_id(cfg, data="d", model="m") != first


def test_a_new_key_leaves_ids_unchanged():
    """Pins the id at `RECIPE_VERSION` 3: give a new key the neutral value of `standard`."""
    cfg = compose(["scale=demo", "task=rte", "method=standard"])
    assert config_id(cfg, data="d", model="m") == "00214215e1"


NEUTRAL = {key: entry.metadata["neutral"] for key, entry in KEYS.items()
           if "neutral" in entry.metadata}  # fmt: skip


@pytest.mark.parametrize("key", NEUTRAL)
def test_standard_has_the_neutral_value(key):
    assert value_of(compose(["method=standard"]), key) == NEUTRAL[key]


@pytest.mark.parametrize("key", NEUTRAL)
def test_a_neutral_value_is_valid(key):
    assert parse_value(str(NEUTRAL[key]), key) == NEUTRAL[key]


@pytest.mark.slow
def test_the_id_is_the_same_in_another_process():
    code = "from stablebert.config.compose import compose\n"
    code += "from stablebert.config.identity import config_id\n"
    code += "print(config_id(compose([]), data='d', model='m'))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert out.stdout.strip() == config_id(compose([]), data="d", model="m")


def intermediate(*overrides):
    """Return the configuration that a run of `intermediate` on the demo's RTE starts from."""
    defaults = ["task=rte", "method=intermediate", "scale=demo", "data.source=demo:70"]
    return prerequisite(compose([*defaults, *overrides]))


def test_all_seeds_start_from_one_run():
    assert intermediate("seed=3") == intermediate("seed_init=4")


def test_the_prerequisite_trains_standard_on_the_intermediate_task():
    cfg = intermediate("seed=3")
    assert (cfg.task, cfg.method, cfg.length, cfg.seed) == ("mnli", "standard", "3epochs", 0)


def test_the_prerequisite_has_the_same_data_and_model():
    cfg = intermediate()
    assert (cfg.data.source, cfg.model.name) == ("demo:70", "demo")


def test_the_prerequisite_has_the_same_precision():
    assert intermediate("trainer.precision=bf16-mixed").trainer.precision == "bf16-mixed"


def test_the_prerequisite_keeps_checkpoints_too():
    assert intermediate("trainer.checkpoint_minutes=5").trainer.checkpoint_minutes == 5


def test_the_prerequisite_does_not_inherit_the_optimizer():
    assert intermediate("optimizer.lr=0.5").optimizer.lr == 1e-3


def test_the_prerequisite_never_takes_the_wandb_run_that_an_agent_was_given():
    assert intermediate().wandb.mode == "disabled"
    assert intermediate("wandb.mode=online").wandb.mode == "disabled"


def test_a_prerequisite_has_none_itself():
    assert prerequisite(intermediate()) is None
