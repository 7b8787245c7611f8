"""The page of everything that has been run with one scale and one model."""

from collections.abc import Sequence
from pathlib import Path

from stablebert.report.claims.base import Verdict
from stablebert.report.claims.summary import summary_sentences
from stablebert.report.everything import AbsentItem, Collection
from stablebert.report.files import save_text
from stablebert.report.page.claims import STYLES, effect_sizes, effects_table
from stablebert.report.page.content import PageBuilder
from stablebert.report.page.environment import render_page
from stablebert.report.page.provenance import describe_cost, provenance_table
from stablebert.report.page.runs import pack_curves, pack_runs
from stablebert.runs.history import History
from stablebert.runs.record import Key
from stablebert.version import versions


def write_page(
    collection: Collection, path: Path, *, commands: Sequence[str] = (), is_running: bool = False
) -> None:
    """Write a page with all tables, figures, and runs: one file, which needs no network.

    Args:
        collection: Reports and records.
        path: The file, such as `report.html`.
        commands: Commands that made the page, to show.
        is_running: Whether more runs are to come; the page then reloads itself every minute.

    Raises:
        ReportError: If the extra `report` is not installed.
    """
    save_text(path, page_html(collection, commands=commands, is_running=is_running))


def page_html(
    collection: Collection, *, commands: Sequence[str] = (), is_running: bool = False
) -> str:
    """Return the page as text.

    Args:
        collection: As for `write_page`.
        commands: As for `write_page`.
        is_running: As for `write_page`.

    Raises:
        ReportError: As `write_page`.
    """
    builder = PageBuilder(collection.reports)
    sweeps = [
        builder.add_sweep(report, collection.drawings[name], collection.absent)
        for name, report in collection.reports.items()
    ]
    verdicts = collection.verdicts
    [effects, origin] = builder.add_tables(
        [effects_table(verdicts), provenance_table(collection.records)]
    )
    context = {
        "is_running": is_running,
        "lead": _describe_collection(collection),
        "cards": _cards(collection, verdicts),
        "summary": summary_sentences(collection.reports, verdicts),
        "verdicts": verdicts,
        "effect_sizes": effect_sizes,
        "styles": STYLES,
        "effects": effects,
        "sweeps": sweeps,
        "commands": [*commands, *(sweep.command for sweep in sweeps)],
        "cost": describe_cost(collection.records),
        "origin": origin,
        "writer": _describe_writer(),
        "absent": _group_absent_items(collection.absent),
        "problems": collection.problems,
    }
    histories: dict[Key, History] = {}
    for report in collection.reports.values():
        histories |= report.basis.histories[0]
    runs = {
        "run-data": pack_runs(collection.reports, collection.records),
        "curve-data": pack_curves(collection.records, histories),
    }
    return render_page(
        "report.html.jinja",
        title=f"Few-sample fine-tuning: {collection.model}",
        context=context,
        data={**builder.data, **runs},
    )


def _group_absent_items(items: Sequence[AbsentItem]) -> list[tuple[list[str], str, str]]:
    """Return the labels of items that one command trains, the reason, and the command."""
    groups: dict[tuple[str, str], list[str]] = {}
    for absent in items:
        groups.setdefault((absent.reason, absent.command), []).append(absent.item.label)
    return [(labels, reason, command) for (reason, command), labels in groups.items()]


def _describe_collection(collection: Collection) -> str:
    model = "" if collection.model == collection.scale else f", model {collection.model}"
    text = (
        f'Scale {collection.scale}{model}: these runs compared with "Revisiting Few-sample BERT '
        'Fine-tuning" (Zhang et al., ICLR 2021).'
    )
    if collection.scale == "demo":
        text += " The tasks are generated: only the direction of an effect is comparable."
    return text


def _cards(collection: Collection, verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Return names and values of the numbers at the top of the page."""
    records = collection.records
    cells = {record.config_id for record in records}
    tasks = {record.task for record in records}
    return [
        ("runs", f"{len(records):,}"),
        ("configurations", f"{len(cells):,}"),
        ("tasks", f"{len(tasks)}"),
        ("failed runs", f"{sum(record.status != 'ok' for record in records):,}"),
        ("claims that hold", _share(verdicts)),
    ]


def _share(verdicts: Sequence[Verdict]) -> str:
    judged = [verdict for verdict in verdicts if verdict.outcome != "not enough runs"]
    return f"{sum(verdict.outcome == 'holds' for verdict in judged)} of {len(judged)}"


def _describe_writer() -> str:
    own = versions()
    commit = f", commit {own['commit']}" if own["commit"] else ""
    return f"This page was written by stablebert {own['stablebert']}{commit}."
