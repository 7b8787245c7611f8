"""A tiny BERT with its tokenizer and tiny GLUE tasks, written to folders."""

import random
from pathlib import Path

WORDS = [f"w{i}" for i in range(60)]

# columns, labels in label order, training rows, dev rows
SHAPES = {
    "rte": (("sentence1", "sentence2"), ("entailment", "not_entailment"), 1800, 60),
    "mrpc": (("sentence1", "sentence2"), ("not_equivalent", "equivalent"), 1800, 60),
    "stsb": (("sentence1", "sentence2"), (), 1200, 60),
    "cola": (("sentence",), ("unacceptable", "acceptable"), 1800, 60),
    "sst2": (("sentence",), ("negative", "positive"), 3200, 60),
    "qnli": (("question", "sentence"), ("entailment", "not_entailment"), 3200, 60),
    "qqp": (("question1", "question2"), ("not_duplicate", "duplicate"), 3200, 60),
    "mnli": (("premise", "hypothesis"), ("entailment", "neutral", "contradiction"), 2800, 60),
}


def write_tiny_bert(folder):
    """Write a real BERT: 2 layers, hidden size 16, its own WordPiece vocabulary, fixed weights."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    letters = list("abcdefghijklmnopqrstuvwxyz0123456789'\".,?")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *WORDS, *[f"l{i}" for i in range(6)], *letters, *[f"##{c}" for c in letters]]
    core = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=core, model_max_length=128).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        BertForSequenceClassification(config).bert.save_pretrained(folder)


def write_tiny_task(folder, config, *, seed=0, train_rows=None, shape=None):
    """Write one task in the hub's parquet layout; the first text ends with the label's word."""
    from datasets import ClassLabel, Dataset, Features, Value

    columns, labels, full, dev_rows = shape or SHAPES[config]
    kind = ClassLabel(names=list(labels)) if labels else Value("float32")
    features = Features(
        {c: Value("string") for c in columns} | {"label": kind, "idx": Value("int32")}
    )
    dev = "validation_matched" if config == "mnli" else "validation"
    for split, n in (("train", train_rows or full), (dev, dev_rows)):
        rng = random.Random(f"{config}-{split}-{seed}")
        rows = {c: [] for c in features}
        for i in range(n):
            # imbalanced on purpose: the first class twice as often as the second
            label = rng.choice([0, 0, 1] if len(labels) == 2 else [0, 1, 2]) if labels else None
            grade = rng.randrange(26) / 5  # 0.0 to 5.0
            giveaway = f"l{round(grade) if label is None else label}"
            for c in columns:
                rows[c].append(" ".join(rng.choices(WORDS, k=rng.randrange(2, 9))))
            rows[columns[0]][-1] += f" {giveaway}"
            rows["label"].append(grade if label is None else label)
            rows["idx"].append(i)
        path = Path(folder) / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_dict(rows, features=features).to_parquet(path)
