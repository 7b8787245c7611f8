"""Supported architectures and what a "layer" of each is.

To support another architecture, add a row to `ARCHITECTURES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from stablebert.packed.forward import bert_logits, electra_logits, roberta_logits


class FirstTokenHead(nn.Module):
    """Dropout and a Linear on the first token's state: ELECTRA's own head, and the paper's.

    The library puts another dense layer in between.
    """

    def __init__(self, config: Any):
        super().__init__()
        rate = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if rate is None else rate)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, states: Tensor) -> Tensor:
        """States `(B, S, H)` to logits `(B, C)`."""
        return self.out_proj(self.dropout(states[:, 0]))


def _normal(config: Any, name: str, shape: torch.Size, rng: Generator) -> Tensor:
    """As most models begin: from a normal distribution, 0.02 wide, not truncated."""
    std = config.init_std if config.model_type == "bart" else config.initializer_range
    return torch.empty(shape).normal_(0, std, generator=rng)


def _modernbert(config: Any, name: str, shape: torch.Size, rng: Generator) -> Tensor:
    """ModernBERT's: truncated, narrower where a residual branch or the pooler ends."""
    std, cut = config.initializer_range, config.initializer_cutoff_factor or 3
    if name == "classifier":
        std = config.hidden_size**-0.5
    elif name.endswith((".Wo", ".dense")):
        std /= (2 * config.num_hidden_layers) ** 0.5
    weight = torch.empty(shape)
    return nn.init.trunc_normal_(weight, 0, std, -cut * std, cut * std, generator=rng)


@dataclass(frozen=True)
class Architecture:
    """Where a sequence-classification model of one `model_type` keeps its layers.

    Paths of modules or parameters; those that a model lacks are passed over, but every parameter
    has to be under exactly one.
    """

    embeddings: Sequence[str]
    blocks: Sequence[str]
    """Lists of blocks, the bottom ones first."""
    classifier: Sequence[str]
    """All that no pre-training knows and every run draws."""
    pooler: Sequence[str] = ()
    packed: Callable[..., Tensor] | None = None
    """Its forward pass over packed batches; without one, batches are padded."""
    head: Callable[[Any], nn.Module] | None = None
    """Another `classifier` than the library's, from the configuration."""
    draw: Callable[..., Tensor] = _normal
    """Initial weights of a Linear: `draw(config, name, shape, generator)`."""
    shared: bool = False
    """Whether all layers are one and the same."""


ARCHITECTURES = {
    "bert": Architecture(
        embeddings=["bert.embeddings"],
        blocks=["bert.encoder.layer"],
        pooler=["bert.pooler"],
        classifier=["classifier"],
        packed=bert_logits,
    ),
    "roberta": Architecture(
        embeddings=["roberta.embeddings"],
        blocks=["roberta.encoder.layer"],
        classifier=["classifier"],
        packed=roberta_logits,
    ),
    "electra": Architecture(
        embeddings=["electra.embeddings", "electra.embeddings_project"],
        blocks=["electra.encoder.layer"],
        classifier=["classifier"],
        packed=electra_logits,
        head=FirstTokenHead,
    ),
    "xlnet": Architecture(
        embeddings=["transformer.word_embedding", "transformer.mask_emb"],
        blocks=["transformer.layer"],
        classifier=["sequence_summary", "logits_proj"],
    ),
    # The released code re-initialises decoder layers: they are the top ones here.
    "bart": Architecture(
        embeddings=[
            "model.shared",
            *(
                f"model.{half}.{part}"
                for half in ("encoder", "decoder")
                for part in ("embed_positions", "layernorm_embedding")
            ),
        ],
        blocks=["model.encoder.layers", "model.decoder.layers"],
        classifier=["classification_head"],
    ),
    "albert": Architecture(
        embeddings=["albert.embeddings", "albert.encoder.embedding_hidden_mapping_in"],
        blocks=["albert.encoder.albert_layer_groups"],
        pooler=["albert.pooler"],
        classifier=["classifier"],
        shared=True,
    ),
    "distilbert": Architecture(
        embeddings=["distilbert.embeddings"],
        blocks=["distilbert.transformer.layer"],
        classifier=["pre_classifier", "classifier"],
    ),
    # DeBERTa v3 is of this type too.
    "deberta-v2": Architecture(
        embeddings=[
            "deberta.embeddings",
            *(f"deberta.encoder.{part}" for part in ("rel_embeddings", "LayerNorm", "conv")),
        ],
        blocks=["deberta.encoder.layer"],
        classifier=["pooler", "classifier"],
    ),
    "modernbert": Architecture(
        embeddings=["model.embeddings"],
        blocks=["model.layers"],
        pooler=["model.final_norm", "head"],
        classifier=["classifier"],
        draw=_modernbert,
    ),
}


def architecture_of(model_type: str, typed: str = "") -> Architecture:
    """Return the table row of a `model_type`."""
    if model_type not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"{typed}architecture {model_type!r} is not supported; supported: {known}")
    return ARCHITECTURES[model_type]


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """Name the layers of a model: embeddings, layer.0 ... layer.{N-1}, pooler, classifier.

    BART's encoder layers come before its decoder layers. A model without a pooler has no "pooler".

    Raises:
        ValueError: an architecture that is not supported, or parameters outside every layer.
    """
    where = architecture_of(model.config.model_type)
    blocks = [block for path in where.blocks for block in model.get_submodule(path)]
    named = {
        "embeddings": _part(model, where.embeddings),
        **{f"layer.{i}": block for i, block in enumerate(blocks)},
        **({"pooler": _part(model, where.pooler)} if where.pooler else {}),
        "classifier": _part(model, where.classifier),
    }
    covered = [id(p) for part in named.values() for p in part.parameters()]
    if sorted(covered) != sorted(id(p) for p in model.parameters()):
        raise ValueError(f"{type(model).__name__}: not every parameter is in exactly one layer")
    return named


def _part(model: nn.Module, paths: Sequence[str]) -> nn.Module:
    """What stands at the paths, as one module; the model itself stays as it is."""
    group = nn.ModuleDict()
    for path in paths:
        parent, _, name = path.rpartition(".")
        found = getattr(model.get_submodule(parent), name, None)
        if isinstance(found, nn.Parameter):
            group.register_parameter(name, found)
        elif found is not None:
            group[path.replace(".", "/")] = found
    only = list(group.children())
    return only[0] if len(only) == 1 and not group._parameters else group


def log_key(layer: str) -> str:
    """Name of a layer in logged keys: `layer.3` is `layer_03` there, so that they sort."""
    prefix, _, index = layer.partition(".")
    return f"{prefix}_{int(index):02d}" if index else layer


def packed_forward(model: nn.Module) -> Callable[..., Tensor] | None:
    """`f(model, packed_batch, masks) -> logits` of this architecture, if it has one."""
    return architecture_of(model.config.model_type).packed


def shares_layers(model: Any) -> bool:
    """Whether all layers of a model are one and the same (ALBERT)."""
    return architecture_of(model.config.model_type).shared


def max_positions(config: Any) -> int | None:
    """Tokens that a row may have; None where the positions of a model are relative and endless."""
    count: int = getattr(config, "max_position_embeddings", -1)
    if config.model_type == "roberta":  # whose positions start behind the one of padding
        count -= config.pad_token_id + 1
    return count if count > 0 else None
