"""The pre-trained model with its head, and what a "layer" is.

Everything that depends on an architecture stands here; to support another one, add a row to
`ARCHITECTURES`.
"""

import copy
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from stablebert.packed.forward import bert_logits, electra_logits, roberta_logits
from stablebert.seeds import generator

logger = logging.getLogger(__name__)


# ---------------------------------------------------------------- architectures


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


# ---------------------------------------------------------------- loading


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
    reinitialise(model, fresh, rng=generator(seed, "head"))
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
    where = _architecture(model_type)
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


def train_only(model: Any, ids: Tensor) -> None:
    """Make the word embeddings of `ids`, `(R,)`, the only ones that are trained."""
    model.set_input_embeddings(PartlyTrainedEmbedding(model.get_input_embeddings(), ids))


def save_encoder(model: Any, folder: Path, *, tokenizer: Path) -> None:
    """Write a fine-tuned model without its head, as `load_model` reads it: whole or not at all.

    Args:
        model: trained; its embeddings may be trained in part.
        folder: to write.
        tokenizer: folder of the pre-trained model, whose other files are copied.
    """
    embedding = model.get_input_embeddings()
    if isinstance(embedding, PartlyTrainedEmbedding):
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

    BART's encoder layers come before its decoder layers. A model without a pooler has no "pooler".

    Raises:
        ValueError: an architecture that is not supported, or parameters outside every layer.
    """
    where = _architecture(model.config.model_type)
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
def reinitialise(model: Any, names: Iterable[str], *, rng: Generator) -> None:
    """Draw layers anew, as pre-training began (Section 5; released `run_glue.py`, L736-795).

    BERT's: Linear weights from N(0, 0.02²), not truncated, biases 0; LayerNorm weights 1, biases 0.
    XLNet's attention keeps all its weights and biases in tensors of its own, all of which are
    drawn. Draws come from a CPU generator, whatever the device, layer by layer as named.

    Raises:
        ValueError: a module with parameters of another kind: nothing is left as it was in silence.
    """
    named, where = layers(model), _architecture(model.config.model_type)
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


def shares_layers(model: Any) -> bool:
    """Whether all layers of a model are one and the same (ALBERT)."""
    return _architecture(model.config.model_type).shared


def max_positions(config: Any) -> int | None:
    """Tokens that a row may have; None where the positions of a model are relative and endless."""
    count: int = getattr(config, "max_position_embeddings", -1)
    if config.model_type == "roberta":  # whose positions start behind the one of padding
        count -= config.pad_token_id + 1
    return count if count > 0 else None
