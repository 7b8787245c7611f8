"""Supported architectures, and where the layers of each are.

To support another architecture, add a row to `ARCHITECTURES` and one to `models.formats.UNUSED`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from stablebert.models.formats import FIXED, NEUTRAL, PACKED
from stablebert.packed.forward import bert_logits, electra_logits, roberta_logits


class FirstTokenHead(nn.Module):
    """Head with dropout and one Linear on the state of the first token, as in the ELECTRA paper.

    The head of the transformers library has another dense layer in between.

    Args:
        config: Configuration of the model.
    """

    def __init__(self, config: Any):
        super().__init__()
        rate = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if rate is None else rate)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, states: Tensor) -> Tensor:
        """Return the logits `(B, C)` of hidden states `(B, S, H)`."""
        logits: Tensor = self.out_proj(self.dropout(states[:, 0]))
        return logits


def _draw_normal(config: Any, name: str, shape: torch.Size, rng: Generator) -> Tensor:
    """Draw from a normal distribution, not truncated; its deviation is 0.02 in most models."""
    std = config.init_std if config.model_type == "bart" else config.initializer_range
    return torch.empty(shape).normal_(0, std, generator=rng)


def _draw_modernbert(config: Any, name: str, shape: torch.Size, rng: Generator) -> Tensor:
    """Draw from a truncated normal, narrower where a residual branch or the pooler ends."""
    std, cutoff = config.initializer_range, config.initializer_cutoff_factor or 3
    if name == "classifier":
        std = config.hidden_size**-0.5
    elif name.endswith((".Wo", ".dense")):
        std /= (2 * config.num_hidden_layers) ** 0.5
    weight = torch.empty(shape)
    return nn.init.trunc_normal_(weight, 0, std, -cutoff * std, cutoff * std, generator=rng)


class Projections(NamedTuple):
    """Patterns of the Linears in a block that adapters are for; their names start in the block."""

    query: str
    key: str
    value: str
    feed_forward: str
    """The second Linear of the feed-forward network."""


BERT_PROJECTIONS = Projections("*.query", "*.key", "*.value", "output.dense")


@dataclass(frozen=True)
class Architecture:
    """Locations of the layers in a sequence-classification model of one `model_type`.

    Locations are paths of modules or parameters. Those that a model does not have are ignored, but
    every parameter of the encoder must be below exactly one. In a bare encoder, the library's
    prefix ("bert.") is left out.

    Attributes:
        embeddings: Locations of the embeddings.
        blocks: Locations of lists of blocks, the bottom ones first.
        classifier: Locations of the parameters that every run draws, not pre-training.
        pooler: Locations of the pooler, if there is one.
        packed_forward: Forward pass over packed batches, called with model, batch and dropout
            masks; without one, batches are padded.
        head: Factory of a `classifier` that replaces the library's, given the configuration.
        draw: Initial weights of a Linear, `draw(config, name, shape, generator)`.
        shared: Whether all layers share one set of weights.
        projections: Linears that adapters are for, if its attention consists of Linears.
        reads_last: Whether the head reads the last token of a row instead of the first.
    """

    embeddings: Sequence[str]
    blocks: Sequence[str]
    classifier: Sequence[str]
    pooler: Sequence[str] = ()
    packed_forward: Callable[..., Tensor] | None = None
    head: Callable[[Any], nn.Module] | None = None
    draw: Callable[..., Tensor] = _draw_normal
    shared: bool = False
    projections: Projections | None = None
    reads_last: bool = False


ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(
        embeddings=["bert.embeddings"],
        blocks=["bert.encoder.layer"],
        pooler=["bert.pooler"],
        classifier=["classifier"],
        packed_forward=bert_logits,
        projections=BERT_PROJECTIONS,
    ),
    "roberta": Architecture(
        embeddings=["roberta.embeddings"],
        blocks=["roberta.encoder.layer"],
        pooler=["roberta.pooler"],  # of a bare encoder only
        classifier=["classifier"],
        packed_forward=roberta_logits,
        projections=BERT_PROJECTIONS,
    ),
    "electra": Architecture(
        embeddings=["electra.embeddings", "electra.embeddings_project"],
        blocks=["electra.encoder.layer"],
        classifier=["classifier"],
        packed_forward=electra_logits,
        head=FirstTokenHead,
        projections=BERT_PROJECTIONS,
    ),
    "xlnet": Architecture(
        embeddings=["transformer.word_embedding", "transformer.mask_emb"],
        blocks=["transformer.layer"],
        classifier=["sequence_summary", "logits_proj"],
        reads_last=True,
    ),
    # The released code re-initializes decoder layers, so they are the top ones.
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
        projections=Projections("*.q_proj", "*.k_proj", "*.v_proj", "fc2"),
        reads_last=True,
    ),
    "albert": Architecture(
        embeddings=["albert.embeddings", "albert.encoder.embedding_hidden_mapping_in"],
        blocks=["albert.encoder.albert_layer_groups"],
        pooler=["albert.pooler"],
        classifier=["classifier"],
        shared=True,
        projections=Projections("*.query", "*.key", "*.value", "*.ffn_output"),
    ),
    "distilbert": Architecture(
        embeddings=["distilbert.embeddings"],
        blocks=["distilbert.transformer.layer"],
        classifier=["pre_classifier", "classifier"],
        projections=Projections("*.q_lin", "*.k_lin", "*.v_lin", "ffn.lin2"),
    ),
    # DeBERTa v3 is of this type too.
    "deberta-v2": Architecture(
        embeddings=[
            "deberta.embeddings",
            *(f"deberta.encoder.{part}" for part in ("rel_embeddings", "LayerNorm", "conv")),
        ],
        blocks=["deberta.encoder.layer"],
        classifier=["pooler", "classifier"],
        projections=Projections("*.query_proj", "*.key_proj", "*.value_proj", "output.dense"),
    ),
    "modernbert": Architecture(
        embeddings=["model.embeddings"],
        blocks=["model.layers"],
        pooler=["model.final_norm", "head"],
        classifier=["classifier"],
        draw=_draw_modernbert,
        projections=Projections("attn.Wqkv", "attn.Wqkv", "attn.Wqkv", "mlp.Wo"),
    ),
}


def architecture_of(model_type: str) -> Architecture:
    """Return the row of `ARCHITECTURES` for a `model_type`.

    Raises:
        ValueError: If the architecture is not supported.
    """
    if model_type not in ARCHITECTURES:
        supported = ", ".join(ARCHITECTURES)
        raise ValueError(f"architecture {model_type!r} is not supported; supported: {supported}")
    return ARCHITECTURES[model_type]


def log_key(layer: str) -> str:
    """Return the name of a layer in logged keys, which sorts.

    Example:
        >>> log_key("layer.3"), log_key("pooler")
        ('layer_03', 'pooler')
    """
    prefix, _, index = layer.partition(".")
    return f"{prefix}_{int(index):02d}" if index else layer


def settings_that_need_padding(config: Any) -> list[str]:
    """Return the settings of a model that its forward pass over packed batches would ignore.

    They are those of a newer version of the library that are not at their default.

    Args:
        config: Configuration of a model whose architecture has a packed forward pass.
    """
    defaults = type(config)().to_dict()
    settings = {name: value for name, value in config.to_dict().items() if name in defaults}
    return [
        name
        for name, value in settings.items()
        if name not in PACKED | NEUTRAL | FIXED.keys() and value != defaults[name]
    ]
