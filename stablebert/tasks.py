"""The GLUE tasks of the paper: each fact about them, in one place.

Columns, label names and their order are those of the hub's `nyu-mll/glue`; metrics and hold-out
follow Appendix A of Zhang et al. (ICLR 2021) and the released `run_glue.py`.
"""

from dataclasses import dataclass, replace

from stablebert.errors import ActionableError

DEMO = "demo"
"""Value of `data.source` and `model.name` that selects the data and the model in this package."""

LOWEST_SCORES = {"accuracy": 0, "f1": 0, "mcc": -1, "pearson": -1, "spearman": -1}
"""The lowest possible value of each metric; the highest is 1."""


def is_generated(source: str) -> bool:
    """Return whether `data.source` is generated: `demo`, `demo:ROWS` or `demo:ROWS:SEED`."""
    return source.partition(":")[0] == DEMO


@dataclass(frozen=True)
class Task:
    """A task, full or in its 1,000-sample version.

    Attributes:
        name: The name that the user types: `rte`, `rte_1k`.
        config: The GLUE configuration that holds the data: `rte` for both.
        title: The name in tables.
        columns: Text columns, one or two, in the order in which the model reads them.
        labels: Label names in label order; empty for a regression (STS-B).
        metrics: Every metric that is logged, the reported one first; any of
            `stablebert.glue.metrics`.
        holds_out: Validate on 1,000 training rows and test on the whole dev set (the large tasks);
            otherwise the dev set is halved.
        few_sample: Train on 1,000 rows.
        dev_split: The hub's name of the dev set.
        score_range: Lowest and highest label of a regression.
    """

    name: str
    config: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    holds_out: bool = False
    few_sample: bool = False
    dev_split: str = "validation"
    score_range: tuple[int, int] = (0, 5)

    @property
    def metric(self) -> str:
        """The reported metric: `accuracy`, `f1`, `mcc`, `pearson` or `spearman`."""
        return self.metrics[0]

    @property
    def regression(self) -> bool:
        """True if the label is a number (STS-B: 0 to 5), not a class."""
        return not self.labels

    @property
    def num_labels(self) -> int:
        """Number of outputs of the classifier: the number of classes, 1 for a regression."""
        return len(self.labels) or 1


class UnknownTaskError(ActionableError, ValueError):
    """A task without a row in this module."""


class Tasks(dict[str, Task]):
    """Tasks by name; looking up an unknown name reports the known ones."""

    def __missing__(self, name: str) -> Task:
        raise UnknownTaskError(
            f"task={name!r} has no row in stablebert/tasks.py; allowed: {', '.join(self)}"
        )


_ONE, _TWO = ("sentence",), ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")

# fmt: off
_FULL = [
    #    name    config  title    text columns, label names in label order, metrics (score first)
    Task("rte",  "rte",  "RTE",   _TWO, _ENTAILMENT, ("accuracy",)),
    Task("mrpc", "mrpc", "MRPC",  _TWO, ("not_equivalent", "equivalent"), ("f1", "accuracy")),
    Task("stsb", "stsb", "STS-B", _TWO, (), ("spearman", "pearson")),
    Task("cola", "cola", "CoLA",  _ONE, ("unacceptable", "acceptable"), ("mcc", "accuracy")),
    Task("sst2", "sst2", "SST-2", _ONE, ("negative", "positive"), ("accuracy",), holds_out=True),
    Task("qnli", "qnli", "QNLI",  ("question", "sentence"), _ENTAILMENT, ("accuracy",),
         holds_out=True),
    Task("qqp",  "qqp",  "QQP",   ("question1", "question2"), ("not_duplicate", "duplicate"),
         ("accuracy", "f1"), holds_out=True),
    Task("mnli", "mnli", "MNLI",  ("premise", "hypothesis"),
         ("entailment", "neutral", "contradiction"), ("accuracy",),
         holds_out=True, dev_split="validation_matched"),
]
# fmt: on


def with_few_sample_versions(tasks: list[Task]) -> dict[str, Task]:
    """Return the tasks and their 1,000-sample versions, `rte` and `rte_1k`, by name."""
    few = [
        replace(task, name=f"{task.name}_1k", title=f"{task.title} (1k)", few_sample=True)
        for task in tasks
    ]
    return {task.name: task for task in [*tasks, *few]}


TASKS = Tasks(with_few_sample_versions(_FULL))
