"""Forward passes over packed batches, by architecture, through the modules of the model itself.

They call the modules of the model, so a method that replaces one (Mixout replaces Linears) applies.
Only the first token of a row reaches the head, so the last layer computes no other output, which
saves 10 / 12 of its work.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stablebert.packed.attention import packed_attention
from stablebert.packed.batch import PackedBatch
from stablebert.packed.dropout import DropoutMasks, dropout


def bert_logits(model: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Return the logits `(B, C)` of a `BertForSequenceClassification`."""
    x = _first_states(model.bert, batch, masks)
    x = model.bert.pooler.activation(model.bert.pooler.dense(x))
    logits: Tensor = model.classifier(_drop(x, model.dropout, masks))
    return logits


def roberta_logits(model: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Return the logits `(B, C)` of a `RobertaForSequenceClassification`."""
    head = model.classifier
    x = _drop(_first_states(model.roberta, batch, masks), head.dropout, masks)
    logits: Tensor = head.out_proj(_drop(head.dense(x).tanh(), head.dropout, masks))
    return logits


def electra_logits(model: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Return the logits `(B, C)` of an ELECTRA whose head is a `FirstTokenHead`."""
    x = _first_states(model.electra, batch, masks)
    logits: Tensor = model.classifier.out_proj(_drop(x, model.classifier.dropout, masks))
    return logits


def bert_states(bert: Any, batch: PackedBatch, masks: DropoutMasks, blocks: Any = None) -> Tensor:
    """Return the hidden states `(T, H)` of an encoder of BERT's shape.

    Args:
        bert: `BertModel`, `RobertaModel` or `ElectraModel`.
        batch: Packed rows.
        masks: Source of dropout on a CPU.
        blocks: Layers to run, from the bottom up; None for all.
    """
    embeddings = bert.embeddings
    # RoBERTa's positions start after the one of padding
    offset = bert.config.pad_token_id + 1 if bert.config.model_type == "roberta" else 0
    x: Tensor = embeddings.word_embeddings(batch.input_ids)
    x = x + embeddings.token_type_embeddings(batch.token_type_ids)
    x = x + embeddings.position_embeddings(batch.position_ids + offset)
    x = _drop(embeddings.LayerNorm(x), embeddings.dropout, masks)
    if hasattr(bert, "embeddings_project"):  # ELECTRA, with embeddings narrower than its layers
        x = bert.embeddings_project(x)
    for block in bert.encoder.layer if blocks is None else blocks:
        x = _bert_block(block, x, batch, masks, first_only=False)
    return x


def _first_states(bert: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Return the states of the first token of every row after the last layer, `(B, H)`."""
    *blocks, last = bert.encoder.layer
    x = bert_states(bert, batch, masks, blocks=blocks)
    return _bert_block(last, x, batch, masks, first_only=True)


def _bert_block(
    block: Any, x: Tensor, batch: PackedBatch, masks: DropoutMasks, *, first_only: bool
) -> Tensor:
    """Run one layer: `(T, H)` to `(T, H)`, or to `(B, H)` of the first tokens only."""
    attention, projection = block.attention.self, block.attention.output
    feed_forward = block.output
    inputs = x.index_select(0, batch.starts) if first_only else x
    shared = _convert_once(x)
    context = packed_attention(
        attention.query(inputs if first_only else shared),
        attention.key(shared),
        attention.value(shared),
        batch,
        heads=attention.num_attention_heads,
        p=_rate(attention.dropout),
        masks=masks,
        first_only=first_only,
    )
    x = projection.LayerNorm(_drop(projection.dense(context), projection.dropout, masks) + inputs)
    states: Tensor = feed_forward.LayerNorm(
        _drop(feed_forward.dense(block.intermediate(x)), feed_forward.dropout, masks) + x
    )
    return states


def _convert_once(x: Tensor) -> Tensor:
    """Return what several Linears read, in the type to which autocast would convert it for each."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def _drop(x: Tensor, module: nn.Dropout, masks: DropoutMasks) -> Tensor:
    return dropout(x, _rate(module), masks)


def _rate(module: nn.Dropout) -> float:
    return module.p if module.training else 0.0
