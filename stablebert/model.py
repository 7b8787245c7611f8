"""The pre-trained model with its head, and what a "layer" is.

Everything that depends on an architecture stands here; to support another one, add a row to
`ARCHITECTURES`.
"""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from stablebert.packed import bert_logits
from stablebert.seeds import generator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Architecture:
    """Where a sequence-classification model of one `model_type` keeps its layers."""

    embeddings: str
    blocks: str
    pooler: str
    classifier: str
    packed: Callable[..., Tensor] | None = None
    """Its forward pass over packed batches; without one, batches are padded."""


ARCHITECTURES = {
    "bert": Architecture(
        "bert.embeddings", "bert.encoder.layer", "bert.pooler", "classifier", packed=bert_logits
    ),
}


def load_model(folder: Path, *, num_labels: int, seed: int) -> nn.Module:
    """Load a pre-trained encoder in float32 and put a new head on it.

    The head (and a pooler, where the checkpoint has none) is drawn from BERT's N(0, 0.02²), biases
    0, by the stream "head" of `seed`: not by the library, whose draws depend on its version.

    Args:
        folder: local folder with `config.json` and weights.
        num_labels: classes; 1 for regression.
        seed: the run's `seed_init`.

    Raises:
        ValueError: an architecture that is not supported, or weights that do not fill the encoder.
    """
    pretrained, bare = _pretrained(folder, num_labels)
    model = copy.deepcopy(pretrained)
    parts = layers(model)
    rng = generator(seed, "head")
    for name in ("pooler", "classifier"):
        # the classifier is new for every run, whatever head the checkpoint brought
        if name == "classifier" or name in bare:
            reinitialise(parts[name], std=model.config.initializer_range, rng=rng)
    # from_pretrained leaves it in evaluation mode, and Lightning keeps the mode that it finds
    return model.train()


# Once per process and number of labels: a worker's runs start from the same weights.
@lru_cache(maxsize=3)
def _pretrained(folder: Path, num_labels: int) -> tuple[Any, set[str]]:
    """The model as its folder has it, to be copied; and the layers that the folder lacks."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    model_type = AutoConfig.from_pretrained(folder).model_type
    _architecture(model_type, f"model.name={folder}: ")  # refused before weights are read
    # the library would draw the head from the global generator: leave that as it was
    with torch.random.fork_rng(devices=[]):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=num_labels,
            problem_type="regression" if num_labels == 1 else "single_label_classification",
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # a head of another task
        )
    unfilled = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    bare = {name for name, part in layers(model).items() if _holds(model, part, unfilled)}
    if inside := bare - {"pooler", "classifier"}:
        raise ValueError(
            f"model.name={folder}: no weights for {', '.join(sorted(inside))} ({len(unfilled)} "
            f"tensors, {sorted(unfilled)[0]} first); is this a pre-trained {model_type}?"
        )
    if "pooler" in bare:
        logger.warning("%s has no pooler: a new one is drawn from N(0, 0.02²)", folder)
    return model, bare


def packed_forward(model: nn.Module) -> Callable[..., Tensor] | None:
    """`f(model, packed_batch, masks) -> logits` of this architecture, if it has one."""
    return _architecture(model.config.model_type).packed


class PartlyTrainedEmbedding(nn.Module):
    """An embedding of which only the rows that training can meet are a parameter.

    Adam leaves a row alone that never had a gradient, so the others need no gradient, no moments
    and no update; the arithmetic is the same, without weight decay.

    Args:
        whole: the embedding, `(V, H)`.
        rows: ids that training rows hold, `(R,)` int64, rising.
    """

    def __init__(self, whole: nn.Embedding, rows: Tensor):
        super().__init__()
        weight = whole.weight.detach()
        self.weight = nn.Parameter(weight[rows].clone())
        self.rest: Tensor
        self.place: Tensor
        self.register_buffer("rest", weight, persistent=False)
        place = torch.full((len(weight),), -1).index_copy(0, rows, torch.arange(len(rows)))
        self.register_buffer("place", place, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the embedding, `(*, H)`; in training every id must be among the trained ones."""
        place = self.place[ids]
        if self.training:
            return F.embedding(place, self.weight)
        trained = F.embedding(place.clamp(min=0), self.weight)
        return torch.where(place[..., None] < 0, F.embedding(ids, self.rest), trained)


def train_only(model: Any, ids: Tensor) -> None:
    """Make the word embeddings of `ids`, `(R,)`, the only ones that are trained."""
    model.set_input_embeddings(PartlyTrainedEmbedding(model.get_input_embeddings(), ids))


def without_dropout(model: nn.Module) -> None:
    """Turn dropout off, also where a module keeps its rate as a number (BART, ModernBERT)."""
    for module, name in _dropout_rates(model):
        setattr(module, name, 0.0)


def has_dropout(model: nn.Module) -> bool:
    """Whether two passes over the same batch differ while training."""
    return any(getattr(module, name) for module, name in _dropout_rates(model))


def _dropout_rates(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for module in model.modules():
        if hasattr(module, "p") and "dropout" in type(module).__name__.lower():
            yield module, "p"
        for name, value in vars(module).items():
            if isinstance(value, float) and ("dropout" in name or "layerdrop" in name):
                yield module, name


def _architecture(model_type: str, typed: str = "") -> Architecture:
    if model_type not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"{typed}architecture {model_type!r} is not supported; supported: {known}")
    return ARCHITECTURES[model_type]


def _holds(model: nn.Module, part: nn.Module, names: set[str]) -> bool:
    own = {id(p) for p in part.parameters()}
    return any(id(p) in own for n, p in model.named_parameters() if n in names)


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """Name the layers of a model: embeddings, layer.0 ... layer.{N-1}, pooler, classifier.

    Raises:
        ValueError: an architecture that is not supported, or parameters outside every layer.
    """
    where = _architecture(model.config.model_type)
    blocks = model.get_submodule(where.blocks)
    named = {
        "embeddings": model.get_submodule(where.embeddings),
        **{f"layer.{i}": block for i, block in enumerate(blocks)},
        "pooler": model.get_submodule(where.pooler),
        "classifier": model.get_submodule(where.classifier),
    }
    covered = [id(p) for part in named.values() for p in part.parameters()]
    if sorted(covered) != sorted(id(p) for p in model.parameters()):
        raise ValueError(f"{type(model).__name__}: not every parameter is in exactly one layer")
    return named


def log_key(layer: str) -> str:
    """Name of a layer in logged keys: `layer.3` is `layer_03` there, so that they sort."""
    prefix, _, index = layer.partition(".")
    return f"{prefix}_{int(index):02d}" if index else layer


def top_layers(named: dict[str, nn.Module], *, num_layers: int, pooler: bool) -> Sequence[str]:
    """Names of the pooler (if asked for) and the top `num_layers` blocks.

    Raises:
        ValueError: more blocks than the model has.
    """
    blocks = [name for name in named if name.startswith("layer.")]
    if not 0 <= num_layers <= len(blocks):
        raise ValueError(
            f"num_layers={num_layers}: the model has {len(blocks)} layers, so 0 to {len(blocks)}"
        )
    return [*blocks[len(blocks) - num_layers :], *(["pooler"] if pooler else [])]


@torch.no_grad()
def reinitialise(part: nn.Module, *, std: float, rng: Generator) -> None:
    """Draw a layer anew from BERT's initialisation (Section 5; released `run_glue.py`, L736-764).

    Linear weights from N(0, std²), not truncated, biases 0; LayerNorm weights 1, biases 0. Draws
    come from a CPU generator, whatever the device.

    Raises:
        ValueError: a module with parameters of another kind: nothing is left as it was in silence.
    """
    for name, module in part.named_modules():
        if isinstance(module, nn.Linear):
            module.weight.copy_(torch.empty(module.weight.shape).normal_(0, std, generator=rng))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.LayerNorm):
            module.weight.fill_(1)
            module.bias.zero_()
        elif next(module.parameters(recurse=False), None) is not None:
            raise ValueError(f"cannot re-initialise {name or 'layer'}: a {type(module).__name__}")
