"""Tokenized rows on disk: written once, then read by any number of processes."""

import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from errno import EMFILE, ENFILE, ENOMEM
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from stablebert.drafts import draft_folder, remove_leftovers
from stablebert.errors import machine_fault
from stablebert.filesystem import naming_file
from stablebert.glue.rows import DataError
from stablebert.glue.sources import Source
from stablebert.hub.integrity import compute_sha256, sha256
from stablebert.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    import datasets

log = logging.getLogger(__name__)

FORMAT = 2
"""Version of the files in the cache; raised when they change."""
CHECKSUM = "checksum"
"""Name of the file with a digest of all others."""
TRIES = 3
"""Attempts to read a cache that other processes may be replacing at the same time."""

TOKENIZER_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"),
)


@dataclass(frozen=True)
class TokenArrays:
    """A tokenized split of N rows as flat arrays.

    Attributes:
        input_ids: Token ids of all rows, one row after the other, `(T,)`.
        token_type_ids: Segments of the same tokens, `(T,)`.
        offsets: Position of each row's first token, and the end, `(N + 1,)`.
        labels: `(N,)`.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray


class Padding(TypedDict):
    """Properties of the tokenizer that padding needs, and the number of rows of each split.

    Attributes:
        input_ids: Id of the padding token.
        token_type_ids: Segment of the padding token.
        side: `left` or `right`.
        rows: Number of rows of each split.
    """

    input_ids: int
    token_type_ids: int
    side: str
    rows: dict[str, int]


@dataclass(frozen=True)
class TokenCache:
    """The tokenized rows of a source.

    Attributes:
        root: Folder of all caches.
        source: The rows.
        tokenizer: Folder of the tokenizer.
        max_length: Longest row in tokens, including special tokens.
    """

    root: Path
    source: Source
    tokenizer: Path
    max_length: int

    @property
    def folder(self) -> Path:
        """Folder of this cache, named after everything that determines its content."""
        names = [*TOKENIZER_FILES, *sorted(f.name for f in self.tokenizer.glob("*.model"))]
        files = [self.tokenizer / name for name in names]
        digests = [(file.name, sha256(file)) for file in files if file.is_file()]
        versions = [importlib.metadata.version(name) for name in ("transformers", "tokenizers")]
        config = self.source.task.config
        key = [FORMAT, config, self.source.identity, self.max_length, digests, versions]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return self.root / f"{config}-{digest[:16]}"

    def build(self) -> None:
        """Check and tokenize every row, unless a process has done so before.

        Raises:
            DataError: If rows are malformed; nothing is cached then.
            ModelError: If the tokenizer cannot be loaded or does not fit the model.
        """
        final = self.folder
        self.root.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.root)
        if final.is_dir():
            return
        try:
            with draft_folder(final) as drafts:
                draft = drafts / "new"
                draft.mkdir()
                with naming_file(self.root):
                    self._tokenize(draft)
                    (draft / CHECKSUM).write_text(_checksum(draft), encoding="utf-8")
                draft.rename(final)
        except OSError:
            if not final.is_dir():  # else another process was first, with the same content
                raise

    def load(self) -> tuple[dict[str, TokenArrays], Padding]:
        """Return the splits of the task, and how to pad their rows.

        A damaged cache is tokenized again, with a warning.

        Raises:
            DataError: If rows are malformed, or the cache is damaged and cannot be replaced.
        """
        for _ in range(TRIES):
            self.build()
            try:
                return _read(self.folder)
            except (OSError, ValueError) as error:
                if machine_fault(error) in (EMFILE, ENFILE, ENOMEM):  # nothing about the cache
                    raise
                log.warning("%s is damaged, tokenizing again: %s", self.folder, error)
                self._discard()
        raise DataError(f"{self.folder}: damaged again after it was written; is the disk failing?")

    def _discard(self) -> None:
        """Remove the folder, out of the sight of other processes."""
        try:
            with draft_folder(self.folder) as drafts:
                self.folder.rename(drafts / "damaged")
        except FileNotFoundError:  # another process was first
            pass
        except OSError as error:
            raise DataError(f"{self.folder}: damaged; delete the folder: {error}") from error

    def _tokenize(self, folder: Path) -> None:
        """Write the splits of the task as Arrow datasets, and `padding.json`."""
        import datasets

        tokenizer = load_tokenizer(self.tokenizer)
        task = self.source.task
        # Most tasks take a second, and many workers share one screen.
        datasets.disable_progress_bars()
        log.info("tokenizing %s into %s", task.config, self.root)
        # All are read before any is tokenized: a malformed dev row is reported in seconds.
        tables = {split: self.source.read(split) for split in task.source_splits}
        for split, table in tables.items():
            datasets.Dataset(table).map(
                _encoder(tokenizer, task.columns, self.max_length),
                batched=True,
                remove_columns=list(task.columns),
                features=_features(regression=task.regression),
                # `datasets` would otherwise pickle the tokenizer to compute one
                new_fingerprint=f"{task.config}-{split}",
            ).save_to_disk(folder / split)
        padding: Padding = {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "side": tokenizer.padding_side,
            "rows": {split: len(table) for split, table in tables.items()},
        }
        (folder / "padding.json").write_text(json.dumps(padding), encoding="utf-8")


def _encoder(
    tokenizer: Any, columns: tuple[str, ...], max_length: int
) -> Callable[[dict[str, list[str]]], dict[str, list[list[int]]]]:
    """Return a function that tokenizes a batch of rows for `datasets.Dataset.map`."""

    def encode(rows: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        texts = [rows[column] for column in columns]
        encoding = tokenizer(*texts, truncation=True, max_length=max_length)
        ids = encoding["input_ids"]
        types = encoding.get("token_type_ids") or [[0] * len(row) for row in ids]
        return {"input_ids": ids, "token_type_ids": types}

    return encode


def _features(*, regression: bool) -> "datasets.Features":
    """Return the columns of a tokenized split."""
    import datasets

    return datasets.Features(
        input_ids=datasets.List(datasets.Value("int32")),
        token_type_ids=datasets.List(datasets.Value("int8")),
        label=datasets.Value("float32" if regression else "int64"),
    )


def _checksum(folder: Path) -> str:
    """Return a digest of the names and bytes of the files of a cache."""
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("[!.]*")):
        if file.is_file() and file.name != CHECKSUM:
            whole.update(f"{file.relative_to(folder)} {compute_sha256(file)}\n".encode())
    return whole.hexdigest()


def _read(folder: Path) -> tuple[dict[str, TokenArrays], Padding]:
    """Return what a cache holds, after verifying its checksum.

    Raises:
        ValueError: If the content has changed since it was written.
        OSError: If a file is missing or cannot be read.
    """
    if (folder / CHECKSUM).read_text(encoding="utf-8") != _checksum(folder):
        raise ValueError("its content does not match its checksum")
    padding: Padding = json.loads((folder / "padding.json").read_text(encoding="utf-8"))
    return {split: _load_arrays(folder / split) for split in padding["rows"]}, padding


def _load_arrays(folder: Path) -> TokenArrays:
    """Return a tokenized split without building Python lists.

    Reads the files of `Dataset.save_to_disk` with neither `datasets` nor pyarrow's `to_numpy`: both
    import pandas, and every worker would pay for it.
    """
    import pyarrow as pa

    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    files = [folder / entry["filename"] for entry in state["_data_files"]]
    table = pa.concat_tables(pa.ipc.open_stream(pa.memory_map(str(f))).read_all() for f in files)
    lists = [table.column(name).combine_chunks() for name in ("input_ids", "token_type_ids")]
    input_ids, token_type_ids = (np.from_dlpack(array.flatten()) for array in lists)
    offsets = np.from_dlpack(lists[0].offsets)
    labels = np.from_dlpack(table.column("label").combine_chunks())
    return TokenArrays(input_ids, token_type_ids, offsets - offsets[0], labels)
