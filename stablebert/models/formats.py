"""Contents of model folders: the settings and tensors that the models here use, and those unused.

Tables only, without torch. `models.architectures` says where the layers of each architecture are.
"""

import re
from collections.abc import Mapping
from typing import Any

FIXED: Mapping[str, Any] = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
    "pruned_heads": {},
    "quantization_config": None,
    "per_layer_config": None,
}
"""Settings in `config.json` of which every architecture here uses one value only.

Older or other versions of the library, or the original code of the model, compute something else
with other values. A setting that is absent or null has its default.
"""

PACKED = frozenset(
    [
        *("vocab_size", "hidden_size", "embedding_size", "num_hidden_layers", "intermediate_size"),
        *("num_attention_heads", "hidden_act", "layer_norm_eps", "max_position_embeddings"),
        *("type_vocab_size", "pad_token_id", "hidden_dropout_prob", "classifier_dropout"),
        *("attention_probs_dropout_prob", "is_decoder", "add_cross_attention"),
        # without effect on the logits
        *("initializer_range", "use_cache", "bos_token_id", "eos_token_id", "tie_word_embeddings"),
        # of ELECTRA's head in the library, which `FirstTokenHead` replaces
        *("summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout"),
    ]
)
"""Settings of BERT, RoBERTa and ELECTRA that the forward pass over packed batches honors."""

NEUTRAL = frozenset(
    [
        *("architectures", "model_type", "transformers_version", "dtype", "torch_dtype", "name"),
        *("_name_or_path", "id2label", "label2id", "num_labels", "_num_labels", "problem_type"),
        *("finetuning_task", "task_specific_params", "language", "torchscript", "output_past"),
        *("output_attentions", "output_hidden_states", "return_dict", "use_return_dict"),
        *("use_cache", "gradient_checkpointing", "tie_weights_", "tie_encoder_decoder"),
        *("_attn_implementation", "_attn_implementation_autoset", "attn_implementation"),
        # the same sums in smaller parts
        "chunk_size_feed_forward",
        # of poolers that the original code of BERT has and never uses
        *("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_type"),
        *("pooler_num_fc_layers", "pooler_size_per_head"),
        # of text generation
        *("max_length", "min_length", "num_beams", "do_sample", "early_stopping", "temperature"),
        *("top_k", "top_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size"),
        *("bad_words_ids", "num_return_sequences", "forced_bos_token_id", "prefix"),
        *("bos_token_id", "eos_token_id", "sep_token_id", "decoder_start_token_id"),
    ]
)
"""Settings that say nothing about the logits of a classifier."""

USED: Mapping[str, frozenset[str]] = {
    "deberta-v2": frozenset(
        [
            *("attention_head_size", "share_att_key", "position_buckets", "conv_kernel_size"),
            *("conv_groups", "conv_act", "embedding_size", "norm_rel_ebd", "cls_dropout"),
            *("pooler_hidden_size", "max_relative_positions"),
        ]
    ),
    "modernbert": frozenset(
        [
            *("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"),
            *("rope_scaling", "head_dim", "layer_norm_eps", "reference_compile"),
            *("repad_logits_with_grad", "cls_token_id"),
        ]
    ),
    "xlnet": frozenset(["untie_r", "ff_activation"]),
    "albert": frozenset(
        ["down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"]
    ),
    "bart": frozenset(
        [
            *("add_bias_logits", "add_final_layer_norm", "normalize_before", "normalize_embedding"),
            *("classif_dropout", "extra_pos_embeddings", "static_position_embeddings"),
        ]
    ),
}
"""Settings that the library reads although its configuration does not declare them, or that say in
`config.json` of the original models what the library computes anyway."""

_HEADS = r"(classifier|qa_outputs|score|lm_head|cls|predictions)\."
_BUFFERS = r"(.*\.)?(position_ids|token_type_ids)$"

UNUSED: Mapping[str, str] = {
    "bert": "",
    "roberta": r"(roberta\.)?pooler\.",
    "electra": r"(discriminator_predictions|generator_predictions|generator_lm_head)\.",
    "xlnet": r"(lm_loss|logits_proj|sequence_summary|start_logits|end_logits|answer_class)\.",
    "bart": r"final_logits_bias|classification_head\.",
    "albert": r"sop_classifier\.",
    "distilbert": r"(vocab_transform|vocab_layer_norm|vocab_projector|pre_classifier)\.",
    "deberta-v2": (
        r"(lm_predictions|mask_predictions|pooler)\."
        r"|(deberta\.)?embeddings\.position_embeddings\."  # of its first masked-language-model head
    ),
    "modernbert": r"(decoder|head)\.",
}
"""Tensors of other heads by architecture, a regular expression for the beginning of the name."""


def is_unused(model_type: str, tensor: str) -> bool:
    """Return whether a tensor belongs to a head of another task, or is a constant buffer.

    Example:
        >>> is_unused("bert", "cls.predictions.bias")
        True
        >>> is_unused("bert", "bert.encoder.layer.0.attention.self.distance_embedding.weight")
        False
    """
    pattern = "|".join(filter(None, (_HEADS, _BUFFERS, UNUSED[model_type])))
    return re.match(pattern, tensor) is not None
