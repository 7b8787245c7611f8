"""Identity of a configuration: its `config_id`, and the run that it starts from."""

import hashlib
import json
from typing import Any

from stablebert.config.compose import compose
from stablebert.config.schema import KEYS, RunConfig
from stablebert.config.serialize import flat_values
from stablebert.tasks import TASKS

RECIPE_VERSION = 3  # part of every config_id; raise it when a code change alters numbers


def config_id(cfg: RunConfig, *, data: str, model: str, start: str | None = None) -> str:
    """Return ten hex digits that two runs share if they differ only in their seeds.

    Args:
        cfg: Configuration of the run.
        data: Identity of the data's content; replaces its address.
        model: Identity of the model's content, likewise.
        start: `config_id` of the run whose encoder this one starts from.
    """
    hash_input: dict[str, Any] = {}
    for key, value in flat_values(cfg).items():
        metadata = KEYS[key].metadata
        is_neutral = "neutral" in metadata and metadata["neutral"] == value
        if metadata.get("in_id", True) and not is_neutral:
            hash_input[key] = value
    hash_input |= {"data": data, "model": model, "recipe_version": RECIPE_VERSION}
    if start:
        hash_input["start"] = start
    canonical = json.dumps(hash_input, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


_SHARED_WITH_PREREQUISITE = {
    *("scale", "data", "model", "paths", "trainer.precision", "trainer.packing"),
    *("trainer.accelerator", "trainer.threads", "trainer.eval_batch_size"),
    "trainer.checkpoint_minutes",
}


def prerequisite(cfg: RunConfig) -> RunConfig | None:
    """Return the run whose encoder a run starts from, or None if it starts from the model.

    It trains `standard` on `intermediate.task` for three epochs, at the same scale, with the same
    model, machine and, between tasks of GLUE, data source, and is one run for all seeds. It has no
    mirror in W&B.
    """
    if cfg.intermediate.task is None:
        return None
    # the data of a user's task are not next to those of another one
    has_own_data = any(TASKS[name].own for name in (cfg.task, cfg.intermediate.task))
    overrides = [
        f"{key}={value}"
        for key, value in flat_values(cfg).items()
        if {key, key.partition(".")[0]} & _SHARED_WITH_PREREQUISITE
        and not (has_own_data and key in ("data.source", "data.revision"))
    ]
    # an agent of a sweep hands out one W&B run, to the run that it starts: not to its prerequisite
    overrides += [f"task={cfg.intermediate.task}", "method=standard", "wandb.mode=disabled"]
    return compose(overrides)
