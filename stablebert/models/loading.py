"""Pre-trained models with a new head, and fine-tuned encoders saved without theirs."""

import copy
import logging
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stablebert.drafts import draft_folder
from stablebert.filesystem import naming_file
from stablebert.models.adapters import merge_adapters
from stablebert.models.architectures import architecture_of
from stablebert.models.files import ModelError, describe_error, is_of_content
from stablebert.models.folder import load_settings
from stablebert.models.formats import FIXED, NEUTRAL, USED, is_unused
from stablebert.models.location import layers
from stablebert.models.surgery import PartiallyTrainedEmbedding, reinitialize
from stablebert.models.weights import not_finite, weight_files
from stablebert.seeds import stream_generator
from stablebert.text import count_of

logger = logging.getLogger(__name__)


def load_model(folder: Path, *, num_labels: int, seed: int) -> nn.Module:
    """Load a pre-trained encoder in float32 and put a new head on it.

    The head (and a pooler, if the checkpoint has none) is drawn as at the start of the model's
    pre-training, BERT's from N(0, 0.02²) with biases 0, from the stream `head` of the seed. The
    transformers library would draw it differently in different versions.

    Args:
        folder: Local folder with `config.json` and weights.
        num_labels: Number of classes C; 1 for a regression.
        seed: Seed of the head, a run's `seed_init`.

    Returns:
        Sequence-classification model in training mode. Loading the same folder again in this
        process copies the weights in memory.

    Raises:
        ModelError: If a file is damaged or the architecture is not supported, the weights do not
            fill the encoder, contain NaN or infinity, or have more than the model uses.

    Example:
        >>> from importlib.resources import files
        >>> folder = files("stablebert") / "demo" / "model"
        >>> load_model(folder, num_labels=3, seed=0).classifier.out_features
        3
    """
    template, missing = _load_pretrained(folder, num_labels)
    model: nn.Module = copy.deepcopy(template)
    rng = stream_generator(seed, "head")
    if "pooler" in _layers_with(model, missing):
        empty_modules = {key.rpartition(".")[0] for key in missing}
        filled = {part for name, part in model.named_modules() if name not in empty_modules}
        reinitialize(model, ["pooler"], rng=rng, keep=filled)
    # the classifier is new for every run, whatever head the checkpoint has
    reinitialize(model, ["classifier"], rng=rng)
    # from_pretrained returns a model in evaluation mode, and Lightning keeps the mode that it finds
    return model.train()


# Once per process and number of labels: the runs of a worker start from the same weights.
@lru_cache(maxsize=3)
def _load_pretrained(folder: Path, num_labels: int) -> tuple[Any, frozenset[str]]:
    """Return the model of a folder, to be copied, and the parameters that its weights do not fill.

    Every tensor of the file is used, unless it belongs to a head of another task, and every
    parameter is in the file, unless it belongs to the new head or to a pooler.
    """
    settings = load_settings(folder)
    model_type = settings["model_type"]
    weights = weight_files(folder)
    source = f"{folder}: config.json and {', '.join(file.name for file in weights)}"
    try:
        model, report = _from_pretrained(folder, num_labels)
    except Exception as error:
        if not is_of_content(error):
            raise
        reason = describe_error(error)
        if isinstance(error, KeyError):  # it is only the value
            names = [name for name, value in settings.items() if (value,) == error.args]
            reason = f"unknown {' or '.join(names)} {reason}"
        raise ModelError(f"{source} cannot be loaded as a {model_type}: {reason}") from error
    if head := architecture_of(model_type).head:
        model.classifier = head(model.config)
    _raise_if_other_model(model, report, source)
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise ModelError(not_finite(source, name))
    _report_unused(model, report["unexpected_keys"], settings, folder)
    missing = frozenset(report["missing_keys"])
    if "pooler" in _layers_with(model, missing):
        logger.warning("%s has no pooler: a new one is drawn for each run", folder)
    return model, missing


def _from_pretrained(folder: Path, num_labels: int) -> tuple[Any, dict[str, Any]]:
    """Return the model that the library loads, and its report on the tensors."""
    from transformers import AutoModelForSequenceClassification

    # the library draws a head from the global generator, whose state must not change
    with torch.random.fork_rng(devices=[]):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=num_labels,
            problem_type="regression" if num_labels == 1 else "single_label_classification",
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # a head of another task
            chunk_size_feed_forward=0,  # the same sums in parts, which must divide every length
            local_files_only=True,
            trust_remote_code=False,
            weights_only=True,
        )
    return model, report


def _raise_if_other_model(model: Any, report: Mapping[str, Any], source: str) -> None:
    """Refuse weights that do not fill the encoder, or contain more than the model uses."""
    model_type = model.config.model_type
    classifier = tuple(architecture_of(model_type).classifier)
    misfits = {key: shapes for key, *shapes in report["mismatched_keys"]}
    if wrong := sorted(key for key in misfits if not key.startswith(classifier)):
        ours, theirs = (tuple(shape) for shape in reversed(misfits[wrong[0]]))
        raise ModelError(
            f"{source} do not fit together: {wrong[0]} has shape {theirs} in the weights, {ours} "
            f"in the configuration ({len(wrong)} such tensors); use the files of one model"
        )
    missing = set(report["missing_keys"])
    for path, module in model.named_modules():
        names = {f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)}
        if names & missing and names - missing and not path.startswith(classifier):
            raise ModelError(
                f"{source}: {', '.join(sorted(names & missing))} is missing, but the weights have "
                f"{', '.join(sorted(names - missing))}; copy or download the weights again"
            )
    if empty_layers := _layers_with(model, missing) - {"pooler", "classifier"}:
        raise ModelError(
            f"{source}: no weights for {', '.join(sorted(empty_layers))} "
            f"({min(key for key in missing if not key.startswith(classifier))} first); is this a "
            f"pre-trained {model_type}?"
        )
    unused = sorted(key for key in report["unexpected_keys"] if not is_unused(model_type, key))
    if unused:
        raise ModelError(
            f"{source}: no place in the model for {count_of(len(unused), 'tensor')}, {unused[0]} "
            f"first, so it would be trained without; is this a {model_type} of the configured size?"
        )


def _report_unused(
    model: Any, tensors: Iterable[str], settings: Iterable[str], folder: Path
) -> None:
    """Warn about heads of other tasks and about settings that no code reads."""
    if heads := sorted({key.rpartition(".")[0] for key in tensors}):
        logger.warning("%s: heads of other tasks are not used: %s", folder, ", ".join(heads))
    if unread := unread_settings(settings, model.config):
        logger.warning(
            "%s: nothing reads %s; if the model was trained with it, its results will be wrong",
            folder / "config.json",
            ", ".join(unread),
        )


def unread_settings(settings: Iterable[str], config: Any) -> list[str]:
    """Return the settings that no code reads.

    Args:
        settings: Names in `config.json`.
        config: Configuration that the library made of them.
    """
    declared = type(config)().to_dict().keys() | type(config).attribute_map.keys()
    known = declared | NEUTRAL | FIXED.keys() | USED.get(config.model_type, frozenset())
    return [name for name in settings if name not in known]


def _layers_with(model: nn.Module, parameters: Collection[str]) -> set[str]:
    """Return the layers that have any of the named parameters of the model."""
    ids = {id(p) for name, p in model.named_parameters() if name in parameters}
    return {
        name for name, part in layers(model).items() if any(id(p) in ids for p in part.parameters())
    }


def save_encoder(model: Any, folder: Path, *, tokenizer: Path) -> None:
    """Save a fine-tuned model without its head, atomically, so that `load_model` can read it.

    Args:
        model: Fine-tuned model; adapters and partially trained embeddings are merged into it.
        folder: Folder to write, replaced if it exists.
        tokenizer: Folder of the pre-trained model, whose other files are copied.

    Raises:
        OSError: If the folder cannot be written, as on a full disk; no draft is left.
    """
    merge_parts(model)
    head = {id(p) for p in layers(model)["classifier"].parameters()}
    state = {n: p for n, p in model.state_dict(keep_vars=True).items() if id(p) not in head}
    with draft_folder(folder) as drafts:
        draft = drafts / "new"
        with naming_file(folder):
            model.save_pretrained(draft, state_dict={n: p.detach() for n, p in state.items()})
        for file in tokenizer.iterdir():
            if file.suffix in {".json", ".txt", ".model"} and not (draft / file.name).exists():
                shutil.copyfile(file, draft / file.name)
        with suppress(FileNotFoundError):
            folder.rename(drafts / "old")  # deleted in place, it would be incomplete for a while
        draft.rename(folder)


def merge_parts(model: Any) -> None:
    """Merge adapters and a partially trained embedding into a model; its outputs stay the same."""
    merge_adapters(model)
    embedding = model.get_input_embeddings()
    if isinstance(embedding, PartiallyTrainedEmbedding):
        model.set_input_embeddings(embedding.merge())


def whole_weights(model: Any) -> dict[str, np.ndarray]:
    """Return all weights of a fine-tuned model, its head included, on the CPU.

    Args:
        model: Fine-tuned model; adapters and partially trained embeddings are merged into it.

    Returns:
        Arrays by name, as `load_weights` takes them; a weight with several names has its first.
    """
    merge_parts(model)
    return {name: tensor.detach().cpu().numpy() for name, tensor in _distinct_tensors(model)}


@torch.no_grad()
def load_weights(model: nn.Module, weights: Iterable[tuple[str, np.ndarray]]) -> None:
    """Replace all weights of a model by those of another one of its architecture.

    Args:
        model: Model as `load_model` returns it.
        weights: Names and arrays, as `whole_weights` returns them; each is copied before the next
            one is taken.

    Raises:
        ValueError: If names or shapes are not those of the model.
    """
    tensors = dict(_distinct_tensors(model))
    for name, weight in weights:
        if name not in tensors or tensors[name].shape != weight.shape:
            raise ValueError(f"{name} {weight.shape} is not a weight of {type(model).__name__}")
        tensors.pop(name).copy_(torch.from_numpy(weight))
    if tensors:
        raise ValueError(f"no weights for {', '.join(tensors)}")


def _distinct_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield each parameter and stored buffer once, with its first name (BART's are tied)."""
    ids: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in ids:
            ids.add(id(tensor))
            yield name, tensor
