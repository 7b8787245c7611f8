"""A LightningDataModule for each GLUE task.

The behavior is implemented once, in `GlueDataModule`; tasks differ by the facts in
their entries in `conf/glue.yaml` or in a tasks file of the user's.
"""

from collections.abc import Callable, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from stablebert.glue.batches import Example, Examples, Permutations, pad
from stablebert.glue.sources import Source
from stablebert.glue.splits import Split, fingerprint, split_rows
from stablebert.glue.token_cache import Padding, TokenCache
from stablebert.packed.batch import PackedBatch, pack_rows
from stablebert.packed.capture import BatchShape
from stablebert.tasks import TASKS


class GlueDataModule(L.LightningDataModule):
    """Batches of one GLUE task; use a named subclass or `data_module`.

    A batch is a `PackedBatch`, or padded to its longest row: `input_ids`, `attention_mask`,
    `token_type_ids`, each `(B, S)` int64, and `labels` `(B,)`, int64 or, for a regression, float32.
    Validation and test rows are sorted by length, longest first.

    The order of training rows depends on `seed` alone: each loader draws from its own generator, so
    that validating more often changes nothing, and the global generator is never used.

    Args:
        source: The rows, from `stablebert.glue.sources.resolve`.
        tokenizer: Folder of the tokenizer.
        cache: Folder of tokenized data; shared by any number of processes.
        max_length: Longest row in tokens, including special tokens.
        batch_size: Training rows per batch.
        eval_batch_size: Validation and test rows per batch.
        seed: Seed of the order of training rows.
        few_sample: Train on the rows of the few-sample version: `samples` of the task.
        packed: Yield batches without padding.
        pin_memory: Put batches into pinned memory, for training on a GPU.

    Raises:
        ValueError: If the source is of another task.

    Example:
        >>> from stablebert.glue.sources import resolve
        >>> from stablebert.tasks import TASKS
        >>> data = RTEDataModule(
        ...     source=resolve("demo", TASKS["rte"]), tokenizer=Path("bert"), cache=Path("cache")
        ... )
        >>> data.batch_size
        32
    """

    config: str
    """The task's configuration in GLUE; set by each subclass."""

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
        pin_memory: bool = False,
    ):
        super().__init__()
        if source.task.config != self.config:
            raise ValueError(f"source holds {source.task.config!r}, but {self.config!r} is needed")
        self.task = TASKS[self.config + ("_1k" if few_sample else "")]
        self.source = source
        self.cache = TokenCache(Path(cache), source, Path(tokenizer), max_length)
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.seed = seed
        self.packed = packed
        self.pin_memory = pin_memory
        self.parts: dict[str, Split] = {}
        self.sets: dict[str, Examples] = {}
        self.padding: Padding
        self._order: Permutations | None = None
        self._position: dict[str, Any] = {}

    def prepare_data(self) -> None:
        """Check and tokenize every row, unless a process has done so before.

        Raises:
            DataError: If rows are malformed; nothing is cached then.
        """
        self.cache.build()

    def setup(self, stage: str | None = None) -> None:
        """Load and split the tokenized rows; Lightning calls this for every stage.

        Raises:
            DataError: If there are too few rows for the split, or the cache is damaged.
        """
        if self.sets:
            return
        self.prepare_data()
        arrays, self.padding = self.cache.load()
        train, dev = arrays["train"], arrays[self.task.dev_split]
        test = arrays[self.task.test_split].labels if self.task.test_split else None
        self.parts = split_rows(
            self.task, train.labels, dev.labels, self.source.held_out, test_labels=test
        )
        self.sets = {
            name: Examples(arrays[part.source], part.rows) for name, part in self.parts.items()
        }
        for name in ("val", "test"):
            self.sets[name].sort_by_length()

    @property
    def splits(self) -> dict[str, dict[str, int | str]]:
        """Size, source and fingerprint of `train`, `val` and `test`, for the record of a run."""
        self.setup()
        return {
            name: {
                "rows": len(part.rows),
                "source": part.source,
                "fingerprint": fingerprint(part.rows),
            }
            for name, part in self.parts.items()
        }

    def labels(self, name: str) -> np.ndarray:
        """Return the labels of `train`, `val` or `test` in reading order, `(N,)`."""
        return self._set(name).labels()

    def vocabulary(self) -> np.ndarray:
        """Return the token ids that occur in training rows, ascending, int64."""
        return self._set("train").vocabulary()

    def padding_efficiency(self) -> float:
        """Return the share of real tokens in the padded training batches of the first epoch."""
        batches = self._batch_lengths()
        rows = [len(batch) * batch.max() for batch in batches]
        return float(sum(batch.sum() for batch in batches) / sum(rows))

    def captured_shape(self) -> BatchShape:
        """Return the shape that fits every complete batch of the first epoch, and most later ones.

        It depends on `seed`, which determines the batches.
        """
        return BatchShape.of(self._batch_lengths(), longest=self._set("train").lengths().max())

    def _batch_lengths(self) -> list[np.ndarray]:
        """Return the lengths of the rows of each batch of the first epoch."""
        lengths = self._set("train").lengths()
        order = Permutations(len(lengths), self.seed)
        return list(self._loader(lengths, order=order, collate=np.array))

    def train_dataloader(self) -> DataLoader[Any]:
        """Return training batches, in an order that `seed` alone determines."""
        rows = self._set("train")
        self._order = Permutations(len(rows), self.seed)
        if self._position:
            self._order.load_state_dict(self._position)
            self._position = {}
        return self._loader(rows, order=self._order)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the order of training rows, for a checkpoint."""
        return {"order": self._order.state_dict()} if self._order else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let a fit that resumes from a checkpoint continue at its position."""
        if self.trainer is None or self.trainer.training:  # not a test of its weights
            self._position = state_dict["order"]

    def val_dataloader(self) -> DataLoader[Any]:
        """Return validation batches, always in the same order: longest rows first."""
        return self.rows_dataloader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return test batches, always in the same order: longest rows first."""
        return self.rows_dataloader("test")

    def rows_dataloader(self, name: str) -> DataLoader[Any]:
        """Return batches of `train`, `val` or `test` without shuffling."""
        return self._loader(self._set(name))

    def sample_dataloader(self, name: str, rows: int) -> DataLoader[Any]:
        """Return batches of a sample of `val` or `test`, padded whether `packed` or not.

        Every seed has the same sample: all rows, or `rows` of them at equal distances in the split,
        which lists one label value after the other, so that each has its share.
        """
        arrays, order = self._set(name).arrays, self.parts[name].rows
        count = min(rows, len(order))
        sample = Examples(arrays, order[np.arange(count) * len(order) // count])
        sample.sort_by_length()
        return self._loader(sample, collate=partial(pad, padding=self.padding))

    def collate(self, examples: Sequence[Example]) -> PackedBatch | dict[str, Tensor]:
        """Pack examples, or pad them to the longest, on the tokenizer's side."""
        if not self.packed:
            return pad(examples, self.padding)
        return pack_rows(
            [example["input_ids"] for example in examples],
            [example["token_type_ids"] for example in examples],
            np.array([example["labels"] for example in examples]),
        )

    def _set(self, name: str) -> Examples:
        self.setup()
        return self.sets[name]

    def _loader(
        self,
        rows: Sized,
        *,
        order: Permutations | None = None,
        collate: Callable[..., Any] | None = None,
    ) -> DataLoader[Any]:
        return DataLoader(
            rows,  # type: ignore[arg-type]  # a sequence will do; torch's stub wants a Dataset
            batch_size=self.batch_size if order else self.eval_batch_size,
            sampler=order,
            collate_fn=collate or self.collate,
            # without one, even an unshuffled loader draws from the global generator
            generator=torch.Generator(),
            pin_memory=self.pin_memory and collate is None,
        )


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
    """Question-answering NLI: does the sentence answer the question?"""

    config = "qnli"


class QQPDataModule(GlueDataModule):
    """Quora Question Pairs."""

    config = "qqp"


class MNLIDataModule(GlueDataModule):
    """Multi-Genre NLI, tested on the matched dev set."""

    config = "mnli"


DATA_MODULES: dict[str, type[GlueDataModule]] = {
    module.config: module
    for module in (
        *(RTEDataModule, MRPCDataModule, STSBDataModule, CoLADataModule),
        *(SST2DataModule, QNLIDataModule, QQPDataModule, MNLIDataModule),
    )
}
"""The named classes by `config`; `data_module` derives a class for any other task."""


def data_module(name: str) -> Callable[..., GlueDataModule]:
    """Return the data module of a task.

    Args:
        name: The task as the user types it: `rte`, `rte_1k`.

    Returns:
        A class with the arguments of `GlueDataModule`, except `few_sample`, which `name` sets.

    Raises:
        ValueError: If there is no such task.
    """
    task = TASKS[name]
    config = task.config
    module = DATA_MODULES.get(config)
    if module is None:
        module = type(f"{config.upper()}DataModule", (GlueDataModule,), {"config": config})
    return partial(module, few_sample=task.few_sample)
