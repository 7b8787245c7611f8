"""The forward pass over packed batches, by architecture, through the modules of the model itself.

A method that replaces a module (a Linear by a mixed one, say) is therefore followed. Only the first
token of a row reaches the head, so the last layer computes nothing else: 10 / 12 of its work.
"""

from typing import Any

from torch import Tensor, nn

from stablebert.packed.attention import packed_attention
from stablebert.packed.batch import PackedBatch
from stablebert.packed.dropout import DropoutMasks, dropout

# Logits `(B, C)` of each sequence-classification model, equal to those of its own forward pass.


def bert_logits(model: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Of a `BertForSequenceClassification`."""
    x = _first_states(model.bert, batch, masks)
    x = model.bert.pooler.activation(model.bert.pooler.dense(x))
    return model.classifier(_drop(x, model.dropout, masks))


def roberta_logits(model: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Of a `RobertaForSequenceClassification`."""
    head = model.classifier
    x = _drop(_first_states(model.roberta, batch, masks), head.dropout, masks)
    return head.out_proj(_drop(head.dense(x).tanh(), head.dropout, masks))


def electra_logits(model: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """Of an `ElectraForSequenceClassification` whose head is a `FirstTokenHead`."""
    x = _first_states(model.electra, batch, masks)
    return model.classifier.out_proj(_drop(x, model.classifier.dropout, masks))


def bert_states(bert: Any, batch: PackedBatch, masks: DropoutMasks, blocks: Any = None) -> Tensor:
    """States `(T, H)` of a model of BERT's shape after `blocks`; after all of them, if None."""
    embeddings = bert.embeddings
    # RoBERTa's positions start behind the one of padding
    offset = bert.config.pad_token_id + 1 if bert.config.model_type == "roberta" else 0
    x = embeddings.word_embeddings(batch.input_ids)
    x = x + embeddings.token_type_embeddings(batch.token_type_ids)
    x = x + embeddings.position_embeddings(batch.position_ids + offset)
    x = _drop(embeddings.LayerNorm(x), embeddings.dropout, masks)
    if hasattr(bert, "embeddings_project"):  # ELECTRA, with embeddings narrower than its layers
        x = bert.embeddings_project(x)
    for block in bert.encoder.layer if blocks is None else blocks:
        x = _bert_block(block, x, batch, masks, first=False)
    return x


def _first_states(bert: Any, batch: PackedBatch, masks: DropoutMasks) -> Tensor:
    """States of every row's first token after the last block, `(B, H)`."""
    *blocks, last = bert.encoder.layer
    x = bert_states(bert, batch, masks, blocks=blocks)
    return _bert_block(last, x, batch, masks, first=True)


def _bert_block(
    block: Any, x: Tensor, batch: PackedBatch, masks: DropoutMasks, *, first: bool
) -> Tensor:
    """One layer: `(T, H)` to `(T, H)`, or to `(B, H)` of the first tokens alone."""
    attend, out, feed = block.attention.self, block.attention.output, block.output
    asking = x.index_select(0, batch.starts) if first else x
    mixed = packed_attention(
        attend.query(asking),
        attend.key(x),
        attend.value(x),
        batch,
        heads=attend.num_attention_heads,
        p=_rate(attend.dropout),
        masks=masks,
        first=first,
    )
    x = out.LayerNorm(_drop(out.dense(mixed), out.dropout, masks) + asking)
    return feed.LayerNorm(_drop(feed.dense(block.intermediate(x)), feed.dropout, masks) + x)


def _drop(x: Tensor, module: nn.Dropout, masks: DropoutMasks) -> Tensor:
    return dropout(x, _rate(module), masks)


def _rate(module: nn.Dropout) -> float:
    return module.p if module.training else 0.0
