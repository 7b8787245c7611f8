"""Pre-trained models with a new head, and fine-tuned encoders saved without theirs."""

import copy
import logging
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import nn

from stablebert.models.architectures import architecture_of, layers
from stablebert.models.surgery import PartiallyTrainedEmbedding, reinitialize
from stablebert.seeds import stream_generator

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
        ValueError: If the architecture is not supported, or the weights do not fill the encoder.

    Example:
        >>> from importlib.resources import files
        >>> folder = files("stablebert") / "demo" / "model"
        >>> load_model(folder, num_labels=3, seed=0).classifier.out_features
        3
    """
    template, unfilled_layers = _load_pretrained(folder, num_labels)
    model: nn.Module = copy.deepcopy(template)
    # the classifier is new for every run, whatever head the checkpoint has
    fresh = [*(["pooler"] if "pooler" in unfilled_layers else []), "classifier"]
    reinitialize(model, fresh, rng=stream_generator(seed, "head"))
    # from_pretrained returns a model in evaluation mode, and Lightning keeps the mode that it finds
    return model.train()


# Once per process and number of labels: the runs of a worker start from the same weights.
@lru_cache(maxsize=3)
def _load_pretrained(folder: Path, num_labels: int) -> tuple[Any, set[str]]:
    """Return the model of a folder, to be copied, and the layers that its weights do not fill."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    model_type = AutoConfig.from_pretrained(folder).model_type
    try:  # before weights are read
        architecture = architecture_of(model_type)
    except ValueError as error:
        raise ValueError(f"model.name={folder}: {error}") from None
    # the library draws a head from the global generator, whose state must not change
    with torch.random.fork_rng(devices=[]):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=num_labels,
            problem_type="regression" if num_labels == 1 else "single_label_classification",
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # a head of another task
        )
    if architecture.head:
        model.classifier = architecture.head(model.config)
    missing_keys = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    unfilled_layers = {
        name for name, layer in layers(model).items() if _has_any(model, layer, missing_keys)
    }
    if empty_layers := unfilled_layers - {"pooler", "classifier"}:
        raise ValueError(
            f"model.name={folder}: no weights for {', '.join(sorted(empty_layers))} "
            f"({len(missing_keys)} tensors, {sorted(missing_keys)[0]} first); is this a "
            f"pre-trained {model_type}?"
        )
    if "pooler" in unfilled_layers:
        logger.warning("%s has no pooler: a new one is drawn", folder)
    return model, unfilled_layers


def _has_any(model: nn.Module, layer: nn.Module, names: set[str]) -> bool:
    """Return whether any of the named parameters of the model is in the part."""
    layer_ids = {id(p) for p in layer.parameters()}
    return any(id(p) in layer_ids for n, p in model.named_parameters() if n in names)


def save_encoder(model: Any, folder: Path, *, tokenizer: Path) -> None:
    """Save a fine-tuned model without its head, atomically, so that `load_model` can read it.

    Args:
        model: Fine-tuned model; its embeddings may be partially trained.
        folder: Folder to write, replaced if it exists.
        tokenizer: Folder of the pre-trained model, whose other files are copied.
    """
    embedding = model.get_input_embeddings()
    if isinstance(embedding, PartiallyTrainedEmbedding):
        model.set_input_embeddings(embedding.merge())
    head = {id(p) for p in layers(model)["classifier"].parameters()}
    state = {n: p for n, p in model.state_dict(keep_vars=True).items() if id(p) not in head}
    draft = folder.with_name(f".{folder.name}-{uuid4().hex}")
    model.save_pretrained(draft, state_dict={n: p.detach() for n, p in state.items()})
    for file in tokenizer.iterdir():
        if file.suffix in {".json", ".txt", ".model"} and not (draft / file.name).exists():
            shutil.copyfile(file, draft / file.name)
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)
