"""Identification of runs whose data or model is not available on this machine."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from stablebert.config.identity import prerequisite
from stablebert.config.recognition import RecognitionError, check_recognition
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.hub import GLUE
from stablebert.runs.locate import identify, locate_data, locate_model
from stablebert.runs.record import RunRecord
from stablebert.runs.run import Run
from stablebert.runs.seeds import Seeds
from stablebert.tasks import TASKS

Address = tuple[str, str, str | None, str]
"""Part (`data` or `model`), name, revision, and the task if the content depends on it."""


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
        self._contents: dict[tuple[str, str, str], Counter[str]] = {}
        for record in records:
            for part, content in (("data", record.data), ("model", record.model)):
                counts = self._contents.setdefault((part, record.scale, record.task), Counter())
                counts[content] += 1
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
        return Run(cfg, run.config_id, run.folder.with_name(Seeds.of(cfg).folder))

    def _identify(self, cfg: RunConfig) -> Run:
        task, data, model = TASKS[cfg.task].config, cfg.data, cfg.model
        intermediate = prerequisite(cfg)
        return identify(
            cfg,
            start=self.run(intermediate) if intermediate else None,
            data=self._content(
                ("data", GLUE if data.source == "hub" else data.source, data.revision, task),
                lambda: locate_data(data.source, task, data.revision).identity,
                cfg,
            ),
            model=self._content(
                ("model", model.name, model.revision, ""),
                lambda: _locate_model(cfg),
                cfg,
            ),
        )

    def _content(self, address: Address, locate: Callable[[], str], cfg: RunConfig) -> str:
        """Return the identity of the content at an address."""
        if address not in self._missing:  # ask a hub that is down only once
            try:
                return locate()
            except RecognitionError:
                raise
            except ActionableError as error:
                self._missing[address] = error
        part, name, revision, _ = address
        contents = self._contents.get((part, cfg.scale, cfg.task), Counter())
        content = next(iter(contents)) if len(contents) == 1 else ""
        hub_id, is_from_hub, commit = content.partition("@")
        differs = is_from_hub and (hub_id != name or revision not in (None, commit))
        if differs or not content:
            counts = ", ".join(f"{content} in {k}" for content, k in contents.most_common())
            raise ContentError(
                f"{self._missing[address]}\nThe records of {cfg.scale} {cfg.task} do not tell "
                f"which {part} it is either: {counts or 'there are none'}."
            )
        users = self._assumed.setdefault((part, content), {})
        users[f"{cfg.scale} {cfg.task}"] = None
        return content


def _locate_model(cfg: RunConfig) -> str:
    """Return the identity of a configuration's model, which must have the settings it needs."""
    folder, identity = locate_model(cfg.model.name, cfg.model.revision)
    check_recognition(cfg, folder)
    return identity
