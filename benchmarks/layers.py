"""Score linear probes on every layer of a pre-trained model, without fine-tuning it.

A probe is a logistic or ridge regression on the hidden states of the few-sample training rows: of
the first token, which the pooler reads, or their mean over tokens. Validation selects its
regularization, and the test rows score it. The result does not depend on a seed.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stablebert.callbacks.linear_probe import fit_linear_head
from stablebert.config.compose import compose
from stablebert.glue.metrics import compute_metrics
from stablebert.models.loading import load_model
from stablebert.runs.locate import locate
from stablebert.runs.run import LocatedRun
from stablebert.signals import run_script
from stablebert.tasks import TASKS
from stablebert.tasks.metrics import Metric
from stablebert.training.build import build_data
from stablebert.training.quiet import silence_libraries

TASK_NAMES = ("cola_1k", "stsb_1k", "sst2_1k", "rte_1k", "mrpc_1k")
STRENGTHS = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
"""L2 penalties to select from, for features of variance 1."""

Split = tuple[Tensor, Tensor]
"""Features `(N, H)` of the rows of a split, and their labels `(N,)`."""


@torch.no_grad()
def read_features(run: LocatedRun) -> list[dict[str, dict[str, Split]]]:
    """Return the features of each layer, from the embeddings up, by kind and split."""
    model: Any = load_model(run.model, num_labels=TASKS[run.cfg.task].num_labels, seed=0)
    encoder = model.base_model.eval()
    data = build_data(run)
    layers: list[dict[str, dict[str, Split]]] = []
    for name in ("train", "val", "test"):
        batches: list[list[dict[str, Tensor]]] = []
        labels = []
        for batch in data.rows_dataloader(name):
            labels.append(batch.pop("labels"))
            weights = batch["attention_mask"].unsqueeze(2).float()
            states = encoder(**batch, output_hidden_states=True).hidden_states
            means = [(state * weights).sum(1) / weights.sum(1) for state in states]
            batches.append(
                [{"first": x[:, 0], "mean": y} for x, y in zip(states, means, strict=True)]
            )
        y = torch.cat(labels)
        layers = layers or [{kind: {} for kind in parts} for parts in batches[0]]
        for depth, parts in enumerate(zip(*batches, strict=True)):
            for kind in parts[0]:
                layers[depth][kind][name] = torch.cat([part[kind] for part in parts]), y
    return layers


def fit_probe(splits: dict[str, Split], metric: Metric, classes: int) -> dict[str, float]:
    """Fit a probe at every strength, and return the scores of the best one on validation."""
    x, y = splits["train"]
    mean, scale = x.mean(0), x.std(0).clamp_min(1e-6)
    best: dict[str, float] = {"val": -2.0}
    for l2 in STRENGTHS:
        weight, bias = fit_linear_head((x - mean) / scale, y, classes=classes, l2=l2)
        scores = {}
        for name in ("val", "test"):
            features, labels = splits[name]
            logits = ((features - mean) / scale).double() @ weight.T + bias
            scores[name] = compute_metrics([metric], logits, labels)[metric.key]
        if scores["val"] > best["val"]:
            best = {"l2": l2, **scores}
    return best


def probe_task(task: str, data: str, model: str) -> list[dict[str, Any]]:
    """Return the scores of the probes on every layer for a task."""
    overrides = ["scale=mini", f"task={task}", f"data.source={data}", f"model.name={model}"]
    run = locate(compose(overrides))
    metric, classes = TASKS[task].metric, TASKS[task].num_labels
    inputs = {"task": task, "model": run.model_identity, "data": run.source.identity}
    return [
        {**inputs, "layer": depth, "features": kind, **fit_probe(splits, metric, classes)}
        for depth, kinds in enumerate(read_features(run))
        for kind, splits in kinds.items()
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, and add the probes of a model to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the data, as in data.source")
    parser.add_argument("--model", required=True, help="folder or hub id, as in model.name")
    parser.add_argument("--out", type=Path, default=Path("results/mini/probes.csv"))
    args = parser.parse_args(argv)
    silence_libraries()
    for task in TASK_NAMES:
        rows = probe_task(task, args.data, args.model)
        is_new = not args.out.exists()
        with args.out.open("a", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0], lineterminator="\n")
            if is_new:
                table.writeheader()
            table.writerows(rows)
        for row in rows:
            print(f"{task} layer {row['layer']} {row['features']}: {100 * row['test']:.1f}")


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.layers"))
