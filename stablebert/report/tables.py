"""A report of a sweep: the table in the paper's layout, its statistics, and what it rests on.

Written as Markdown, LaTeX and CSV, and returned as text. Scores are x 100.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import isnan
from pathlib import Path

from stablebert.report import paper
from stablebert.report import statistics as stats
from stablebert.report.cells import (
    Cell,
    Comparison,
    Joined,
    Summary,
    compare,
    join,
    marks,
    spans,
    title,
    value,
    varying,
    words,
)
from stablebert.report.records import ReportError, save
from stablebert.report.render import Document, Entry, Table, as_latex, as_markdown, as_text
from stablebert.report.sentences import reading
from stablebert.runs.record import RunRecord
from stablebert.tasks import TASKS

_SMALL, _LARGE = ("rte", "mrpc", "stsb", "cola"), ("sst2", "qnli", "qqp", "mnli")
BLOCKS = (_SMALL, _LARGE, *(tuple(f"{task}_1k" for task in block) for block in (_SMALL, _LARGE)))
"""Tasks side by side, as in the paper's Table 1."""
MODEL = "model.name"
ALIKE_SHOWN = 6
TRIALS = 5
"""The paper's advice (section 4): 5 to 10 runs, of which validation picks one."""
METRICS = {"accuracy": "accuracy", "f1": "F1", "mcc": "MCC", "spearman": "Spearman"}
NOTHING = Entry()


def report(
    cells: Sequence[Cell],
    records: Iterable[RunRecord],
    remarks: Sequence[str],
    out: Path,
    name: str,
) -> str:
    """Write `name`.md, .csv and .tex under `out`, and `name`-trials.csv: Fig. 4's and 12's curves.

    Args:
        cells: What the sweep expects.
        records: What was found, of this sweep or not.
        remarks: What the caption must say too: files that could not be read above all.
        out: Folder to write to.
        name: Of the sweep.

    Returns:
        The text to print.

    Raises:
        ReportError: runs of one cell that differ in what they must share.
    """
    if not cells:
        raise ReportError(f"{name}: the sweep has no cells")
    joined = join(cells, records)
    comparisons = compare(joined.summaries)
    like_the_paper = set(varying(cells)) <= {MODEL}
    marked = marks(joined.summaries, of="test" if like_the_paper else "val")
    main = _paper_layout(joined.summaries, marked) if like_the_paper else None
    document = Document(
        name,
        [
            *(main or [_plain_layout(joined.summaries, marked)]),
            _distributions(joined.summaries),
            *_comparisons(joined.summaries, comparisons),
        ],
        [
            *reading(joined.summaries, comparisons, _labels(joined.summaries)),
            *_caption(joined, comparisons, remarks, like_the_paper),
        ],
    )
    save(out / f"{name}.md", as_markdown(document))
    save(out / f"{name}.tex", as_latex(document))
    save(out / f"{name}.csv", _csv(joined.summaries, comparisons, marked))
    save(out / f"{name}-trials.csv", _trials(joined.summaries))
    return as_text(document)


def _score(x: stats.Floats) -> str:
    """Mean ± sample deviation; one run has none."""
    if not len(x):
        return "-"
    d = stats.describe(x)
    return f"{d.mean:.1f}" if isnan(d.sd) else f"{d.mean:.1f} ± {d.sd:.1f}"


def _entry(summary: Summary, marked: Mapping[int, bool]) -> Entry:
    notes = []
    if summary.failed:
        notes.append(f"failed {summary.failed}/{summary.n}")
    if summary.n and summary.missing:
        notes.append(f"n={summary.n} of {summary.n + len(summary.missing)}")
    return Entry(_score(summary.test), marked.get(id(summary.cell), False), tuple(notes))


def _paper_layout(summaries: Sequence[Summary], marked: Mapping[int, bool]) -> list[Table]:
    """Rows (model x) method x length, columns tasks, the paper's number right of each."""
    cells = [s.cell for s in summaries]
    models = MODEL in varying(cells)
    at = {
        (c.task, value(c, MODEL), c.method, c.length): s
        for c, s in zip(cells, summaries, strict=True)
    }
    scale = cells[0].scale
    lengths = sorted({c.length for c in cells})  # 3epochs before longer
    names, methods = (dict.fromkeys(value(c, key) for c in cells) for key in (MODEL, "method"))
    found = {tuple(row) for _, *row in at}
    rows = [row for row in product(names, methods, lengths) if row in found]
    known = {task for block in BLOCKS for task in block}
    rest = tuple(dict.fromkeys(s.cell.task for s in summaries if s.cell.task not in known))
    tables = []
    for block in (*BLOCKS, rest):
        tasks = [task for task in block if any(key[0] == task for key in at)]
        if not tasks:
            continue
        head, body = [*(["model"] if models else []), "method", "length"], []
        for task in tasks:
            head += [title(task, scale), _paper_head(task, scale)]
        for name, method, length in rows:
            row = [*([Entry(name)] if models else []), Entry(method), Entry(length)]
            for task in tasks:
                summary = at.get((task, name, method, length))
                printed = paper.scores().get((paper.model_of(name), task, method, length))
                row.append(_entry(summary, marked) if summary else NOTHING)
                row.append(Entry(printed.text) if printed else NOTHING)
            body.append(row)
        shown = ", ".join(title(task, scale) for task in tasks)
        tables.append(Table(f"Test score x 100: {shown}", head, body, labels=2 + models))
    return tables


def _paper_head(task: str, scale: str) -> str:
    if scale == "demo":
        return f"paper (real {title(task, '')}, BERT-large)"
    return "paper" if scale == "paper" else "paper (BERT-large)"


def _labels(summaries: Sequence[Summary]) -> list[str]:
    cells = [summary.cell for summary in summaries]
    own = [key for key in ("method", "length") if len({value(c, key) for c in cells}) > 1]
    return [*own, *varying(cells)]


def _named(cell: Cell, labels: Sequence[str]) -> list[Entry]:
    return [Entry(title(cell.task, cell.scale)), *(Entry(value(cell, key)) for key in labels)]


def _plain_layout(summaries: Sequence[Summary], marked: Mapping[int, bool]) -> Table:
    """One row per cell, for sweeps of other parameters; validation is what such a search reads."""
    labels = _labels(summaries)
    rows = []
    for summary in summaries:
        entry = _entry(summary, {})
        val = Entry(_score(summary.val), marked.get(id(summary.cell), False))
        rows.append([*_named(summary.cell, labels), val, entry])
    head = ["task", *labels, "best validation", "test"]
    return Table("Score x 100", head, rows, labels=1 + len(labels))


def _distributions(summaries: Sequence[Summary]) -> Table:
    labels = _labels(summaries)
    rows = []
    for s in summaries:
        row = [*_named(s.cell, labels), Entry(str(s.n))]
        if s.n:
            d = stats.describe(s.test)
            failed = (f"{s.failed}/{s.n}", f"{s.at_chance}/{s.n}")
            row += [Entry(f) for f in failed]
            row += [Entry(f"{x:.1f}") for x in (d.median, d.min, d.max)]
            iqm = _iqm(s)
            row.append(Entry(_interval(iqm)) if iqm else NOTHING)
            row += [Entry(f"{x:.1f}") for x in _of_trials(s)] if s.n >= TRIALS else [NOTHING] * 2
        else:
            row += [NOTHING] * 8
        rows.append([*row, Entry(s.cell.config_id)])
    head = ["task", *labels, "n", "failed", "at chance", "median", "min", "max", "IQM [95 %]"]
    head += [f"best val of {TRIALS}", f"chosen of {TRIALS}", "config"]
    return Table("Over the seeds (test x 100)", head, rows, labels=1 + len(labels))


def _iqm(summary: Summary) -> stats.Interval | None:
    if summary.n < stats.IQM_FROM:
        return None
    return stats.Interval(*stats.interquartile_mean(summary.test, seed=0))


def _of_trials(summary: Summary) -> tuple[float, float]:
    """Of the best of `TRIALS` runs by validation: expected validation and test score."""
    best, chosen = (stats.chosen_of(summary.val, x, TRIALS) for x in (summary.val, summary.test))
    return float(best[0][0]), float(chosen[0][0])


def _interval(x: stats.Interval, sign: str = "") -> str:
    return f"{x.value:{sign}.1f} [{x.low:{sign}.1f}, {x.high:{sign}.1f}]"


def _p(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _comparisons(
    summaries: Sequence[Summary], comparisons: Sequence[Comparison | None]
) -> list[Table]:
    if not any(comparisons):
        return []
    labels = _labels(summaries)
    rows = []
    for summary, c in zip(summaries, comparisons, strict=True):
        if c is None:
            continue
        ps = (c.p_student, c.p_welch, c.p_holm)
        rows.append(
            [
                *_named(summary.cell, labels),
                Entry(_interval(c.difference, "+")),
                *(Entry(_p(p)) for p in ps),
                Entry(f"{c.improvement:.2f}"),
                Entry("-" if isnan(c.sd_ratio) else f"{c.sd_ratio:.2f}"),
                *(Entry(_p(p)) for p in (c.p_sd, c.p_sd_holm)),
                Entry(f"{c.detectable:.1f}"),
            ]
        )
    head = ["task", *labels, "Δ mean [95 %]", "p Student", "p Welch", "p Holm", "P(better)"]
    head += ["sd ratio", "p sd", "p sd Holm", "detectable"]
    name = f"Against {_baseline_name(comparisons)} (test x 100)"
    return [Table(name, head, rows, labels=1 + len(labels))]


def _baseline_name(comparisons: Sequence[Comparison | None]) -> str:
    names = dict.fromkeys(f"{c.baseline.method} {c.baseline.length}" for c in comparisons if c)
    return " or ".join(names)


# ---------------------------------------------------------------- the caption


def _caption(
    joined: Joined,
    comparisons: Sequence[Comparison | None],
    remarks: Sequence[str],
    like_the_paper: bool,
) -> list[str]:
    summaries = joined.summaries
    cells = [summary.cell for summary in summaries]
    records = [record for summary in summaries for record in summary.records]
    wanted = sum(len(set(cell.seeds)) for cell in cells)
    failed = sum(summary.failed for summary in summaries)
    missing = wanted - len(records)
    lines = [
        f"{_metrics(cells)}; mean ± sample deviation over seeds of the test score with the weights "
        "of the best validation.",
        f"{len(records)} of {wanted} runs: {len(cells)} cells, seeds "
        f"{spans([str(s) for c in cells for s in c.seeds])}; "
        f"{missing} missing, {failed} failed (at the last step, on the whole dev set, no more "
        "accurate than the majority class; STS-B: no positive correlation; they count in every "
        "number). At chance: not significantly better there than chance (one-sided, .05: accuracy "
        "against the majority share, which also judges F1; MCC and correlations against 0).",
    ]
    what = "mean" if like_the_paper else "mean validation score"
    lines.append(
        f"Bold or *: the best {what} of its task, and every one not significantly worse (one-tailed"
        " Student t, p < .05, uncorrected: the paper's rule), which is not the same as equivalent."
    )
    count = sum(c is not None for c in comparisons)
    if count:
        lines.append(
            f"Against {_baseline_name(comparisons)}: difference with Welch's interval; p one-tailed"
            " for a higher mean (Student: the paper's test), Holm of Welch's p over the "
            f"{count} comparisons; P(better) of a run, ties half; sd ratio with p of Brown-Forsythe"
            " for a smaller deviation, and Holm's; detectable: the true difference that these runs "
            "would show with power .8 (one-tailed, .05)."
        )
    lines.append(
        f"IQM: interquartile mean with bootstrap interval, from {stats.IQM_FROM} runs on, blind to "
        f"a quarter of failures. Chosen of {TRIALS}: expected test score of the run that validation"
        f" picks among {TRIALS}, and before it its validation score (other numbers: -trials.csv)."
    )
    if like_the_paper:
        lines.append(_about_the_paper({cell.scale for cell in cells}))
    lines += _provenance(cells, records)
    lines += [
        f"missing: {words(s.cell)}: {spans([str(x) for x in s.missing])}"
        for s in summaries
        if s.n and s.missing
    ]
    absent = [words(s.cell) for s in summaries if not s.n]
    lines += [f"no run at all in {len(absent)} cells: {', '.join(absent)}"] if absent else []
    shown, more = joined.alike[:ALIKE_SHOWN], len(joined.alike) - ALIKE_SHOWN
    lines += [f"not counted, other configuration or seed: {line}" for line in shown]
    if more > 0:
        lines.append(f"not counted: {more} more configurations like these")
    if joined.others:
        lines.append(f"not counted: {joined.others} records of other cells")
    return [*lines, *remarks]


def _about_the_paper(scales: set[str]) -> str:
    if not paper.scores():
        return "The paper's numbers (results/paper.csv) are not installed."
    said = "Paper: Zhang et al. (2021), Tables 1, 2 and 5, BERT-large on real GLUE, 20 seeds"
    said += " (MNLI in full: 3)."
    if "demo" in scales:
        said += " The demo tasks are generated: only the direction of an effect compares."
    elif "mini" in scales:
        said += " Scale mini is a smaller model: only the direction of an effect compares."
    return said


def _metrics(cells: Sequence[Cell]) -> str:
    """`Score: accuracy; F1 for MRPC`."""
    by: dict[str, list[str]] = {}
    for cell in cells:
        metric = TASKS[cell.task].metric if cell.task in TASKS else "score"
        names = by.setdefault(METRICS.get(metric, metric), [])
        if (name := title(cell.task, cell.scale)) not in names:
            names.append(name)
    return "Score x 100: " + "; ".join(f"{m} for {', '.join(names)}" for m, names in by.items())


def _provenance(cells: Sequence[Cell], records: Sequence[RunRecord]) -> list[str]:
    fixed = {
        key: value(cells[0], key)
        for key in cells[0].params
        if key not in ("task", "method", "length", "scale", *varying(cells))
    }
    facts = {
        "scale": Counter(cell.scale for cell in cells).keys(),
        "with": [f"{key}={text}" for key, text in fixed.items()],
        "model": _counted(_short(r.model) for r in records),
        "data": _counted(_short(r.data) for r in records),
        "precision": _counted(r.precision for r in records),
        "device": _counted(r.device for r in records),
        "commit": _counted(r.versions.get("commit") or "unknown" for r in records),
    }
    lines = [f"{name}: {', '.join(values)}" for name, values in facts.items() if values]
    precisions = {record.precision for record in records}
    if len(precisions) > 1 and "trainer.precision" not in varying(cells):
        lines.append("Cells were obtained in different precisions: their differences may be that.")
    return [*lines, "Configurations: the column config; each cell in full: the CSV."]


def _counted(values: Iterable[str], most: int = 4) -> list[str]:
    """Distinct values, the most frequent first, with their counts where they are several."""
    ranked = Counter(values).most_common()
    if len(ranked) == 1:
        return [ranked[0][0]]
    said = [f"{name} ({k} runs)" for name, k in ranked[:most]]
    return said + ([f"and {len(ranked) - most} more"] if len(ranked) > most else [])


def _short(identity: str) -> str:
    """`sha256:0123456789ab`, `nyu-mll/glue@0123456789ab`: a content by its first digits."""
    for mark in ("sha256:", "@"):
        before, found, digits = identity.partition(mark)
        if found:
            return f"{before}{mark}{digits[:12]}"
    return identity


# ---------------------------------------------------------------- as data


def _csv(
    summaries: Sequence[Summary],
    comparisons: Sequence[Comparison | None],
    marked: Mapping[int, bool],
) -> str:
    """One line per cell, every number in full."""
    others = varying([summary.cell for summary in summaries])
    lines = []
    for s, c in zip(summaries, comparisons, strict=True):
        line: dict[str, object] = {
            key: value(s.cell, key) for key in ("scale", "task", "method", "length")
        }
        line |= {key: value(s.cell, key) for key in others}
        line |= {"config_id": s.cell.config_id, "n": s.n, "missing": len(s.missing)}
        line |= dict.fromkeys(_NUMBERS)
        if s.n:
            line |= vars(stats.describe(s.test)) | {"failed": s.failed, "at_chance": s.at_chance}
            line |= {"val_mean": float(s.val.mean()), "marked": marked.get(id(s.cell), False)}
        if iqm := _iqm(s):
            line |= {"iqm": iqm.value, "iqm_low": iqm.low, "iqm_high": iqm.high}
        if s.n >= TRIALS:
            line[f"best_val_of_{TRIALS}"], line[f"chosen_of_{TRIALS}"] = _of_trials(s)
        if c:
            line |= {key: number for key, number in vars(c).items() if key in _NUMBERS}
            line["baseline"] = c.baseline.config_id
            line |= {"difference": c.difference.value}
            line |= {"difference_low": c.difference.low, "difference_high": c.difference.high}
        row = (s.cell.task, s.cell.method, s.cell.length)
        model = paper.model_of(value(s.cell, MODEL))
        printed = paper.scores().get((model, *row)) if {*others} <= {MODEL} else None
        if printed:
            line |= {"paper_mean": printed.value, "paper_sd": printed.sd, "paper_n": printed.n}
            line["paper_table"] = printed.table
        of = {"model", "data", "precision"}
        line |= {k: " ".join(sorted({str(getattr(r, k)) for r in s.records})) for k in sorted(of)}
        commits = {r.versions.get("commit") or "unknown" for r in s.records}
        lines.append(line | {"commit": " ".join(sorted(commits))})
    return _as_csv(lines, list(lines[0]))


def _trials(summaries: Sequence[Summary]) -> str:
    """One line per cell and number k of trials: mean and deviation over draws of k runs."""
    others = varying([summary.cell for summary in summaries])
    names = ["scale", "task", "method", "length", *others]
    numbers = ["best_val", "best_val_sd", "chosen_test", "chosen_test_sd"]
    lines = []
    for s in summaries:
        own = {key: value(s.cell, key) for key in names} | {"config_id": s.cell.config_id}
        ks = range(1, s.n + 1)
        if ks:
            curves = (*stats.chosen_of(s.val, s.val, ks), *stats.chosen_of(s.val, s.test, ks))
            for k, *point in zip(ks, *(curve.tolist() for curve in curves), strict=True):
                lines.append(own | {"k": k} | dict(zip(numbers, point, strict=True)))
    return _as_csv(lines, [*names, "config_id", "k", *numbers])


def _as_csv(lines: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


_NUMBERS = (
    *("mean", "sd", "median", "min", "max", "failed", "at_chance", "marked", "val_mean"),
    *("iqm", "iqm_low", "iqm_high", f"best_val_of_{TRIALS}", f"chosen_of_{TRIALS}"),
    *("baseline", "difference", "difference_low", "difference_high"),
    *("p_student", "p_welch", "p_holm", "improvement", "sd_ratio", "p_sd", "p_sd_holm"),
    *("detectable", "paper_mean", "paper_sd", "paper_n", "paper_table"),
)
