"""A tiny random model of every supported architecture."""

import torch

SIZE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 140,
    "pad_token_id": 0,
}
HALF = {"layers": 2, "attention_heads": 2, "ffn_dim": 32}
SHAPES = {
    "bert": SIZE,
    "roberta": SIZE | {"type_vocab_size": 1, "bos_token_id": 2, "eos_token_id": 3},
    "electra": SIZE | {"embedding_size": 8},
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "pad_token_id": 0},
    "bart": {
        "d_model": 16,
        "max_position_embeddings": 140,
        **{f"{half}_{k}": v for half in ("encoder", "decoder") for k, v in HALF.items()},
        **{"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3},
        "forced_eos_token_id": 3,
    },
    "albert": SIZE | {"embedding_size": 8, "hidden_dropout_prob": 0.1},
    "distilbert": {
        **{"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "pad_token_id": 0},
        "max_position_embeddings": 140,
    },
    "deberta-v2": SIZE
    | {
        **{"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm"},
        **{"share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
        **{"type_vocab_size": 0, "conv_kernel_size": 3},
    },
    "modernbert": SIZE
    | {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
}

BLOCKS = dict.fromkeys(SHAPES, 2) | {"bart": 4, "albert": 1}
"""Number of blocks that `layers` names."""
POOLED = {"bert", "albert", "modernbert"}


def write_architecture(kind, folder, tokenizer_folder):
    """Write the base model of an architecture, with a tokenizer's vocabulary, to a folder."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    if kind == "xlnet":
        tokenizer.padding_side = "left"
    if kind == "roberta":  # its tokenizer knows no segments
        core = tokenizer.backend_tokenizer
        special = {name: getattr(tokenizer, name) for name in ("pad_token", "unk_token")}
        inputs = ["input_ids", "attention_mask"]
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, model_input_names=inputs, **special
        )
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **SHAPES[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_architecture(kind):
    """Return a model of an architecture with two classes and random weights."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(kind, vocab_size=60, num_labels=2, **SHAPES[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return AutoModelForSequenceClassification.from_config(config)


def padded_batch(*lengths, vocabulary=60):
    """Return padded rows of ids between [CLS] and [SEP], as a tokenizer returns them."""
    rng = torch.Generator().manual_seed(0)
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, n in zip(ids, lengths, strict=True):
        row[:n] = torch.randint(5, vocabulary, (n,), generator=rng)
        row[0], row[n - 1] = 2, 3
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}
