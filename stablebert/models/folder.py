"""A model folder as a whole: its configuration, tokenizer and weights fit together.

Without torch and in about a second for a large model, so that a grid is refused before it starts.
`models.loading` finds what only the library can tell.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stablebert.hub.folders import TOKENIZER, describe_replacement
from stablebert.models.files import (
    ModelError,
    describe_error,
    is_of_content,
    load_json,
    load_text,
    raise_if_not_content,
)
from stablebert.models.formats import FIXED, UNUSED, is_unused
from stablebert.models.weights import check_weights


def check_folder(folder: Path, *, max_length: int) -> None:
    """Check that a model can be trained.

    Args:
        folder: Folder with `config.json`, tokenizer and weights.
        max_length: Longest row in tokens, `data.max_length`.

    Raises:
        ModelError: If a file is damaged or asks for what is not supported, or they do not fit
            together.
    """
    settings = load_settings(folder)
    raise_if_too_long(folder, settings, max_length)
    _check_tokenizer_files(folder, settings)
    check_weights(folder, lambda tensor: not is_unused(settings["model_type"], tensor))


def load_settings(folder: Path) -> dict[str, Any]:
    """Load `config.json` and refuse what no model here computes.

    Raises:
        ModelError: If the file is damaged, or has an unknown architecture, code of its own or an
            unsupported setting.
    """
    file = folder / "config.json"
    settings = load_json(file)
    model_type = settings.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(
            f"{file}: no model_type; add the one of the model, one of {', '.join(UNUSED)}"
        )
    if model_type not in UNUSED:
        raise ModelError(
            f"{file}: architecture {model_type!r} is not supported; supported: {', '.join(UNUSED)}"
        )
    _raise_if_out_of_range(file, settings)
    _raise_if_unsupported(file, settings)
    return settings


def _raise_if_out_of_range(file: Path, settings: Mapping[str, Any]) -> None:
    """Refuse numbers that the library accepts and with which a run would raise an error."""
    for name, value in settings.items():
        is_number = isinstance(value, int | float)
        if is_number and "drop" in name and not 0 <= value < 1:
            raise ModelError(f"{file}: {name}={value!r} is not a dropout rate, from 0 to below 1")
        if is_number and name == "initializer_range" and value < 0:
            raise ModelError(f"{file}: {name}={value!r} is not a standard deviation, 0 or more")
    pad = settings.get("pad_token_id", 1)
    if settings["model_type"] == "roberta" and not isinstance(pad, int):
        raise ModelError(
            f"{file}: pad_token_id={pad!r} is not an id, from which RoBERTa counts positions; add "
            "the one of the tokenizer"
        )


def _raise_if_unsupported(file: Path, settings: Mapping[str, Any]) -> None:
    """Refuse settings, code and adapters that no model here takes into account."""
    for name, value in FIXED.items():
        if settings.get(name) and settings[name] != value:
            raise ModelError(
                f"{file}: {name}={settings[name]!r} is not supported, because the model would be "
                f"trained as if it were {value!r}; use another model"
            )
    code = settings.get("auto_map")
    if isinstance(code, dict) and any(name.startswith("AutoModel") for name in code):
        raise ModelError(
            f"{file}: auto_map says that the model has code of its own, which is not run; use a "
            "model of the transformers library"
        )
    adapter = file.with_name("adapter_config.json")
    if adapter.is_file():
        raise ModelError(
            f"{adapter}: adapters are not loaded; merge the adapter into the weights first "
            "(PeftModel.merge_and_unload)"
        )


def raise_if_too_long(folder: Path, settings: Mapping[str, Any], max_length: int) -> None:
    """Refuse rows with more tokens than the model has positions.

    Raises:
        ModelError: If `max_length` is larger than the number of positions.
    """
    positions = max_positions(settings)
    if positions is not None and max_length > positions:
        raise ModelError(
            f"data.max_length={max_length}: {folder / 'config.json'} has {positions} positions; "
            f"set data.max_length to at most {positions}"
        )


def max_positions(settings: Mapping[str, Any]) -> int | None:
    """Return the largest number of tokens of a row; None if positions are relative or unknown.

    Args:
        settings: Content of `config.json`.
    """
    count = settings.get("max_position_embeddings")
    if not isinstance(count, int):
        return None
    if settings["model_type"] == "roberta":  # its positions start after the one of padding
        count -= settings.get("pad_token_id", 1) + 1
    return count if count > 0 else None


def _check_tokenizer_files(folder: Path, settings: Mapping[str, Any]) -> None:
    """Check every file of the tokenizer, and that the embeddings have a row for each token."""
    for file in tokenizer_files(folder):
        if file.suffix == ".json":
            load_json(file)
        elif file.suffix == ".txt":
            load_text(file)
        else:
            raise_if_not_content(file)
    whole = folder / "tokenizer.json"
    if whole.is_file():
        raise_if_too_many_tokens(whole, _load_vocabulary(whole), settings.get("vocab_size"))


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files of the tokenizer in a model folder.

    Raises:
        ModelError: If there are none.
    """
    files = sorted({file for pattern in TOKENIZER for file in folder.glob(pattern)})
    if not files:
        raise ModelError(f"{folder}: no tokenizer; expected tokenizer.json or vocab.txt")
    return files


def raise_if_too_many_tokens(source: object, ids: Mapping[str, int], vocab_size: object) -> None:
    """Refuse tokens without a row in the embeddings.

    Args:
        source: The tokenizer in messages.
        ids: Its vocabulary: token to id.
        vocab_size: Rows of the embeddings, V, in `config.json`.

    Raises:
        ModelError: If the vocabulary is empty, or an id is V or more.
    """
    if not ids:
        raise ModelError(f"{source}: the vocabulary is empty; copy or download the file again")
    last = max(ids, key=lambda token: ids[token])
    if isinstance(vocab_size, int) and ids[last] >= vocab_size:
        raise ModelError(
            f"{source}: token {last!r} has id {ids[last]}, but config.json has vocab_size="
            f"{vocab_size}; use the tokenizer of this model"
        )


def _load_vocabulary(file: Path) -> dict[str, int]:
    """Return the vocabulary in `tokenizer.json`."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
        return dict(tokenizer.get_vocab(with_added_tokens=True))
    except BaseException as error:  # the library panics with a BaseException of its own
        if not is_of_content(error):
            raise
        raise ModelError(
            f"{file}: not a tokenizer ({describe_error(error)}); {describe_replacement(file)}"
        ) from None
