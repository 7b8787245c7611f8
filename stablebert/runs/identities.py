"""Identification of runs whose data or model is not available on this machine."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from stablebert.config.identity import prerequisite
from stablebert.config.recognition import RecognitionError, check_recognition
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.hub import GLUE
from stablebert.runs.locate import full_task, identify, locate_data, locate_model
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of

Address = tuple[str, str, str | None, str]
"""Part (`data` or `model`), name, revision, and the task if the content depends on it."""
Group = tuple[str, str, str]
"""Part, scale and task of the records that used a content."""


class ContentError(ActionableError):
    """Data or model is not available, and the records do not tell which content was used."""


class AmbiguousModelError(ContentError):
    """The model is not available, and the records used several."""


class Identities:
    """Identifier of runs, with which reports and plans work without data and model.

    If data or a model cannot be located, the content that all records of the same scale and task
    used is assumed.

    Args:
        records: Finished runs.
        download: False uses no network: what is neither here nor in the hub's cache is assumed.
    """

    def __init__(self, records: Iterable[RunRecord], *, download: bool = True):
        self._download = download
        self._counts: dict[Group, Counter[str]] = {}
        self._addresses: dict[str, set[str]] = {}
        for record in records:
            for part, identity, address in (
                ("data", record.data, record.data_address),
                ("model", record.model, record.model_address),
            ):
                group = part, record.scale, record.task
                self._counts.setdefault(group, Counter())[identity] += 1
                self._addresses.setdefault(identity, set()).update([address] if address else [])
        self._cells: dict[RunConfig, Run] = {}
        self._missing: dict[Address, ActionableError] = {}
        self._assumed: dict[tuple[str, str], dict[str, None]] = {}

    @property
    def assumptions(self) -> list[str]:
        """Contents assumed from records so far, one line each."""
        return [
            f"{part} is not available; assuming the content that all records of "
            f"{', '.join(users)} used: {content}"
            for (part, content), users in self._assumed.items()
        ]

    def run(self, cfg: RunConfig) -> Run:
        """Identify the run of a configuration; all seeds of a cell are identified at once.

        Raises:
            ContentError: If data or model cannot be located, and the records do not agree on one
                content.
            RecognitionError: If the configuration lacks the settings of its model.
        """
        cell = replace(cfg, seed=0, seed_init=None, seed_data=None)
        if cell not in self._cells:
            self._cells[cell] = self._identify(cell)
        run = self._cells[cell]
        return replace(run, cfg=cfg, folder=run.folder.with_name(Seeds.of(cfg).folder))

    def _identify(self, cfg: RunConfig) -> Run:
        task, data, model = full_task(cfg), cfg.data, cfg.model
        place = task.place(data.source)
        intermediate = prerequisite(cfg)
        return identify(
            cfg,
            start=self.run(intermediate) if intermediate else None,
            data=self._content(
                ("data", GLUE if place == "hub" else place, data.revision, task.name),
                lambda: (
                    locate_data(data.source, task, data.revision, download=self._download).identity
                ),
                cfg,
            ),
            model=self._content(
                ("model", model.name, model.revision, ""),
                lambda: _locate_model(cfg, download=self._download),
                cfg,
            ),
        )

    def _content(self, address: Address, locate: Callable[[], str], cfg: RunConfig) -> str:
        """Return the identity of the content at an address, or the one that all records used."""
        part, name, revision, _ = address
        if address not in self._missing:  # ask a hub that is down only once
            try:
                return locate()
            except RecognitionError:
                raise
            except ActionableError as error:
                self._missing[address] = error
        counts = self._counts.get((part, cfg.scale, cfg.task), Counter())
        if len(counts) != 1 or not _may_be_at(self._addresses[next(iter(counts))], name, revision):
            found = [f"{x} ({count_of(n, 'record')})" for x, n in counts.most_common()]
            text = f"they name {', '.join(found)}" if found else "there are none"
            is_ambiguous = part == "model" and len(counts) > 1
            raise (AmbiguousModelError if is_ambiguous else ContentError)(
                f"{self._missing[address]}\nThe records of {cfg.scale} {cfg.task} do not say which "
                f"{part} it is: {text}."
            )
        (identity,) = counts
        users = self._assumed.setdefault((part, identity), {})
        users[f"{cfg.scale} {cfg.task}"] = None
        return identity


def _may_be_at(addresses: Iterable[str], name: str, revision: str | None) -> bool:
    """Return whether content at these addresses may be that of a name; a folder's may always be."""
    parts = [address.split("@", 1) for address in addresses]
    return not parts or any(p[0] == name and revision in (None, p[1]) for p in parts)


def _locate_model(cfg: RunConfig, *, download: bool) -> str:
    """Return the identity of a configuration's model, which must have the settings it needs."""
    folder, content = locate_model(cfg.model.name, cfg.model.revision, download=download)
    check_recognition(cfg, folder)
    return content.identity
