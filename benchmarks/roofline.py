"""What the machine could do: its matrix-product rate, and the products that a step needs.

A training step multiplies, for every real token, with each weight of the encoder's Linear layers
three times: forward, for the gradient of the input, for the gradient of the weight; a
multiplication and an addition each time. Attention multiplies, for a sequence of L tokens and a
layer of width H, queries with keys and probabilities with values: 2 L² H operations each, and twice
that backward. So a batch needs

    6 * (encoder's Linear weights) * (real tokens)  +  12 * layers * H * (sum of L²)

operations. Embeddings, LayerNorm, GELU, softmax, dropout, pooler, head and optimizer count as
nothing. Operations over measured seconds, over the measured rate of matrix products, is the share
of the machine that a step reaches; work on padding is no work here.
"""

import json
import time
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from benchmarks.contestants import DEVICE, HALF, ON_CUDA, enter, synchronize
from stablebert.config.compose import compose
from stablebert.glue.batches import Permutations
from stablebert.runs.locate import locate

SQUARE = 8192 if ON_CUDA else 2048


def batch_lengths(
    lengths: np.ndarray, *, seed: int, batch_size: int, first: int, count: int
) -> list[np.ndarray]:
    """Tokens of each row of the training batches `first` ... `first + count - 1`."""
    order, batches = Permutations(len(lengths), seed), []
    while len(batches) < first + count:
        rows = lengths[list(order)]
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return batches[first : first + count]


def step_operations(
    batches: list[np.ndarray], *, layers: int, hidden: int, intermediate: int
) -> float:
    """Operations of a training step, on average over batches; the formula is the module's."""
    weights = layers * (4 * hidden**2 + 2 * hidden * intermediate)
    real = np.mean([batch.sum() for batch in batches])
    squares = np.mean([(batch.astype(float) ** 2).sum() for batch in batches])
    return float(6 * weights * real + 12 * layers * hidden * squares)


def rate(shapes: list[tuple[int, int, int]], dtype: torch.dtype, seconds: float = 0.05) -> float:
    """Operations per second of products `(m, k) x (k, n)`, all shapes one after another."""
    operations = spent = 0.0
    for (m, k, n), times in Counter(shapes).items():
        a, b = (torch.randn(shape, device=DEVICE).to(dtype) for shape in ((m, k), (k, n)))
        operations += times * 2 * m * k * n
        spent += times * _time(lambda a=a, b=b: a @ b, seconds)
    return operations / spent


def _time(product: Callable[[], torch.Tensor], seconds: float) -> float:
    product()
    synchronize()
    start, times = time.perf_counter(), 0
    while times < 3 or time.perf_counter() - start < seconds:
        for _ in range(10 if ON_CUDA else 1):
            product()
            times += 1
        synchronize()
    return (time.perf_counter() - start) / times


def measure(pipe: Connection, log: Path, threads: int, *, words: list[str], first: int, count: int):
    """Send what the batches hold; then, at every token, the rates now."""
    from stablebert.training.build import build_data

    enter(log, threads)
    try:
        located = locate(compose(words))
        shape = json.loads((located.model / "config.json").read_text())
        hidden, intermediate = shape["hidden_size"], shape["intermediate_size"]
        data, cfg = build_data(located), located.cfg
        lengths = data.sets["train"].lengths()
        batches = batch_lengths(
            lengths,
            seed=cfg.data_seed,
            batch_size=cfg.trainer.batch_size,
            first=first,
            count=count,
        )
        real = round(np.mean([batch.sum() for batch in batches]))
        pipe.send(
            {
                "rows": len(lengths),
                "real_tokens": real,
                "padded_to_longest": round(np.mean([len(b) * b.max() for b in batches])),
                "padded_to_max": round(np.mean([len(b) * cfg.data.max_length for b in batches])),
                "operations": step_operations(
                    batches,
                    layers=shape["num_hidden_layers"],
                    hidden=hidden,
                    intermediate=intermediate,
                ),
            }
        )
        linear = [(hidden, hidden)] * 4 + [(hidden, intermediate), (intermediate, hidden)]
        shapes = [
            product
            for k, n in linear
            for product in ((real, k, n), (real, n, k), (k, real, n))  # forward, input's, weight's
        ]
        while True:
            pipe.recv()
            pipe.send(
                {
                    name: {
                        "model": rate(shapes, dtype),
                        "square": rate([(SQUARE,) * 3], dtype),
                    }
                    for name, dtype in (("full", torch.float32), ("mixed", HALF))
                }
            )
    except EOFError:
        return
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


def write_shape(pipe: Connection, log: Path, threads: int, *, name: str, model: Path) -> None:
    """Write a BERT of a known shape with random weights, and `model`'s tokenizer; send where."""
    import shutil

    from transformers import BertConfig, BertModel

    from stablebert.glue.token_cache import TOKENIZER_FILES

    enter(log, threads)
    folder = log.with_name(f"bert-{name}-random")
    layers, hidden, heads = {"base": (12, 768, 12), "large": (24, 1024, 16)}[name]
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=json.loads((model / "config.json").read_text())["vocab_size"],
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
