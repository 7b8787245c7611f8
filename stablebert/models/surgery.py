"""Changes to a loaded model: re-initialization, noise, partial embeddings, dropout off."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from stablebert.models.location import locate_model
from stablebert.seeds import stream_generator


def reinitialize_top(
    model: nn.Module,
    *,
    num_layers: int,
    skip: int = 0,
    pooler: bool = True,
    seed: int = 0,
    encoder: str | None = None,
) -> list[str]:
    """Draw the top blocks, and optionally the pooler, again as at the start of pre-training.

    All other layers keep their weights bit for bit. The same seed draws the same weights; the
    topmost block is drawn first, so that a deeper re-initialization agrees with a shallower one.

    Args:
        model: Model of a supported architecture, or a module with one inside.
        num_layers: Number of blocks to draw.
        skip: Number of blocks above them that keep their weights, to test whether it matters which
            blocks are drawn.
        pooler: Whether to draw the pooler, if the model has one.
        seed: Seed of the draws, a run's `seed_init`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Returns:
        Names of the layers drawn, from the bottom up.

    Raises:
        ValueError: If the model has fewer blocks, its layers are all one (ALBERT), or only the
            pooler is to be drawn and there is none.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> bert = BertForSequenceClassification(BertConfig(num_hidden_layers=3))
        >>> reinitialize_top(bert, num_layers=2)
        ['layer.1', 'layer.2', 'pooler']
    """
    located = locate_model(model, encoder)
    if num_layers and located.architecture.shared:
        raise ValueError(
            f"num_layers={num_layers}: all layers of {type(located.model).__name__} share one set "
            "of weights, so there are no top ones to re-initialize; use reinit.num_layers=0"
        )
    names = top_layers(located.layers(), num_layers=num_layers, skip=skip, pooler=pooler)
    if not names and (num_layers or pooler):
        raise ValueError(f"{type(located.model).__name__} has no pooler: nothing is re-initialized")
    reinitialize(model, reversed(names), rng=stream_generator(seed, "reinit"), encoder=encoder)
    return names


def top_layers(
    layers_by_name: Mapping[str, nn.Module], *, num_layers: int, skip: int = 0, pooler: bool
) -> list[str]:
    """Return the names of the top blocks and, optionally, of the pooler, if there is one.

    Args:
        layers_by_name: Layers by name, as `models.location.layers` returns them.
        num_layers: Number of blocks.
        skip: Number of blocks above them to leave out.
        pooler: Whether to include the pooler.

    Raises:
        ValueError: If the model has fewer blocks.
    """
    blocks = [name for name in layers_by_name if name.startswith("layer.")]
    end = len(blocks) - skip
    if not 0 <= num_layers <= end:
        setting = f"num_layers={num_layers}" + (f" and skip={skip}" if skip else "")
        raise ValueError(
            f"{setting}: the model has {len(blocks)} layers; choose 0 to {len(blocks)}"
            + (" in all" if skip else "")
        )
    return [
        *blocks[end - num_layers : end],
        *(["pooler"] if pooler and "pooler" in layers_by_name else []),
    ]


@torch.no_grad()
def reinitialize(
    model: nn.Module,
    names: Iterable[str],
    *,
    rng: Generator,
    keep: Container[nn.Module] = (),
    encoder: str | None = None,
) -> None:
    """Draw layers again as at the start of pre-training (Section 5; `run_glue.py`, L736-795).

    In BERT: Linear weights from N(0, 0.02²), not truncated; LayerNorm weights 1; all biases 0.
    XLNet's attention has weights and biases outside any Linear, all of which are drawn.

    Args:
        model: Model of a supported architecture, or a module with one inside, on any device.
        names: Layers to draw, in this order.
        rng: CPU generator.
        keep: Modules of these layers that keep their weights.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        ValueError: If a layer has parameters in a module of another kind, which would keep them.
    """
    located = locate_model(model, encoder)
    layers_by_name, config = located.layers(), located.model.config
    draw = located.architecture.draw
    for layer in names:
        _random_layers(located.model)[layer] = None
        for name, module in layers_by_name[layer].named_modules(prefix=layer):
            if module in keep:
                continue
            if isinstance(module, nn.Linear):
                module.weight.copy_(draw(config, name, module.weight.shape, rng))
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.LayerNorm):
                module.weight.fill_(1)
                if module.bias is not None:
                    module.bias.zero_()
            elif type(module).__name__ == "XLNetRelativeAttention":
                for parameter in module.parameters(recurse=False):
                    parameter.copy_(draw(config, name, parameter.shape, rng))
            elif next(module.parameters(recurse=False), None) is not None:
                raise ValueError(f"cannot re-initialize {name}: a {type(module).__name__}")


def random_layers(model: nn.Module) -> list[str]:
    """Return the names of layers that start at random: the classifier and re-initialized layers.

    A pooler is one of them where `load_model` drew it because the checkpoint has none.

    Args:
        model: Model of the transformers library; a copy of it has the same random layers.
    """
    return list(_random_layers(model) | {"classifier": None})


def _random_layers(model: nn.Module) -> dict[str, None]:
    """Return the record of drawn layers that a model carries, as an ordered set."""
    names: dict[str, None] = vars(model).setdefault("_random_layers", {})
    return names


@torch.no_grad()
def add_noise(
    model: nn.Module, *, intensity: float, seed: int = 0, encoder: str | None = None
) -> list[str]:
    """Add noise to the pre-trained weights: NoisyTune (Wu et al., 2022, equation 1).

    Each tensor w of the encoder becomes w + U(-λ/2, λ/2) std(w), with the standard deviation of its
    elements. Layers that start at random get none, nor do tensors with one element.

    Args:
        model: Model of a supported architecture, or a module with one inside, on any device.
        intensity: λ.
        seed: Seed of the noise, a run's `seed_init`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Returns:
        Names of the layers with noise.
    """
    located = locate_model(model, encoder)
    rng = stream_generator(seed, "noise")
    drawn_layers = random_layers(located.model)
    partial = {
        id(module.weight): module
        for module in located.root.modules()
        if isinstance(module, PartiallyTrainedEmbedding)
    }
    layers_by_name = {n: layer for n, layer in located.layers().items() if n not in drawn_layers}
    for p in (p for layer in layers_by_name.values() for p in layer.parameters()):
        embedding = partial.get(id(p))
        # noise and deviation are those of the full matrix, so that packing does not matter
        weight = p if embedding is None else embedding.merge().weight
        if weight.numel() > 1:
            noise = torch.rand(weight.shape, generator=rng).sub_(0.5).to(weight.device)
            weight.add_(noise * (intensity * weight.std()))
        if embedding is not None:
            embedding.load(weight)
    return list(layers_by_name)


class PartiallyTrainedEmbedding(nn.Module):
    """Embedding whose only trained rows are those of tokens that occur in training.

    Adam without weight decay never moves a row that had no gradient, so the others need no
    gradient, no moments and no update; the arithmetic stays the same.

    Args:
        embedding: The full embedding, `(V, H)`.
        rows: Token ids that occur in the training rows, `(P,)` int64, in ascending order.
    """

    def __init__(self, embedding: nn.Embedding, rows: Tensor):
        super().__init__()
        weight = embedding.weight.detach()
        self.weight = nn.Parameter(weight[rows].clone())
        self.rest: Tensor
        self.place: Tensor
        self.register_buffer("rest", weight, persistent=False)
        place = torch.full((len(weight),), -1).index_copy(0, rows, torch.arange(len(rows)))
        self.register_buffer("place", place, persistent=False)

    @torch.no_grad()
    def merge(self) -> nn.Embedding:
        """Return a full embedding, `(V, H)`, with the trained rows in their places."""
        weight = self.rest.index_copy(0, (self.place >= 0).nonzero()[:, 0], self.weight)
        full: nn.Embedding
        full = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]  # not typed in torch
            weight, freeze=False
        )
        return full

    @torch.no_grad()
    def load(self, weight: Tensor) -> None:
        """Replace all rows, trained or not, with those of a full matrix, `(V, H)`."""
        self.rest.copy_(weight)
        self.weight.copy_(weight[self.place >= 0])

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of token ids.

        Args:
            ids: Token ids, of any shape; in training, all must be among the trained rows.

        Returns:
            Tensor of the shape of `ids` and `(H,)`.

        Raises:
            IndexError: In training on a CPU, if an id is not among the trained rows.
        """
        place = self.place[ids]
        if self.training:
            return F.embedding(place, self.weight)
        trained_rows = F.embedding(place.clamp(min=0), self.weight)
        return torch.where(place[..., None] < 0, F.embedding(ids, self.rest), trained_rows)


def train_embedding_rows(model: Any, ids: Tensor) -> None:
    """Make some rows of the word embeddings the only ones that are trained.

    Args:
        model: Model of the transformers library.
        ids: Token ids of these rows, `(P,)` int64, in ascending order.
    """
    model.set_input_embeddings(PartiallyTrainedEmbedding(model.get_input_embeddings(), ids))


def disable_dropout(model: nn.Module) -> None:
    """Set all dropout rates to 0, also those that a module keeps as a number (BART, ModernBERT).

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1))
        >>> disable_dropout(model)
        >>> has_dropout(model)
        False
    """
    for module, name in _dropout_rates(model):
        setattr(module, name, 0.0)


def has_dropout(model: nn.Module) -> bool:
    """Return whether two passes over the same batch differ in training."""
    return any(getattr(module, name) for module, name in _dropout_rates(model))


def _dropout_rates(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Yield each module with the name of its attribute that holds a dropout rate."""
    for module in model.modules():
        if hasattr(module, "p") and "dropout" in type(module).__name__.lower():
            yield module, "p"
        for name, value in vars(module).items():
            if isinstance(value, float) and ("dropout" in name or "layerdrop" in name):
                yield module, name
