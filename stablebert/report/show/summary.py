"""A run's scores and circumstances in a few facts."""

from collections.abc import Mapping
from typing import Any

from stablebert.report.run_summary import describe_status
from stablebert.report.show.blocks import Facts, Quote
from stablebert.report.show.run import ShownRun
from stablebert.runs.record import RunRecord
from stablebert.runs.seeds import Seeds, format_seeds
from stablebert.tasks.metrics import METRICS

_FAILED = "at the last step no better than the majority class on the whole dev set, or NaN"


def summarize_run(run: ShownRun) -> Facts:
    """Return the facts about a run; one without a record has few."""
    if run.record:
        facts = {**_outcome(run.state, run.record), **_circumstances(run.record)}
    else:
        keys = ("scale", "task", "method", "length", "seed", "seed_init", "seed_data")
        values = {key: run.config.get(key) for key in keys}
        facts = {key: str(value) for key, value in values.items() if value is not None}
        facts = {"state": run.state, **facts}
    return Facts(texts={**facts, "place": run.place})


def _outcome(state: str, record: RunRecord) -> dict[str, str]:
    status = describe_status(record)
    facts = {"state": f"{state}, {status}"}
    if record.status == "failed":
        facts["failed"] = _FAILED
    at_best, at_last = record.metrics["test_at_best"], record.metrics["test_at_last"]
    for metric in at_best:
        text = f"{format_score(record, metric, at_best[metric])} with the best weights"
        if metric in at_last:
            text += f", {format_score(record, metric, at_last[metric])} with the last"
        facts[f"test {metric}"] = text
    best = points(record.metrics["val_at_best"][record.metric])
    facts[f"validation {record.metric}"] = (
        f"{best} at step {record.val_best_step}, the best of {record.evaluations} evaluations"
        if record.val_best_step
        else "NaN in all evaluations"
    )
    chance = {name: points(record.majority[name]) for name in ("test", "val")}
    is_regression = "std" in record.predictions.get("dev_at_last", ())
    model = "constant prediction" if is_regression else "majority class"
    facts["chance"] = f"{chance['test']} on test, {chance['val']} on validation ({model})"
    return facts


def _circumstances(record: RunRecord) -> dict[str, str]:
    rows = {name: split["rows"] for name, split in record.splits.items()}
    skipped = f", {record.skipped_steps} skipped by fp16" if record.skipped_steps else ""
    job = f" in job {record.job}" if record.job else ""
    place = f"{record.node}{job}, " if record.node else ""
    facts = {
        "rows": f"{rows['train']} training, {rows['val']} validation, {rows['test']} test",
        "steps": f"{record.steps}{skipped}",
        "seeds": f"{record.seed_init} for weights, {record.seed_data} for data and dropout",
        "precision": f"{record.precision}, {record.packing} batches",
        "seconds": ", ".join(f"{name} {value:.1f}" for name, value in record.seconds.items()),
        "machine": f"{place}{record.device}, threads: {record.threads}, "
        f"peak memory: {record.peak_memory_bytes / 2**20:.0f} MiB",
        "data": record.data_address or record.data,
        "model": record.model_address or record.model,
    }
    if record.start:
        start = ", ".join(f"{name} {value}" for name, value in record.start.items())
        facts["started from"] = start
    if record.pruned_from:
        seeds = format_seeds(Seeds(init, data) for init, data in record.pruned_from)
        facts["selected"] = f"by validation scores among seeds {seeds} (seed pruning)"
    versions = [f"{name} {value}" for name, value in record.versions.items() if value]
    return {**facts, "versions": ", ".join(versions), "config_id": record.config_id}


def quote_crash(crash: Mapping[str, Any]) -> Quote:
    """Return the error of a crashed run with its traceback."""
    text = str(crash.get("traceback") or "").rstrip()
    title = f"{crash.get('error', 'error')}: {crash.get('message', '')}"
    return Quote(title=title, text=text)


def format_score(record: RunRecord, metric: str, score: float | None) -> str:
    """Return a score x 100; as it is, of a torchmetrics class that is not the reported metric."""
    if is_in_points(record, metric):
        return points(score)
    return "NaN" if score is None else f"{score:.4g} (not x 100)"


def is_in_points(record: RunRecord, metric: str) -> bool:
    """Return whether the values of a metric are at most 1, and printed x 100."""
    return metric in METRICS or metric == record.metric


def points(score: float | None) -> str:
    """Return a score x 100, or NaN."""
    return "NaN" if score is None else f"{100 * score:.1f}"
