"""Where a run's data, model and record are: what identifies it, found without torch."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from stablebert.config.files import model_folder
from stablebert.config.identity import config_id, prerequisite
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.glue.sources import Source, resolve
from stablebert.hub import GLUE, digest, fetch_model, model_files
from stablebert.runs.record import ENCODER, RESULT, Key, RunRecord, run_folder
from stablebert.tasks import DEMO, TASKS


class ContentError(ActionableError):
    """Data or model is not at hand, and the records do not tell which it is."""


# Once per process: a grid's runs share a few files, of up to a gigabyte.
@cache
def _source(source: str, config: str, revision: str | None) -> Source:
    return resolve(source, TASKS[config], revision)


@cache
def _model(name: str, revision: str | None) -> tuple[Path, str]:
    if folder := model_folder(name):
        said = f"{DEMO} " if name == DEMO else ""
        return folder, f"{said}sha256:{digest(model_files(folder))}"
    snapshot = fetch_model(name, revision)
    return snapshot, f"{name}@{snapshot.name}"


def cache_folder(path: str | None) -> Path:
    """Folder of prepared data: as configured, or stablebert/ in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(path).expanduser() if path else Path(home) / "stablebert"


@dataclass(frozen=True)
class Run:
    """A configuration with what identifies its record."""

    cfg: RunConfig
    config_id: str
    folder: Path
    """Of the record."""

    @property
    def key(self) -> Key:
        """What tells it from other runs, as of its record."""
        return self.config_id, self.cfg.init_seed, self.cfg.data_seed


@dataclass(frozen=True)
class LocatedRun(Run):
    """A run with the contents that it names."""

    source: Source
    model: Path
    """Local folder with the pre-trained model and its tokenizer."""
    model_identity: str
    """Its content: `<hub id>@<commit>`, or a digest of a folder's files."""
    start: "LocatedRun | None" = None
    """The run whose encoder it starts from, in place of the pre-trained one."""
    keeps: bool = False
    """Whether it leaves its encoder, for runs that start from it."""
    until: float | None = None
    """Fraction of its steps after which it stops, to be looked at."""

    @property
    def done(self) -> bool:
        """Whether it has left what is wanted of it."""
        peeked = self.until and peek_file(self, self.until).exists()
        return bool(peeked) or (self.folder / (ENCODER if self.keeps else RESULT)).exists()


def peek_file(run: Run, fraction: float) -> Path:
    """Where it stands how a run validated after a fraction of its steps."""
    return run.folder / f"peek-{fraction:g}.json"


def locate(cfg: RunConfig) -> LocatedRun:
    """Find data and model, fetching what the hub has, and the folder of the run's record.

    Raises:
        DataError: no data there.
        HubError: data or model cannot be fetched, or a model folder is incomplete.
    """
    source = _source(cfg.data.source, TASKS[cfg.task].config, cfg.data.revision)
    model, identity = _model(cfg.model.name, cfg.model.revision)
    before = prerequisite(cfg)
    start = replace(locate(before), keeps=True) if before else None
    run = identified(cfg, data=source.identity, model=identity, start=start)
    return LocatedRun(cfg, run.config_id, run.folder, source, model, identity, start)


def identified(cfg: RunConfig, *, data: str, model: str, start: Run | None) -> Run:
    """The run of a configuration on data and a model of these contents."""
    identifier = config_id(cfg, data=data, model=model, start=start.config_id if start else None)
    folder = run_folder(
        Path(cfg.paths.runs).expanduser(),
        scale=cfg.scale,
        task=cfg.task,
        method=cfg.method,
        config_id=identifier,
        seed_init=cfg.init_seed,
        seed_data=cfg.data_seed,
    )
    return Run(cfg, identifier, folder)


class Identities:
    """What identifies runs, also where data or model is not at hand.

    What cannot be located is taken for what the records of its scale and task used, if they agree.

    Args:
        records: finished runs.
    """

    def __init__(self, records: Iterable[RunRecord]):
        self._used: dict[tuple[str, ...], Counter[str]] = {}
        for r in records:
            for part, content in (("data", r.data), ("model", r.model)):
                self._used.setdefault((part, r.scale, r.task), Counter())[content] += 1
        self._absent: dict[tuple[str | None, ...], ActionableError] = {}
        self._taken: dict[tuple[str, str], dict[str, None]] = {}

    @property
    def taken(self) -> list[str]:
        """What was taken from records so far, a line for each content."""
        return [
            f"{part} not at hand; as in all records of {', '.join(of)}: {content}"
            for (part, content), of in self._taken.items()
        ]

    def run(self, cfg: RunConfig) -> Run:
        """The run of a configuration.

        Raises:
            ContentError: data or model cannot be located, and no records agree on which it is.
        """
        task, data, model = TASKS[cfg.task].config, cfg.data, cfg.model
        before = prerequisite(cfg)
        return identified(
            cfg,
            start=self.run(before) if before else None,
            data=self._content(
                ("data", GLUE if data.source == "hub" else data.source, data.revision, task),
                lambda: _source(data.source, task, data.revision).identity,
                cfg,
            ),
            model=self._content(
                ("model", model.name, model.revision),
                lambda: _model(model.name, model.revision)[1],
                cfg,
            ),
        )

    def _content(
        self, wanted: tuple[str | None, ...], find: Callable[[], str], cfg: RunConfig
    ) -> str:
        """The content of `wanted`: part, name, revision and what else tells it apart."""
        if wanted not in self._absent:  # a hub that is down is asked once
            try:
                return find()
            except ActionableError as error:
                self._absent[wanted] = error
        part, name, revision, *_ = wanted
        used = self._used.get((str(part), cfg.scale, cfg.task), Counter())
        content = next(iter(used)) if len(used) == 1 else ""
        hub_id, from_hub, commit = content.partition("@")
        unlike = from_hub and (hub_id != name or revision not in (None, commit))
        if unlike or not content:
            said = ", ".join(f"{content} in {k}" for content, k in used.most_common())
            raise ContentError(
                f"{self._absent[wanted]}\nNor do the records of {cfg.scale} {cfg.task} tell which "
                f"{part} it is: {said or 'there are none'}."
            )
        of = self._taken.setdefault((str(part), content), {})
        of[f"{cfg.scale} {cfg.task}"] = None
        return content
