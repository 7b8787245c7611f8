"""Records by scale and model, and the runs that their contents identify; nothing is located.

A report on whatever has been run needs neither data nor models: the records name the contents that
they used, and a `config_id` that fits them is that of a run on these contents.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from stablebert.config.compose import compose
from stablebert.config.files import load_conf
from stablebert.config.identity import prerequisite
from stablebert.config.schema import RunConfig
from stablebert.errors import ConfigError
from stablebert.runs.identities import ContentError
from stablebert.runs.locate import identify
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run
from stablebert.tasks import DEMO, TASKS
from stablebert.text import count_of


@dataclass(frozen=True)
class ModelRecords:
    """All records of one scale and one model."""

    scale: str
    identity: str
    """Identity of the model's content."""
    records: Sequence[RunRecord]
    is_largest: bool = True
    """True for the model with most records of the scale."""

    @cached_property
    def overrides(self) -> tuple[str, ...]:
        """The override whose settings fit most of the records; empty if the scale's own do.

        A model in a folder has the settings of an entry of `conf/models.yaml`, or none of its own,
        but a record does not say which: only with the right ones do configurations get the
        `config_id` of the records.
        """
        names = dict.fromkeys([*self.addresses, *load_conf("models")])
        candidates = [(), *((f"model.name={name}",) for name in names), _NO_RECIPE]
        return max(candidates, key=self._count_matches)

    @cached_property
    def addresses(self) -> list[str]:
        """Names of the model on the hub, empty for one in a folder."""
        addresses = {record.model_address for record in self.records}
        return sorted({address.partition("@")[0] for address in addresses if address})

    def _count_matches(self, overrides: Sequence[str]) -> int:
        """Return the number of records that plain configurations with these overrides match."""
        counts = Counter(record.config_id for record in self.records)
        kinds = Counter((r.task, r.method, r.length) for r in self.records)
        ids = set()
        for (task, method, length), _ in kinds.most_common(_KINDS):
            values = (f"task={task}", f"method={method}", f"length={length}")
            try:
                ids.add(self.run(compose([f"scale={self.scale}", *values, *overrides])).config_id)
            except (ConfigError, ContentError):
                continue  # another model's settings may contradict the scale's
        return sum(counts[identifier] for identifier in ids)

    @property
    def model(self) -> str:
        """Name of the model; of one in a folder, its content and the name that has its settings."""
        if self.identity.startswith(f"{DEMO} ") and self.is_largest:
            return DEMO
        return self.addresses[0] if self.addresses else f"{self.digits}, like {self._recipe}"

    @property
    def _recipe(self) -> str:
        """Name of the model whose settings it has."""
        if self.overrides == _NO_RECIPE:
            return "none"
        return compose([f"scale={self.scale}", *self.overrides]).model.name

    @property
    def name(self) -> str:
        """Name for files, which no other group has: scale, model, and digits of its content."""
        if self.model == self.scale:
            return self.scale
        full_name = self.addresses[0] if self.addresses else self._recipe
        short_name = re.sub(r"[^A-Za-z0-9.-]+", "-", full_name.rpartition("/")[2])
        return f"{self.scale}-{short_name}-{self.digits}"

    @property
    def digits(self) -> str:
        """First digits of the content's identity."""
        return self.identity.rpartition("sha256:")[2].rpartition("@")[2][:12]

    @cached_property
    def data(self) -> dict[str, str]:
        """Identity of the data by task (its full version): that of most records."""
        return {task: counts.most_common(1)[0][0] for task, counts in self._data_counts.items()}

    @cached_property
    def _data_counts(self) -> dict[str, Counter[str]]:
        counts: dict[str, Counter[str]] = {}
        for record in self.records:
            if record.task in TASKS:
                task = TASKS[record.task].config
                counts.setdefault(task, Counter())[record.data] += 1
        return counts

    @property
    def notes(self) -> list[str]:
        """One line per task whose records used several data sets."""
        lines = []
        for task, counts in self._data_counts.items():
            if others := counts.total() - counts[self.data[task]]:
                runs = count_of(others, "run")
                lines.append(
                    f"{self.scale} {task}: {runs} on different data than most, not counted"
                )
        return lines

    def run(self, cfg: RunConfig) -> Run:
        """Identify the run of a configuration on the contents of the records.

        Raises:
            ContentError: If no record used data of its task.
        """
        task = TASKS[cfg.task].config
        if task not in self.data:
            raise ContentError(f"no record of {self.scale} {cfg.task} names its data")
        intermediate = prerequisite(cfg)
        start = self._start(intermediate) if intermediate else None
        return identify(cfg, data=self.data[task], model=self.identity, start=start)

    def _start(self, cfg: RunConfig) -> Run:
        """Identify the run that others start from, by its data or by the records of the others."""
        ids = {
            r.start["config_id"] for r in self.records if r.start and r.start["task"] == cfg.task
        }
        if len(ids) != 1:
            return self.run(cfg)
        return Run(cfg, str(ids.pop()), identify(cfg, data="", model="", start=None).folder)


_NO_RECIPE = ("model.like=none",)
_KINDS = 5
"""Number of kinds of runs, the most frequent first, on which settings are tried."""


def group_by_model(records: Iterable[RunRecord]) -> list[ModelRecords]:
    """Return the records of each scale and model; those with most records of a scale first."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        groups.setdefault((record.scale, record.model), []).append(record)
    ranking = sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1])))
    first = {scale: model for (scale, model), _ in reversed(ranking)}
    return [
        ModelRecords(scale, model, own, is_largest=first[scale] == model)
        for (scale, model), own in ranking
    ]
