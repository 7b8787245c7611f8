"""A LightningDataModule for each GLUE task: tokenised once, split and ordered the same way always.

The behaviour is written once, in `GlueDataModule`; the tasks differ by the facts in `tasks.py`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from stablebert.glue import splits
from stablebert.glue.sources import DataError, Source
from stablebert.packed.batch import PackedBatch, pack_rows
from stablebert.seeds import stream_generator
from stablebert.tasks import TASKS

log = logging.getLogger(__name__)

FORMAT = 1  # raised when what the cache holds changes

TOKENIZER_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"),
)


class Examples(Dataset):
    """Rows of a tokenised split, cut from flat arrays.

    Args:
        tokens: `input_ids` and `token_type_ids` of all rows one after another, `(total,)`.
        offsets: Where each row begins, and the end, `(N + 1,)`.
        labels: `(N,)`.
        rows: The rows that belong to this set, in their order.
    """

    def __init__(
        self, *, tokens: dict[str, np.ndarray], offsets: np.ndarray, labels: np.ndarray, rows
    ):
        self.tokens, self.offsets, self.labels, self.rows = tokens, offsets, labels, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        row = self.rows[index]
        part = slice(self.offsets[row], self.offsets[row + 1])
        return {name: flat[part] for name, flat in self.tokens.items()} | {
            "labels": self.labels[row]
        }

    def lengths(self) -> np.ndarray:
        """Tokens of each row, special tokens included, `(len(self),)`."""
        return np.diff(self.offsets)[self.rows]


class Permutations(Sampler):
    """A new permutation of `n` rows for every epoch, decided by `seed` alone.

    torch's RandomSampler draws once more when it is read to its end, and whether it is depends on
    the batch size: 32 rows and 2 x 16 would part ways in the second epoch.
    """

    def __init__(self, n: int, seed: int):
        self.n = n
        self.generator = stream_generator(seed, "order")

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.n, generator=self.generator).tolist()


class GlueDataModule(L.LightningDataModule):
    """Batches of one GLUE task; use a named subclass or `data_module`.

    A batch is a `PackedBatch`, or padded to its longest row: `input_ids`, `attention_mask`,
    `token_type_ids`, each `(B, T)` int64, and `labels` `(B,)`, int64 or, for STS-B, float32.
    Validation and test rows come in the order of their length, longest first.

    The order of training rows depends on `seed` alone: each loader draws from a generator of its
    own, so validating more often changes nothing and the global generator is never touched.

    Args:
        source: The files, from `sources.resolve`.
        tokenizer: Folder of the tokenizer.
        cache: Folder of tokenised data; shared by any number of processes.
        max_length: Longest row in tokens, special tokens included.
        batch_size: Training rows per batch.
        eval_batch_size: Validation and test rows per batch.
        seed: Seed of the order of training rows.
        few_sample: Train on 1,000 rows.
        packed: Batches without padding.

    Raises:
        ValueError: The source is of another task.
    """

    config: str

    def __init__(
        self,
        *,
        source: Source,
        tokenizer: Path,
        cache: Path,
        max_length: int = 128,
        batch_size: int = 32,
        eval_batch_size: int = 64,
        seed: int = 0,
        few_sample: bool = False,
        packed: bool = False,
    ):
        super().__init__()
        if source.task.config != self.config:
            raise ValueError(f"source holds {source.task.config!r}, {self.config!r} is needed")
        self.task = TASKS[self.config + ("_1k" if few_sample else "")]
        self.source, self.tokenizer, self.cache = source, Path(tokenizer), Path(cache)
        self.max_length, self.seed = max_length, seed
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.packed = packed
        self.sets: dict[str, Examples] = {}

    @property
    def tokenized(self) -> Path:
        """Folder of this data, tokenised; its name follows from everything that shapes it."""
        names = [*TOKENIZER_FILES, *sorted(f.name for f in self.tokenizer.glob("*.model"))]
        files = [self.tokenizer / name for name in names]
        digests = [
            (file.name, hashlib.sha256(file.read_bytes()).hexdigest())
            for file in files
            if file.is_file()
        ]
        versions = [importlib.metadata.version(name) for name in ("transformers", "tokenizers")]
        key = [FORMAT, self.config, self.source.identity, self.max_length, digests, versions]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return self.cache / f"{self.config}-{digest[:16]}"

    def prepare_data(self) -> None:
        """Checks and tokenises every row, unless a process has done so before.

        Raises:
            DataError: Rows are malformed; nothing is cached then.
        """
        final = self.tokenized
        if final.is_dir():
            return
        self.cache.mkdir(parents=True, exist_ok=True)
        # A process that is killed leaves only a folder that nobody looks at.
        draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=self.cache))
        try:
            self._tokenize(draft)
            draft.chmod(0o755)  # mkdtemp's folder is for its owner alone
            draft.rename(final)
        except OSError:
            if not final.is_dir():  # another process was first: its data are the same
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _tokenize(self, folder: Path) -> None:
        """Writes `train` and `dev` as Arrow datasets, and what padding needs to know."""
        import datasets
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.tokenizer, local_files_only=True)
        if tokenizer.pad_token_id is None:
            raise ValueError(f"model.name={str(self.tokenizer)!r}: the tokenizer has no pad token")
        datasets.disable_progress_bars()  # a second for most tasks, and many workers on one screen
        log.info("tokenizing %s into %s", self.config, self.cache)
        label = datasets.Value("float32" if self.task.regression else "int64")
        features = datasets.Features(
            input_ids=datasets.List(datasets.Value("int32")),
            token_type_ids=datasets.List(datasets.Value("int8")),
            label=label,
        )

        def encode(rows: dict[str, list]) -> dict[str, list]:
            texts = [rows[column] for column in self.task.columns]
            encoded = tokenizer(*texts, truncation=True, max_length=self.max_length)
            ids = encoded["input_ids"]
            types = encoded.get("token_type_ids") or [[0] * len(row) for row in ids]
            return {"input_ids": ids, "token_type_ids": types}

        # Both are read before either is tokenised: a malformed dev row is told in seconds.
        tables = {part: self.source.read(part) for part in ("train", self.task.dev_split)}
        for part, table in tables.items():
            datasets.Dataset(table).map(
                encode,
                batched=True,
                remove_columns=list(self.task.columns),
                features=features,
                new_fingerprint=f"{self.config}-{part}",  # or `datasets` pickles the tokenizer
            ).save_to_disk(folder / part)
        padding = {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "side": tokenizer.padding_side,
            "rows": {part: len(table) for part, table in tables.items()},
        }
        (folder / "padding.json").write_text(json.dumps(padding), encoding="utf-8")

    def setup(self, stage: str | None = None) -> None:
        """Loads the tokenised rows and splits them; Lightning calls it for every stage.

        Raises:
            DataError: There are too few rows for the split, or the cache is damaged.
        """
        if self.sets:
            return
        self.prepare_data()
        folder = self.tokenized
        try:
            self.padding = json.loads((folder / "padding.json").read_text(encoding="utf-8"))
            arrays = {part: _load(folder / part) for part in self.padding["rows"]}
        except (OSError, ValueError) as e:
            raise DataError(f"{folder}: damaged, delete the folder to tokenise again: {e}") from e
        labels = [part["labels"] for part in arrays.values()]
        self.parts = splits.split_rows(self.task, *labels, self.source.held_out)
        self.sets = {n: Examples(**arrays[p.source], rows=p.rows) for n, p in self.parts.items()}
        for name in ("val", "test"):  # like lengths side by side: hardly any padding
            rows = self.sets[name].rows
            self.sets[name].rows = rows[np.argsort(-self.sets[name].lengths(), kind="stable")]

    @property
    def splits(self) -> dict[str, dict[str, int | str]]:
        """Size, source and fingerprint of `train`, `val` and `test`, for the record of a run."""
        self.setup()
        return {
            name: {
                "rows": len(part.rows),
                "source": part.source,
                "fingerprint": splits.fingerprint(part.rows),
            }
            for name, part in self.parts.items()
        }

    def labels(self, name: str) -> np.ndarray:
        """Labels of `train`, `val` or `test` in the order in which its rows are read, `(N,)`."""
        return self._set(name).labels[self._set(name).rows]

    def train_dataloader(self) -> DataLoader:
        """Training batches, in an order that `seed` alone decides."""
        return self._loader(self._set("train"), shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Validation batches, always in the same order: longest rows first."""
        return self.rows_dataloader("val")

    def test_dataloader(self) -> DataLoader:
        """Test batches, always in the same order: longest rows first."""
        return self.rows_dataloader("test")

    def rows_dataloader(self, name: str) -> DataLoader:
        """The rows of `train`, `val` or `test`, each once, in their own order."""
        return self._loader(self._set(name))

    def padding_efficiency(self) -> float:
        """Share of real tokens in the padded training batches of the first epoch."""
        lengths = self._set("train").lengths()
        batches = list(self._loader(lengths, shuffle=True, collate=np.array))
        return float(lengths.sum() / sum(len(batch) * batch.max() for batch in batches))

    def vocabulary(self) -> np.ndarray:
        """Token ids that occur in training rows, rising, int64."""
        train = self._set("train")
        held = np.zeros(len(train.offsets) - 1, bool)
        held[train.rows] = True
        tokens = train.tokens["input_ids"][np.repeat(held, np.diff(train.offsets))]
        return np.unique(tokens).astype(np.int64)

    def _set(self, name: str) -> Examples:
        self.setup()
        return self.sets[name]

    def _loader(self, rows, *, shuffle: bool = False, collate=None) -> DataLoader:
        # Even an unshuffled loader draws a number from the global generator, unless it has its own.
        return DataLoader(
            rows,
            batch_size=self.batch_size if shuffle else self.eval_batch_size,
            sampler=Permutations(len(rows), self.seed) if shuffle else None,
            collate_fn=collate or self.collate,
            generator=torch.Generator(),
        )

    def collate(self, examples: list[dict[str, np.ndarray]]) -> PackedBatch | dict[str, Tensor]:
        """Packs examples, or pads them to the longest, on the tokenizer's side."""
        if self.packed:
            names = ("input_ids", "token_type_ids")
            texts = [[example[name] for example in examples] for name in names]
            return pack_rows(*texts, np.array([example["labels"] for example in examples]))
        lengths = [len(example["input_ids"]) for example in examples]
        shape = (len(examples), max(lengths))
        batch = {
            "input_ids": np.full(shape, self.padding["input_ids"], np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "token_type_ids": np.full(shape, self.padding["token_type_ids"], np.int64),
            "labels": np.array([example["labels"] for example in examples]),
        }
        for i, (example, n) in enumerate(zip(examples, lengths, strict=True)):
            real = slice(shape[1] - n, None) if self.padding["side"] == "left" else slice(n)
            batch["input_ids"][i, real] = example["input_ids"]
            batch["token_type_ids"][i, real] = example["token_type_ids"]
            batch["attention_mask"][i, real] = 1
        return {name: torch.from_numpy(array) for name, array in batch.items()}


def _load(folder: Path) -> dict:
    """A tokenised split as the flat arrays of `Examples`; no Python list is built."""
    import datasets

    table = datasets.load_from_disk(str(folder)).data
    names = ("input_ids", "token_type_ids")
    lists = {name: table.column(name).combine_chunks() for name in names}
    offsets = lists["input_ids"].offsets.to_numpy()
    return {
        "tokens": {name: array.flatten().to_numpy() for name, array in lists.items()},
        "offsets": offsets - offsets[0],
        "labels": table.column("label").to_numpy(),
    }


class RTEDataModule(GlueDataModule):
    """Recognizing Textual Entailment."""

    config = "rte"


class MRPCDataModule(GlueDataModule):
    """Microsoft Research Paraphrase Corpus."""

    config = "mrpc"


class STSBDataModule(GlueDataModule):
    """Semantic Textual Similarity Benchmark, a regression on scores from 0 to 5."""

    config = "stsb"


class CoLADataModule(GlueDataModule):
    """Corpus of Linguistic Acceptability."""

    config = "cola"


class SST2DataModule(GlueDataModule):
    """Stanford Sentiment Treebank, two classes."""

    config = "sst2"


class QNLIDataModule(GlueDataModule):
    """Question-answering NLI: does the sentence hold the answer?"""

    config = "qnli"


class QQPDataModule(GlueDataModule):
    """Quora Question Pairs."""

    config = "qqp"


class MNLIDataModule(GlueDataModule):
    """Multi-Genre NLI, tested on the matched dev set."""

    config = "mnli"


DATA_MODULES: dict[str, type[GlueDataModule]] = {
    "rte": RTEDataModule,
    "mrpc": MRPCDataModule,
    "stsb": STSBDataModule,
    "cola": CoLADataModule,
    "sst2": SST2DataModule,
    "qnli": QNLIDataModule,
    "qqp": QQPDataModule,
    "mnli": MNLIDataModule,
}


def data_module(name: str) -> Callable[..., GlueDataModule]:
    """The data module of a task by the name that the user types: `rte`, `rte_1k`.

    Returns:
        A class to be called with the arguments of `GlueDataModule`, except `few_sample`.

    Raises:
        ValueError: No such task.
    """
    if name not in TASKS:
        raise ValueError(f"task={name!r}; allowed: {', '.join(TASKS)}")
    return partial(DATA_MODULES[TASKS[name].config], few_sample=TASKS[name].few_sample)
