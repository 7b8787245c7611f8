"""The roofline: the machine's matrix-product rate, and the products that a step needs.

For every real token, a training step multiplies with each weight of the encoder's Linear layers
three times: forward, for the gradient of the input, and for the gradient of the weight. Each time
is a multiplication and an addition. For a sequence of s tokens and a layer of hidden size H,
attention multiplies queries with keys and probabilities with values: 2 s² H operations each, and
twice that backward. So a batch needs

    6 * (weights of the encoder's Linear layers) * (real tokens)  +  12 * layers * H * (sum of s²)

operations. Embeddings, LayerNorm, GELU, softmax, dropout, pooler, head and optimizer count as
nothing. Operations per measured second, divided by the measured rate of matrix products, is the
share of the machine's rate that a step reaches; work on padding does not count as work.
"""

import json
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contest import DEVICE, HALF, ON_CUDA, synchronize
from stablebert.config.compose import compose
from stablebert.glue.batches import Permutations
from stablebert.glue.token_cache import TOKENIZER_FILES
from stablebert.runs.locate import locate
from stablebert.runs.run import LocatedRun
from stablebert.training.build import build_data

SQUARE = 8192 if ON_CUDA else 2048
SHAPES = {"tiny": (2, 64, 2), "base": (12, 768, 12), "large": (24, 1024, 16)}
"""Layers, hidden size and heads of the models with random weights."""
VOCABULARY = 30522
"""Tokens of bert-base-uncased and bert-large-uncased."""


def batch_lengths(
    lengths: np.ndarray, *, seed: int, batch_size: int, first: int, count: int
) -> list[np.ndarray]:
    """Return the tokens of each row of the training batches `first` ... `first + count - 1`.

    Args:
        lengths: Tokens of each row of the training split, `(N,)`.
        seed: Seed of the data order.
        batch_size: Rows in a batch.
        first: Index of the first batch, from 0, over epochs.
        count: Number of batches.
    """
    order = Permutations(len(lengths), seed)
    batches: list[np.ndarray] = []
    while len(batches) < first + count:
        rows = lengths[list(order)]
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return batches[first : first + count]


def step_operations(
    batches: list[np.ndarray], *, layers: int, hidden: int, intermediate: int
) -> float:
    """Return the operations of a training step by the module's formula, averaged over batches.

    Args:
        batches: Tokens of each row of each batch.
        layers: Number of layers.
        hidden: Hidden size.
        intermediate: Size of the feed-forward layer.
    """
    weights = layers * (4 * hidden**2 + 2 * hidden * intermediate)
    real = np.mean([batch.sum() for batch in batches])
    squares = np.mean([(batch.astype(float) ** 2).sum() for batch in batches])
    return float(6 * weights * real + 12 * layers * hidden * squares)


def product_rate(
    shapes: list[tuple[int, int, int]], dtype: torch.dtype, seconds: float = 0.05
) -> float:
    """Measure the operations per second of matrix products, all shapes one after another.

    Args:
        shapes: (m, k, n) of each product `(m, k) x (k, n)`.
        dtype: Type of the matrices.
        seconds: Least time to spend on each shape.
    """
    operations = total = 0.0
    for (m, k, n), repeats in Counter(shapes).items():
        a, b = (torch.randn(shape, device=DEVICE).to(dtype) for shape in ((m, k), (k, n)))
        operations += repeats * 2 * m * k * n
        total += repeats * _seconds_per_call(partial(torch.matmul, a, b), seconds)
    return operations / total


def _seconds_per_call(product: Callable[[], torch.Tensor], seconds: float) -> float:
    product()
    synchronize()
    start, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - start < seconds:
        for _ in range(10 if ON_CUDA else 1):
            product()
            calls += 1
        synchronize()
    return (time.perf_counter() - start) / calls


def measure(pipe: Connection, work: Path, *, overrides: list[str], first: int, count: int) -> None:
    """Send the tokens and operations of the batches; then, on every turn, the machine's rates.

    Args:
        pipe: Connection to the parent.
        work: Temporary folder of this process; unused.
        overrides: Configuration of the run.
        first: Index of the first batch.
        count: Number of batches.
    """
    try:
        run = locate(compose(overrides))
        shape = json.loads((run.model / "config.json").read_text())
        batches = describe_batches(run, shape, first=first, count=count)
        pipe.send(batches)
        shapes = step_products(shape, tokens=batches["real_tokens"])
        while True:
            pipe.recv()
            pipe.send(
                {
                    name: {
                        "model": product_rate(shapes, dtype),
                        "square": product_rate([(SQUARE,) * 3], dtype),
                    }
                    for name, dtype in (("full", torch.float32), ("mixed", HALF))
                }
            )
    except EOFError:
        return
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


def describe_batches(
    run: LocatedRun, shape: dict[str, Any], *, first: int, count: int
) -> dict[str, Any]:
    """Return the tokens and operations of a step, averaged over batches.

    Args:
        run: The run.
        shape: Configuration of its model.
        first: Index of the first batch.
        count: Number of batches.
    """
    cfg = run.cfg
    lengths = build_data(run).sets["train"].lengths()
    batches = batch_lengths(
        lengths,
        seed=cfg.data_seed,
        batch_size=cfg.trainer.batch_size,
        first=first,
        count=count,
    )
    return {
        "rows": len(lengths),
        "real_tokens": round(np.mean([batch.sum() for batch in batches])),
        "padded_to_longest": round(np.mean([len(b) * b.max() for b in batches])),
        "padded_to_max": round(np.mean([len(b) * cfg.data.max_length for b in batches])),
        "operations": step_operations(
            batches,
            layers=shape["num_hidden_layers"],
            hidden=shape["hidden_size"],
            intermediate=shape["intermediate_size"],
        ),
    }


def step_products(shape: dict[str, Any], *, tokens: int) -> list[tuple[int, int, int]]:
    """Return (m, k, n) of the products of a layer's Linear modules, forward and backward.

    Args:
        shape: Configuration of the model.
        tokens: Real tokens of a batch.
    """
    hidden, intermediate = shape["hidden_size"], shape["intermediate_size"]
    linear = [(hidden, hidden)] * 4 + [(hidden, intermediate), (intermediate, hidden)]
    return [
        product
        for k, n in linear
        # forward, gradient of the input, gradient of the weight
        for product in ((tokens, k, n), (tokens, n, k), (k, tokens, n))
    ]


def write_random_bert(pipe: Connection, work: Path, *, name: str, model: Path) -> None:
    """Write a BERT of a known shape with random weights, and send its folder.

    Args:
        pipe: Connection to the parent.
        work: Temporary folder of this process.
        name: `tiny`, `base` or `large`.
        model: Folder of the model whose tokenizer it gets.
    """
    from transformers import BertConfig, BertModel

    folder = work / f"bert-{name}-random"
    layers, hidden, heads = SHAPES[name]
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=max(VOCABULARY, json.loads((model / "config.json").read_text())["vocab_size"]),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
    )
    BertModel(shape).save_pretrained(folder)
    for file in TOKENIZER_FILES:
        if file != "config.json" and (model / file).is_file():
            shutil.copy(model / file, folder)
    pipe.send({"folder": str(folder)})
