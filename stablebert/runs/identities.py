"""Identification of runs whose data or model is not available on this machine."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

from stablebert.config.identity import prerequisite
from stablebert.config.recognition import RecognitionError, check_recognition
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.hub import GLUE, Content
from stablebert.runs.locate import find_folder, identify, locate_data, locate_model
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run
from stablebert.runs.seeds import Seeds
from stablebert.tasks import TASKS

Address = tuple[str, str, str | None, str]
"""Part (`data` or `model`), name, revision, and the task if the content depends on it."""
Group = tuple[str, str, str]
"""Part, scale and task of the records that used a content."""


class ContentError(ActionableError):
    """Data or model is not available, and the records do not tell which content was used."""


class Identities:
    """Identifier of runs, with which reports and plans work without data and model.

    If data or a model cannot be located, the content that all records of the same scale and task
    used is assumed.

    Args:
        records: Finished runs.
    """

    def __init__(self, records: Iterable[RunRecord]):
        self._counts: dict[Group, Counter[Content]] = {}
        for record in records:
            for part, identity, address in (
                ("data", record.data, record.data_address),
                ("model", record.model, record.model_address),
            ):
                counts = self._counts.setdefault((part, record.scale, record.task), Counter())
                counts[Content(identity, (address,) if address else ())] += 1
        self._contents = {group: _merge(counts) for group, counts in self._counts.items()}
        self._cells: dict[RunConfig, Run] = {}
        self._missing: dict[Address, ActionableError] = {}
        self._assumed: dict[tuple[str, str], dict[str, None]] = {}
        self._current_ids: dict[str, str] = {}

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
            run = self._cells[cell] = self._identify(cell)
            self._current_ids.update(dict.fromkeys(run.former_ids, run.config_id))
        run = self._cells[cell]
        folder = run.folder.with_name(Seeds.of(cfg).folder)
        if run.former_ids:
            folder = find_folder(cfg, [run.config_id, *run.former_ids])
        return replace(run, cfg=cfg, folder=folder)

    def update(self, records: Iterable[RunRecord]) -> list[RunRecord]:
        """Return records of the runs identified so far with the identifiers that these have now."""
        ids = self._current_ids
        return [
            replace(record, config_id=ids[record.config_id]) if record.config_id in ids else record
            for record in records
        ]

    def _identify(self, cfg: RunConfig) -> Run:
        task, data, model = TASKS[cfg.task].config, cfg.data, cfg.model
        intermediate = prerequisite(cfg)
        return identify(
            cfg,
            start=self.run(intermediate) if intermediate else None,
            data=self._content(
                ("data", GLUE if data.source == "hub" else data.source, data.revision, task),
                lambda: locate_data(data.source, task, data.revision).content,
                cfg,
            ),
            model=self._content(
                ("model", model.name, model.revision, ""),
                lambda: _locate_model(cfg),
                cfg,
            ),
        )

    def _content(self, address: Address, locate: Callable[[], Content], cfg: RunConfig) -> Content:
        """Return the content at an address, with all commits that records name for it."""
        part, name, revision, _ = address
        group = part, cfg.scale, cfg.task
        contents = self._contents.get(group, {})
        if address not in self._missing:  # ask a hub that is down only once
            try:
                content = locate()
                recorded = contents.get(content.identity, content)
                return Content(content.identity, _unique(content.addresses, recorded.addresses))
            except RecognitionError:
                raise
            except ActionableError as error:
                self._missing[address] = error
        if len(contents) != 1 or not _may_be_at(next(iter(contents.values())), name, revision):
            counts = self._counts.get(group, Counter()).most_common()
            text = ", ".join(f"{content.identity} in {count}" for content, count in counts)
            raise ContentError(
                f"{self._missing[address]}\nThe records of {cfg.scale} {cfg.task} do not tell "
                f"which {part} it is either: {text or 'there are none'}."
            )
        (content,) = contents.values()
        users = self._assumed.setdefault((part, content.identity), {})
        users[f"{cfg.scale} {cfg.task}"] = None
        return content


def _merge(contents: Iterable[Content]) -> dict[str, Content]:
    """Return contents by identity; a commit that was an identity becomes an address if possible."""
    contents = list(contents)
    identities = {address: c.identity for c in contents for address in c.addresses}
    merged: dict[str, Content] = {}
    for content in contents:
        identity = identities.get(content.identity, content.identity)
        former = (content.identity,) if content.identity != identity else ()
        known = merged.get(identity, Content(identity))
        merged[identity] = Content(identity, _unique(known.addresses, content.addresses, former))
    return merged


def _unique(*addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain(*addresses)))


def _may_be_at(content: Content, name: str, revision: str | None) -> bool:
    """Return whether a content may be that of a name and revision; a folder's may always be."""
    hub_addresses = [a for a in (content.identity, *content.addresses) if "@" in a]
    parts = [address.split("@", 1) for address in hub_addresses]
    return not parts or any(p[0] == name and revision in (None, p[1]) for p in parts)


def _locate_model(cfg: RunConfig) -> Content:
    """Return the content of a configuration's model, which must have the settings it needs."""
    folder, content = locate_model(cfg.model.name, cfg.model.revision)
    check_recognition(cfg, folder)
    return content
