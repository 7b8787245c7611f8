"""The caption of a sweep's report: definitions, provenance, and what is missing."""

from collections import Counter
from collections.abc import Iterable, Sequence

from stablebert.report.cells import (
    IDENTITY,
    Cell,
    describe_cell,
    is_glue,
    parameter_text,
    task_title,
    varying_parameters,
)
from stablebert.report.compare import FAMILIES, AnalyzedCell, Comparison
from stablebert.report.join import JoinedRecords
from stablebert.report.paper import paper_numbers
from stablebert.report.statistics.scores import IQM_MIN_RUNS, MIN_RUNS
from stablebert.report.tables import TRIALS, baseline_names, has_paper_layout
from stablebert.runs.record import RunRecord
from stablebert.runs.seeds import format_seeds
from stablebert.tasks import TASKS
from stablebert.text import count_of

PACKAGES = ("torch", "transformers")
"""Packages on whose versions scores may depend."""
MAX_SIMILAR = 6
"""Maximum number of lines about records of other configurations."""
MAX_VALUES = 4
"""Maximum number of values of a fact that differs between runs."""


def caption_lines(rows: Sequence[AnalyzedCell], join_result: JoinedRecords) -> list[str]:
    """Return the lines below the tables of a report."""
    cells = [row.cell for row in rows]
    has_paper = has_paper_layout(cells) and any(is_glue(cell.task) for cell in cells)
    return [
        *_definitions(rows),
        *([_about_the_paper(cells)] if has_paper else []),
        *_provenance(rows),
        *_missing_runs(rows),
        *_other_records(join_result),
    ]


# ---------------------------------------------------------------- definitions


def _definitions(rows: Sequence[AnalyzedCell]) -> list[str]:
    cells = [row.cell for row in rows]
    lines = [
        f"{describe_metrics(cells)}. Mean ± sample standard deviation over seeds of the test score "
        "with the weights that scored best on validation.",
        _run_counts(rows),
    ]
    lines += _rules(rows)
    lines.append(
        f"IQM: interquartile mean with a bootstrap interval, for {IQM_MIN_RUNS} runs or more; it "
        f"hides failures of up to a quarter of the runs. Best of {TRIALS}: expected validation "
        f"score of the best of {TRIALS} runs by validation, and expected test score of that run "
        "(other numbers of runs: -trials.csv)."
    )
    return lines


def _rules(rows: Sequence[AnalyzedCell]) -> list[str]:
    """Return the lines on verdicts, marks, and comparisons."""
    score = "mean" if has_paper_layout([row.cell for row in rows]) else "mean validation score"
    lines = [
        f"Verdicts: only complete cells with the same seeds and at least {MIN_RUNS} runs each are "
        "compared, by two-sided tests that are corrected for their number: if all cells are equal, "
        "the sentences contain a false verdict with a probability of at most .05.",
        f"Bold or *: the best {score} of each task, and every one that is not significantly worse "
        "(Welch's test, corrected in the same way over all pairs of cells of a task). Not "
        "significantly worse does not mean equivalent. Tasks with incomplete cells have no marks; "
        "those of the paper's rule (one-tailed Student test, uncorrected) are in the CSV.",
    ]
    if m := sum(isinstance(row.comparison, Comparison) for row in rows):
        lines.append(
            f"Compared with {baseline_names(rows)}: difference of means with Welch's interval; "
            "p Student: the paper's one-tailed test for a higher mean (interval and p are "
            "uncorrected, and no verdict rests on them); p Welch: two-sided; p Holm: the same with "
            f"Holm's correction over {count_of(m, 'comparison')}, times {FAMILIES} because means "
            "and spreads are tested; P(better): probability that a run beats one of the baseline "
            "(ties count half); sd ratio: ratio of standard deviations; p sd: two-sided "
            "Brown-Forsythe test; p sd Holm: the same, corrected like p Holm; detectable: the "
            "smallest true difference that this many runs would detect with a power of .8 at level "
            f".05 / {FAMILIES * m}."
        )
    if searches := dict.fromkeys(row.cell.method for row in rows if row.cell.settings > 1):
        lines.append(
            f"Settings of {', '.join(searches)} were selected by validation score: their p-values "
            "are multiplied by the number of settings before Holm's correction."
        )
    return lines


def describe_metrics(cells: Sequence[Cell]) -> str:
    """Return `Score x 100: accuracy for RTE; F1 for MRPC`."""
    tasks: dict[str, list[str]] = {}
    for cell in cells:
        metric = TASKS[cell.task].metric.title if cell.task in TASKS else "score"
        titles = tasks.setdefault(metric, [])
        if (title := task_title(cell.task, cell.scale)) not in titles:
            titles.append(title)
    texts = (f"{metric} for {', '.join(titles)}" for metric, titles in tasks.items())
    return f"Score x 100: {'; '.join(texts)}"


def _run_counts(rows: Sequence[AnalyzedCell]) -> str:
    seeds = [seeds for row in rows for seeds in row.cell.seeds]
    n = sum(row.result.n for row in rows)
    failed_count = sum(row.result.failed for row in rows)
    at_chance = sum(row.result.at_chance for row in rows)
    metrics = [TASKS[row.cell.task].metric for row in rows if row.cell.task in TASKS]
    classes = ", and for torchmetrics classes" if any(m.class_name for m in metrics) else ""
    return (
        f"{n} of {count_of(len(seeds), 'run')}: {count_of(len(rows), 'cell')}, seeds "
        f"{format_seeds(seeds)}; {len(seeds) - n} missing, {failed_count} failed, "
        f"{at_chance} at chance. "
        "Failed: at the last step, no more accurate on the whole dev set than the majority class "
        "(STS-B: no positive correlation); failed runs count in every number. At chance: at the "
        "last step, not significantly better on the dev set than chance (one-sided, level .05: "
        f"accuracy against the majority share, for F1 tasks too{classes}; MCC and correlations "
        "against 0)."
    )


def _about_the_paper(cells: Sequence[Cell]) -> str:
    if not paper_numbers():
        return "The paper's numbers (results/paper.csv) are not installed."
    text = (
        "Paper: Zhang et al. (2021), Tables 1, 2, 5, and 7, on real GLUE, 20 seeds (full MNLI: 3); "
        "its large models only."
    )
    scales = {cell.scale for cell in cells}
    if "demo" in scales:
        text += " The demo tasks are generated: only the direction of an effect is comparable."
    elif "mini" in scales:
        text += " Scale mini uses a smaller model: only the direction of an effect is comparable."
    return text


# ---------------------------------------------------------------- provenance


def _provenance(rows: Sequence[AnalyzedCell]) -> list[str]:
    cells = [row.cell for row in rows]
    records = [record for row in rows for record in row.result.records]
    varying_keys = varying_parameters(cells)
    fixed_keys = [key for key in cells[0].params if key not in (*IDENTITY, *varying_keys)]
    facts = {
        "scale": list(dict.fromkeys(cell.scale for cell in cells)),
        "fixed": [f"{key}={parameter_text(cells[0], key)}" for key in fixed_keys],
        "model": count_values(shorten_identity(r.model) for r in records),
        "data": count_values(shorten_identity(r.data) for r in records),
        "precision": count_values(r.precision for r in records),
        "device": count_values(r.device for r in records),
        "commit": count_values(r.versions.get("commit") or "unknown" for r in records),
    }
    lines = [f"{name}: {', '.join(values)}" for name, values in facts.items() if values]
    return [
        *lines,
        *_gpu_hours(records),
        *describe_differences(rows),
        *_mixed_versions(rows),
        "config: hash of a cell's configuration, as in the folders of its runs and in the CSV.",
    ]


def _gpu_hours(records: Sequence[RunRecord]) -> list[str]:
    """Return a line with the GPU time of all runs, if any ran on a GPU."""
    times = [record.gpu_seconds for record in records if record.gpu_seconds is not None]
    if not any(times):
        return []
    unknown = len(records) - len(times)
    older = f"; unknown for {count_of(unknown, 'older run')}, not counted" if unknown else ""
    hours = f"{sum(times) / 3600:.2f}"
    return [f"GPU-hours: {hours} (each run counts in full on a GPU that several share{older})"]


def describe_differences(rows: Sequence[AnalyzedCell]) -> list[str]:
    """Return a line for each difference between cells, besides their parameters, that counts."""
    records = [record for row in rows for record in row.result.records]
    lines = []
    precisions = {record.precision for record in records}
    if len(precisions) > 1 and "trainer.precision" not in varying_parameters(
        [r.cell for r in rows]
    ):
        lines.append("Cells ran in different precisions, which may explain their differences.")
    packings = count_values(record.packing for record in records)
    if len(packings) > 1:
        lines.append(
            f"Cells ran in different packings, {', '.join(packings)}; runs with the same seed "
            "then draw different dropout masks."
        )
    return lines


def _mixed_versions(rows: Sequence[AnalyzedCell]) -> list[str]:
    """Return a line for each cell whose runs used several versions of torch or transformers."""
    lines = []
    for row in rows:
        for package in PACKAGES:
            versions = [r.versions.get(package) or "unknown" for r in row.result.records]
            if len(set(versions)) > 1:
                counts = ", ".join(count_values(versions))
                lines.append(f"mixed versions: {describe_cell(row.cell)}: {package} {counts}")
    return lines


def count_values(values: Iterable[str]) -> list[str]:
    """Return distinct values, the most frequent first, with counts if there are several."""
    ranking = Counter(values).most_common()
    if len(ranking) == 1:
        return [ranking[0][0]]
    texts = [f"{name} ({count_of(k, 'run')})" for name, k in ranking[:MAX_VALUES]]
    return texts + ([f"and {len(ranking) - MAX_VALUES} more"] if len(ranking) > MAX_VALUES else [])


def shorten_identity(identity: str) -> str:
    """Cut a digest or commit to 12 digits: `sha256:0123456789ab`, `nyu-mll/glue@0123456789ab`."""
    for mark in ("sha256:", "@"):
        before, separator, digits = identity.partition(mark)
        if separator:
            return f"{before}{mark}{digits[:12]}"
    return identity


# ---------------------------------------------------------------- missing and other runs


def _missing_runs(rows: Sequence[AnalyzedCell]) -> list[str]:
    lines = [
        f"missing: {describe_cell(row.cell)}: seeds {format_seeds(row.result.missing)}"
        for row in rows
        if row.result.n and row.result.missing
    ]
    empty = [describe_cell(row.cell) for row in rows if not row.result.n]
    return lines + (
        [f"no runs in {count_of(len(empty), 'cell')}: {', '.join(empty)}"] if empty else []
    )


def _other_records(join_result: JoinedRecords) -> list[str]:
    similar, more = join_result.similar[:MAX_SIMILAR], len(join_result.similar) - MAX_SIMILAR
    lines = [f"not counted (other configuration or seed): {line}" for line in similar]
    if more > 0:
        lines.append(f"not counted: {count_of(more, 'more configuration')}")
    if join_result.unrelated:
        lines.append(f"not counted: {count_of(join_result.unrelated, 'record')} of other cells")
    return lines
