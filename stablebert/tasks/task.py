"""The facts about a task."""

from dataclasses import dataclass

from stablebert.tasks.metrics import Metric


@dataclass(frozen=True)
class OwnData:
    """The part of a user's task that GLUE's tasks do not have.

    Attributes:
        source: Default of `data.source`: a folder or the id of a dataset on the hub.
        files: File, pattern of files or name of a split, for each of `train`, `dev` and `test`.
        longer_steps: Optimizer steps of `length=longer`, if the entry has them.
    """

    source: str
    files: tuple[tuple[str, str], ...]
    longer_steps: int | None = None


@dataclass(frozen=True)
class Task:
    """A task, full or in its few-sample version (1,000 rows in the paper).

    Attributes:
        name: The name that the user types: `rte`, `rte_1k`.
        config: The GLUE configuration that holds the data, or the name of a user's task: `rte` for
            both.
        title: The name in tables.
        columns: Text columns, one or two, in the order in which the model reads them.
        labels: Label names in label order; empty for a regression (STS-B).
        metrics: Every metric that is logged, the reported one first.
        holds_out: Validate on `held_out` training rows and test on the whole dev set (the large
            tasks); otherwise the dev set is halved, unless there is a `test_split`.
        few_sample: Train on `samples` rows.
        dev_split: The source's name of the dev set.
        test_split: The source's name of a test set; None if it has none.
        score_range: Lowest and highest label of a regression.
        label_column: Label column.
        held_out: Training rows that `holds_out` validates on.
        samples: Training rows of the few-sample version.
        own: Data of a user's task; None for GLUE's.
    """

    name: str
    config: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]
    holds_out: bool = False
    few_sample: bool = False
    dev_split: str = "validation"
    test_split: str | None = None
    score_range: tuple[int, int] = (0, 5)
    label_column: str = "label"
    held_out: int = 1000
    samples: int = 1000
    own: OwnData | None = None

    @property
    def metric(self) -> Metric:
        """The reported metric."""
        return self.metrics[0]

    @property
    def regression(self) -> bool:
        """True if the label is a number (STS-B: 0 to 5), not a class."""
        return not self.labels

    @property
    def num_labels(self) -> int:
        """Number of outputs of the classifier: the number of classes, 1 for a regression."""
        return len(self.labels) or 1

    def place(self, source: str) -> str:
        """Return what `data.source` means: for a user's task, `hub` is the source of its entry."""
        return self.own.source if self.own and source == "hub" else source

    @property
    def source_splits(self) -> tuple[str, ...]:
        """Splits to read from the source: `train`, the dev set and the test set, if there is one.

        GLUE's published test sets have no labels and are not read.
        """
        return ("train", self.dev_split, *([self.test_split] if self.test_split else []))
