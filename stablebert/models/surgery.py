"""Changes to a loaded model: re-initialization, partly trained embeddings, dropout off."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from stablebert.models.architectures import architecture_of, layers, shares_layers
from stablebert.seeds import stream_generator


def reinitialize_top(
    model: nn.Module, *, num_layers: int, pooler: bool = True, seed: int = 0
) -> list[str]:
    """Draw the top `num_layers` blocks, and the pooler if asked for, as pre-training began.

    The layers below keep their weights bit for bit. The same seed draws the same weights; the top
    block is drawn first, so that a deeper re-initialisation agrees with a shallower one above.

    Returns:
        Names of the layers drawn anew, from the bottom up.

    Raises:
        ValueError: more blocks than the model has, blocks of a model whose layers are all one, or
            the pooler alone of a model without one.
    """
    if num_layers and shares_layers(model):
        raise ValueError(
            f"num_layers={num_layers}: all layers of {type(model).__name__} share one set of "
            "weights, so there are no top ones to re-initialise; type reinit.num_layers=0"
        )
    named = layers(model)
    chosen = top_layers(named, num_layers=num_layers, pooler=pooler)
    if not chosen and (num_layers or pooler):
        raise ValueError(f"{type(model).__name__} has no pooler: nothing is re-initialised")
    reinitialize(model, reversed(chosen), rng=stream_generator(seed, "reinit"))
    return list(chosen)


def top_layers(named: dict[str, nn.Module], *, num_layers: int, pooler: bool) -> Sequence[str]:
    """Names of the top `num_layers` blocks and, if asked for and there is one, of the pooler.

    Raises:
        ValueError: more blocks than the model has.
    """
    blocks = [name for name in named if name.startswith("layer.")]
    if not 0 <= num_layers <= len(blocks):
        raise ValueError(
            f"num_layers={num_layers}: the model has {len(blocks)} layers, so 0 to {len(blocks)}"
        )
    return [
        *blocks[len(blocks) - num_layers :],
        *(["pooler"] if pooler and "pooler" in named else []),
    ]


@torch.no_grad()
def reinitialize(model: Any, names: Iterable[str], *, rng: Generator) -> None:
    """Draw layers anew, as pre-training began (Section 5; released `run_glue.py`, L736-795).

    BERT's: Linear weights from N(0, 0.02²), not truncated, biases 0; LayerNorm weights 1, biases 0.
    XLNet's attention keeps all its weights and biases in tensors of its own, all of which are
    drawn. Draws come from a CPU generator, whatever the device, layer by layer as named.

    Raises:
        ValueError: a module with parameters of another kind: nothing is left as it was in silence.
    """
    named, where = layers(model), architecture_of(model.config.model_type)
    for layer in names:
        for name, module in named[layer].named_modules(prefix=layer):
            if isinstance(module, nn.Linear):
                module.weight.copy_(where.draw(model.config, name, module.weight.shape, rng))
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.LayerNorm):
                module.weight.fill_(1)
                if module.bias is not None:
                    module.bias.zero_()
            elif type(module).__name__ == "XLNetRelativeAttention":
                for parameter in module.parameters(recurse=False):
                    parameter.copy_(where.draw(model.config, name, parameter.shape, rng))
            elif next(module.parameters(recurse=False), None) is not None:
                raise ValueError(f"cannot re-initialise {name}: a {type(module).__name__}")


class PartiallyTrainedEmbedding(nn.Module):
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

    @torch.no_grad()
    def whole(self) -> nn.Embedding:
        """The embedding with all its rows."""
        weight = self.rest.index_copy(0, (self.place >= 0).nonzero()[:, 0], self.weight)
        return nn.Embedding.from_pretrained(weight, freeze=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the embedding, `(*, H)`; in training every id must be among the trained ones."""
        place = self.place[ids]
        if self.training:
            return F.embedding(place, self.weight)
        trained = F.embedding(place.clamp(min=0), self.weight)
        return torch.where(place[..., None] < 0, F.embedding(ids, self.rest), trained)


def train_embedding_rows(model: Any, ids: Tensor) -> None:
    """Make the word embeddings of `ids`, `(R,)`, the only ones that are trained."""
    model.set_input_embeddings(PartiallyTrainedEmbedding(model.get_input_embeddings(), ids))


def disable_dropout(model: nn.Module) -> None:
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
