"""The forward pass over packed batches, by architecture, through the modules of the model itself.

A method that replaces a module (a Linear by a mixed one, say) is therefore followed. Only the first
token of a row reaches the head, so the last layer computes nothing else: 10 / 12 of its work.
"""

from typing import Any

from torch import Tensor, nn

from stablebert.attention import attention
from stablebert.dropout import Masks, dropout
from stablebert.packing import PackedBatch


def bert_logits(model: Any, batch: PackedBatch, masks: Masks) -> Tensor:
    """Logits `(B, C)` of a `BertForSequenceClassification`, equal to those of its own forward."""
    bert, blocks = model.bert, model.bert.encoder.layer
    x = bert_states(bert, batch, masks, blocks=blocks[:-1])
    x = _bert_block(blocks[-1], x, batch, masks, first=True)
    x = bert.pooler.activation(bert.pooler.dense(x))
    return model.classifier(_drop(x, model.dropout, masks))


def bert_states(bert: Any, batch: PackedBatch, masks: Masks, blocks: Any = None) -> Tensor:
    """States `(T, H)` of a `BertModel` after `blocks`; after all of them, if None."""
    embeddings = bert.embeddings
    x = embeddings.word_embeddings(batch.input_ids)
    x = x + embeddings.token_type_embeddings(batch.token_type_ids)
    x = x + embeddings.position_embeddings(batch.position_ids)
    x = _drop(embeddings.LayerNorm(x), embeddings.dropout, masks)
    for block in bert.encoder.layer if blocks is None else blocks:
        x = _bert_block(block, x, batch, masks, first=False)
    return x


def _bert_block(block: Any, x: Tensor, batch: PackedBatch, masks: Masks, *, first: bool) -> Tensor:
    """One layer: `(T, H)` to `(T, H)`, or to `(B, H)` of the first tokens alone."""
    attend, out, feed = block.attention.self, block.attention.output, block.output
    asking = x.index_select(0, batch.starts) if first else x
    mixed = attention(
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


def _drop(x: Tensor, module: nn.Dropout, masks: Masks) -> Tensor:
    return dropout(x, _rate(module), masks)


def _rate(module: nn.Dropout) -> float:
    return module.p if module.training else 0.0
