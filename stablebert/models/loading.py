"""The pre-trained model with its head, and what a "layer" is.

Everything that depends on an architecture stands here; to support another one, add a row to
`ARCHITECTURES`.
"""

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

    The head (and a pooler, where the checkpoint has none) is drawn as the model's pre-training
    began, BERT's from N(0, 0.02²), biases 0, by the stream "head" of `seed`: not by the library,
    whose draws depend on its version.

    Args:
        folder: local folder with `config.json` and weights.
        num_labels: classes; 1 for regression.
        seed: the run's `seed_init`.

    Raises:
        ValueError: an architecture that is not supported, or weights that do not fill the encoder.
    """
    pretrained, bare = _pretrained(folder, num_labels)
    model = copy.deepcopy(pretrained)
    # the classifier is new for every run, whatever head the checkpoint brought
    fresh = [*(["pooler"] if "pooler" in bare else []), "classifier"]
    reinitialize(model, fresh, rng=stream_generator(seed, "head"))
    # from_pretrained leaves it in evaluation mode, and Lightning keeps the mode that it finds
    return model.train()


# Once per process and number of labels: a worker's runs start from the same weights.
@lru_cache(maxsize=3)
def _pretrained(folder: Path, num_labels: int) -> tuple[Any, set[str]]:
    """The model as its folder has it, to be copied; and the layers that the folder lacks."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    model_type = AutoConfig.from_pretrained(folder).model_type
    architecture_of(model_type, f"model.name={folder}: ")  # refused before weights are read
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
    where = architecture_of(model_type)
    if where.head:
        model.classifier = where.head(model.config)
    unfilled = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    bare = {name for name, part in layers(model).items() if _holds(model, part, unfilled)}
    if inside := bare - {"pooler", "classifier"}:
        raise ValueError(
            f"model.name={folder}: no weights for {', '.join(sorted(inside))} ({len(unfilled)} "
            f"tensors, {sorted(unfilled)[0]} first); is this a pre-trained {model_type}?"
        )
    if "pooler" in bare:
        logger.warning("%s has no pooler: a new one is drawn", folder)
    return model, bare


def save_encoder(model: Any, folder: Path, *, tokenizer: Path) -> None:
    """Write a fine-tuned model without its head, as `load_model` reads it: whole or not at all.

    Args:
        model: trained; its embeddings may be trained in part.
        folder: to write.
        tokenizer: folder of the pre-trained model, whose other files are copied.
    """
    embedding = model.get_input_embeddings()
    if isinstance(embedding, PartiallyTrainedEmbedding):
        model.set_input_embeddings(embedding.whole())
    head = {id(p) for p in layers(model)["classifier"].parameters()}
    kept = {n: p for n, p in model.state_dict(keep_vars=True).items() if id(p) not in head}
    draft = folder.with_name(f".{folder.name}-{uuid4().hex}")
    model.save_pretrained(draft, state_dict={n: p.detach() for n, p in kept.items()})
    for file in tokenizer.iterdir():
        if file.suffix in {".json", ".txt", ".model"} and not (draft / file.name).exists():
            shutil.copyfile(file, draft / file.name)
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)


def _holds(model: nn.Module, part: nn.Module, names: set[str]) -> bool:
    own = {id(p) for p in part.parameters()}
    return any(id(p) in own for n, p in model.named_parameters() if n in names)
