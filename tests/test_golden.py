"""Values that a change of structure must not change: ids, paths, draws, demo content, scores.

The expected values are in `tests/golden.json`. `python -m tests.test_golden` prints the
values of the code as it is; replace the file only together with a higher `recipe_version`.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers import golden_names as names

GOLDEN = Path(__file__).parent / "golden.json"
METHODS = (
    *("standard", "bert_adam", "reinit", "longer", "mixout", "llrd", "pretrained_wd", "wd"),
    *("intermediate", "mosbach", "ema", "rdrop", "bitfit", "layernorm", "head_only", "lp_ft"),
    *("adamd", "bert_adam_rescaled", "noisytune", "component_clipping", "swa", "sam", "lora"),
    *("ia3", "muon"),
)
CONFIGURATIONS = [
    *(f"scale=demo task=rte method={method}" for method in METHODS),
    *(f"scale=mini task=cola method={method}" for method in METHODS),
    *(f"scale=paper task=mrpc method={method}" for method in METHODS),
    *(f"scale=demo length=longer task={task}" for task in ("rte", "stsb", "cola", "mnli")),
    *(f"scale=paper length=longer task={task}" for task in ("rte", "mrpc_1k", "stsb", "cola_1k")),
    "scale=mini task=sst2_1k method=reinit+mixout",
    "scale=mini task=qqp method=llrd+ema length=longer trainer.max_steps=700",
    "scale=paper task=mnli method=reinit seed=7",
    "scale=paper task=rte seed_init=3 seed_data=5",
    "scale=paper task=rte model.name=FacebookAI/roberta-large",
    "scale=paper task=cola model.name=google/electra-large-discriminator method=llrd",
    "scale=demo task=cola trainer.max_steps=10 optimizer.lr=3e-4 trainer.accumulate=2",
    "scale=demo task=stsb optimizer.betas=0.8,0.98 trainer.precision=bf16-mixed",
    "scale=demo task=mrpc trainer.packing=padded data.max_length=64 trainer.threads=1",
    "scale=demo task=qnli trainable.top_layers=3 monitor.bias_ratio=false wandb.tags=a,b",
    "scale=demo task=mrpc trainer.select_by=accuracy paths.runs=elsewhere force=true",
    "scale=demo task=sst2 method=intermediate+reinit",
]
PATHS = [
    "task=rte seed=3",
    "task=rte method=reinit seed_init=1 seed_data=2",
    "task=cola length=longer paths.runs=/somewhere/else",
    "task=mrpc method=intermediate seed=4294967295",
    "task=stsb data.source=demo:600:7",
]
TINY = "scale=demo seed=1 trainer.threads=1 trainer.max_steps=8 trainer.accelerator=cpu"
RUNS = {
    "standard": "task=rte",
    "reinit": "task=stsb method=reinit trainer.packing=padded",
    "bert_adam": "task=cola method=bert_adam+llrd",
    "rdrop": "task=mnli method=mixout+rdrop+pretrained_wd trainer.accumulate=2",
    "sam": "task=rte method=adamd+noisytune+component_clipping+swa+sam",
}


def config_ids():
    """`config_id` of each configuration, with fixed contents of data, model and start."""
    found = {}
    for words in CONFIGURATIONS:
        cfg = names.compose(words.split())
        start = "0123456789" if cfg.intermediate.task else None
        found[words] = names.config_id(cfg, data="DATA", model="MODEL", start=start)
    return found


def record_paths():
    """Folder of the record of each configuration, on the demo's real data and model."""
    return {words: str(names.record_folder(words)) for words in PATHS}


def draws():
    """The first draws of every named random stream."""
    found = {}
    for seed in (0, 1, 4294967295):
        for purpose in ("head", "reinit", "order", "dropout", "noise", "adapters"):
            numbers = torch.rand(3, generator=names.generator(seed, purpose), dtype=torch.float64)
            found[f"{purpose} {seed}"] = [names.stream(seed, purpose), numbers.tolist()]
        found[f"permutation {seed}"] = names.permutation(12, seed)
        found[f"dropped {seed}"] = names.dropped(seed, 1000, 0.02)
    return found


def demo_contents():
    """Digests of the demo's rows per task and part, and of its data and model."""
    found = {"model": names.model_identity("scale=demo task=rte")}
    for task in names.demo_tasks():
        found[f"{task} identity"] = names.data_identity(f"scale=demo task={task}")
        for part in ("train", "dev"):
            text = json.dumps(names.rows(task, part), ensure_ascii=False)
            found[f"{task} {part}"] = hashlib.sha256(text.encode()).hexdigest()
    return found


def run(name, folder):
    """The scores of a tiny run on one thread."""
    words = [*TINY.split(), *RUNS[name].split(), f"paths.runs={folder / 'runs'}"]
    words.append(f"paths.cache={folder / 'cache'}")
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stablebert", "train", *words]
    subprocess.run(command, env=env, check=True, capture_output=True)
    (path,) = (folder / "runs").rglob("result.json")
    result = json.loads(path.read_text())
    lines = [json.loads(line) for line in (path.parent / "history.jsonl").read_text().splitlines()]
    kept = ("config_id", "status", "val_best", "val_best_step", "test_at_best", "test_at_last")
    return {
        **{key: result[key] for key in kept},
        "metrics": result["metrics"],
        "predictions": result["predictions"],
        "history": lines[-1],
        "machine": [result["device"], result["versions"]["torch"]],
    }


def printed(folder):
    """All values, as the golden file holds them."""
    return {
        "config_ids": config_ids(),
        "record_paths": record_paths(),
        "draws": draws(),
        "demo_contents": demo_contents(),
        "runs": {name: run(name, Path(folder) / name) for name in RUNS},
    }


def approximate(value):
    """The value with every number allowed to round differently, as on another processor."""
    if isinstance(value, dict):
        return {key: approximate(inner) for key, inner in value.items()}
    return pytest.approx(value, rel=0.02, abs=0.02) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("values", [config_ids, record_paths, draws, demo_contents])
def test_values_are_unchanged(values, golden):
    assert json.loads(json.dumps(values())) == golden[values.__name__]


@pytest.mark.parametrize("name", RUNS)
def test_tiny_run_is_unchanged_bit_for_bit(name, golden, tmp_path):
    found, expected = run(name, tmp_path), golden["runs"][name]
    if found.pop("machine") != expected.pop("machine"):  # bits are promised on one machine only
        # rounding may decide which of two nearly equal validations is the best
        for key in ("predictions", "val_best_step", "test_at_best"):
            del found[key], expected[key]
        del found["metrics"]["test_at_best"], expected["metrics"]["test_at_best"]
        expected = approximate(expected)
    assert found == expected


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(printed(scratch), indent=1, ensure_ascii=False))
