"""Tokenizers of model folders, loaded and compared with their model."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stablebert.models.files import ModelError, describe_error, is_of_content
from stablebert.models.folder import load_settings, raise_if_too_many_tokens, tokenizer_files

logger = logging.getLogger(__name__)

MARKS = 3
"""Minimum number of special tokens around a pair of texts: one first, one after each text."""

MANY_CAPITALS = 20
"""A vocabulary for lowercased texts has fewer tokens with capitals than one in so many."""


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a model folder, and check that it fits the model.

    Returns:
        Tokenizer of the transformers library.

    Raises:
        ModelError: If a file is damaged, or the tokenizer has more tokens or segments than the
            model, no padding token, or marks neither beginning nor end of a text.
    """
    from transformers import AutoTokenizer

    # a tokenizer without a model is compared with nothing
    settings = load_settings(folder) if (folder / "config.json").exists() else {}
    files = tokenizer_files(folder)
    source = f"{folder}: the tokenizer ({', '.join(file.name for file in files)})"
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        pair = tokenizer("a", "b")
        texts = tokenizer("a", "b", add_special_tokens=False)
    except BaseException as error:  # the library panics with a BaseException of its own
        if not is_of_content(error):
            raise
        raise ModelError(f"{source} cannot be loaded: {describe_error(error)}") from error
    raise_if_too_many_tokens(source, tokenizer.get_vocab(), settings.get("vocab_size"))
    if tokenizer.pad_token_id is None:
        raise ModelError(f"{source} has no pad token; set pad_token in tokenizer_config.json")
    if len(pair["input_ids"]) - len(texts["input_ids"]) < MARKS:
        raise ModelError(
            f"{source} does not mark texts, such as [CLS] first [SEP] second [SEP]; use the "
            "tokenizer.json of this model"
        )
    _raise_if_unfit(tokenizer.pad_token_id, pair.get("token_type_ids"), settings, source)
    if _has_wrong_case(tokenizer):
        logger.warning(
            "%s lowercases texts although its vocabulary has capitals, or keeps capitals that its "
            "vocabulary lacks; is do_lower_case in tokenizer_config.json that of the model?",
            source,
        )
    return tokenizer


def _raise_if_unfit(
    pad: int, segments: list[int] | None, settings: Mapping[str, Any], source: str
) -> None:
    """Refuse a padding token or segments that the model would take for something else."""
    model_pad = settings.get("pad_token_id", 1)
    if settings.get("model_type") == "roberta" and pad != model_pad:
        raise ModelError(
            f"{source} pads with token {pad}, but config.json has pad_token_id={model_pad}, from "
            "which RoBERTa counts positions; use the tokenizer of this model"
        )
    count, last = settings.get("type_vocab_size"), max(segments or [0])
    if count and last >= count:
        raise ModelError(
            f"{source} numbers segments up to {last}, but config.json has type_vocab_size={count}; "
            "use the tokenizer of this model"
        )


def _has_wrong_case(tokenizer: Any) -> bool:
    """Return whether words with capitals lose them in vain, or become unknown."""
    vocabulary: set[str] = tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens)
    capitals = sum(token != token.lower() for token in vocabulary)
    lower, upper = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in "aA")
    if lower == upper:
        return capitals > len(vocabulary) / MANY_CAPITALS
    return not capitals and bool(tokenizer.unk_token_id in upper)
