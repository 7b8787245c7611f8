"""The model of the transformers library in a module: its layers by name, and its head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from stablebert.models.architectures import ARCHITECTURES, Architecture, architecture_of


@dataclass(frozen=True)
class LocatedModel:
    """A model of the transformers library, and the module that holds it and its head.

    Attributes:
        model: The model, bare or with a head of its own.
        root: Module where names of parameters start: the model itself, or, around a bare encoder,
            the module that was searched.
        others: Other models of the library in `root`, which belong to no layer.
    """

    model: Any
    root: nn.Module
    others: Sequence[nn.Module] = ()

    @property
    def architecture(self) -> Architecture:
        """The row of `ARCHITECTURES` for the model."""
        return architecture_of(self.model.config.model_type)

    def layers(self) -> dict[str, nn.Module]:
        """Return the layers by name; see the function `layers`."""
        locations, encoder = self.architecture, self.model.base_model
        prefix = f"{self.model.base_model_prefix}."

        def part(path: str) -> Any:
            inner = path.removeprefix(prefix)
            parent, _, name = inner.rpartition(".")
            outer = self.model if inner == path else encoder
            return getattr(outer.get_submodule(parent), name, None)

        blocks = [block for path in locations.blocks for block in part(path)]
        layers_by_name = {
            "embeddings": _group({path: part(path) for path in locations.embeddings}),
            **{f"layer.{i}": block for i, block in enumerate(blocks)},
            "pooler": _group({path: part(path) for path in locations.pooler}),
        }
        ids = [id(p) for layer in layers_by_name.values() for p in layer.parameters()]
        if len({*ids}) < len(ids) or not {*map(id, encoder.parameters())} <= {*ids}:
            raise ValueError(
                f"{type(self.model).__name__}: not every parameter is in exactly one layer"
            )
        others = {id(p) for other in self.others for p in other.parameters()}
        layers_by_name["classifier"] = _group(dict(_parts_without(self.root, {*ids} | others)))
        return {name: layer for name, layer in layers_by_name.items() if _has_parameters(layer)}


def _parts_without(module: nn.Module, ids: set[int], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the largest modules, and the parameters, that contain none of some parameters."""
    for name, p in module.named_parameters(recurse=False):
        if id(p) not in ids:
            yield path + name, p
    for name, child in module.named_children():
        if ids.isdisjoint(map(id, child.parameters())):
            yield path + name, child
        else:
            yield from _parts_without(child, ids, f"{path}{name}.")


def _group(parts: Mapping[str, Any]) -> nn.Module:
    """Return modules and parameters by path as one module; a missing one is None."""
    group = nn.Module()
    for path, part in parts.items():
        name = path.replace(".", "/")
        if isinstance(part, nn.Parameter):
            group.register_parameter(name, part)
        elif part is not None and _has_parameters(part):
            group.add_module(name, part)
    modules = list(group.children())
    return modules[0] if len(modules) == 1 and not list(group.parameters(recurse=False)) else group


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def locate_model(module: nn.Module, encoder: str | None = None) -> LocatedModel:
    """Find the model of the transformers library in a module.

    Args:
        module: A model of the library, or a module, such as a LightningModule, with one inside.
        encoder: Path of the model in the module, such as "backbone" or "net.bert"; None finds the
            only one, or among several the attribute `model`.

    Raises:
        TypeError: If there is no model of the library, or several.
        ValueError: If there is no module at the path, or the architecture is not supported.
    """
    models = _outermost_models(module)
    searched = ", ".join(f"{n} ({type(m).__name__})" for n, m in module.named_children())
    where = f"{type(module).__name__}, whose modules are {searched or '(none)'}"
    if encoder is not None:
        chosen = dict(module.named_modules()).get(encoder)
        if chosen is None or not _is_model(chosen):
            kind = "no module" if chosen is None else f"a {type(chosen).__name__}"
            raise ValueError(
                f"encoder={encoder!r}: expected a model of the transformers library, found {kind} "
                f"in {where}; models: {', '.join(models) or '(none)'}"
            )
    else:
        supported = {n: m for n, m in models.items() if m.config.model_type in ARCHITECTURES}
        candidates = supported or models
        if len(candidates) > 1 and "model" not in candidates:
            raise TypeError(
                f"several models in {type(module).__name__}: {', '.join(candidates)}; choose one "
                f"with encoder={next(iter(candidates))!r}"
            )
        if not candidates:
            raise TypeError(
                f"no model of the transformers library ({', '.join(ARCHITECTURES)}) in {where}; "
                "create it in __init__ or configure_model, or give its path with encoder=..."
            )
        chosen = candidates.get("model", next(iter(candidates.values())))
    model: Any = chosen
    architecture_of(model.config.model_type)
    if model is module:
        return LocatedModel(model, model)
    is_bare = sum(1 for _ in model.parameters()) == sum(1 for _ in model.base_model.parameters())
    others = [other for other in models.values() if other is not model]
    return LocatedModel(model, module, others) if is_bare else LocatedModel(model, model)


def _outermost_models(module: nn.Module) -> dict[str, Any]:
    """Return the models of the library by path, without those inside another."""
    models: dict[str, Any] = {}
    for path, part in {"": module}.items() if _is_model(module) else module.named_modules():
        if _is_model(part) and not any(path.startswith(f"{outer}.") for outer in models):
            models[path] = part
    return models


def _is_model(module: nn.Module) -> bool:
    """Return whether a module is a model of the library, as opposed to one of its layers."""
    return hasattr(module, "base_model_prefix") and hasattr(module, "config")


def layers(module: nn.Module, encoder: str | None = None) -> dict[str, nn.Module]:
    """Return the layers of a model by name, from the bottom up.

    They are `embeddings`, `layer.0` ... `layer.{L-1}`, `pooler` and `classifier`, without those
    that a model does not have. BART's encoder layers come before its decoder layers. `classifier`
    is everything outside the encoder and its pooler: in the model or, around a bare encoder, in the
    module.

    Args:
        module: Model of a supported architecture, or a module with one inside.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: If there is no model of the transformers library, or several.
        ValueError: If its architecture is not supported, or the encoder has parameters outside
            every layer.

    Example:
        >>> from transformers import BertConfig, BertForSequenceClassification
        >>> list(layers(BertForSequenceClassification(BertConfig(num_hidden_layers=2))))
        ['embeddings', 'layer.0', 'layer.1', 'pooler', 'classifier']
    """
    return locate_model(module, encoder).layers()


def packed_forward(model: nn.Module) -> Callable[..., Tensor] | None:
    """Return the forward pass over packed batches of a model's architecture, if it has one.

    Returns:
        Function `(model, PackedBatch, DropoutMasks) -> logits (B, C)`, or None.
    """
    return locate_model(model).architecture.packed_forward
