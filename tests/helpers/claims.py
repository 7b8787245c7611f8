"""Reports made by hand, for tests of claims."""

import numpy as np

from stablebert.report.claims.registry import judge_claims
from stablebert.report.sweep_report import build_report
from tests.helpers.records import make_cell, make_record


def spaced_scores(mean, sd, n=10):
    """Scores in 0..1 at equal distances, with exactly this mean and sample standard deviation."""
    z = np.linspace(-1, 1, n)
    return (mean + sd * z / z.std(ddof=1)).tolist()


def make_report(name, scores, *, failed=None, request=None, scale="mini"):
    """A report on cells of a sweep.

    Args:
        name: Name of the sweep.
        scores: Test scores in 0..1 by (task, method, length, *pairs of parameter and value). The
            pairs may also give `paper_model` and `seeds`.
        failed: Number of failed runs by the same key.
        request: Options of the analyses.
        scale: Scale of the cells.
    """
    cells, records = [], []
    for key, values in scores.items():
        task, method, length, *pairs = key
        own = dict(pairs)
        paper_model = own.pop("paper_model", None)
        seeds = own.pop("seeds", range(len(values)))
        cell = make_cell(
            task, method, length, scale=scale, seeds=seeds, paper_model=paper_model, **own
        )
        cells.append(cell)
        count = (failed or {}).get(key, 0)
        records += [
            make_record(cell, seed, value, status="failed" if i < count else "ok")
            for i, (seed, value) in enumerate(zip(seeds, values, strict=False))
        ]
    return build_report(cells, records, name=name, request=request)


def judge(key, *reports):
    """The verdict on one claim, from some reports."""
    verdicts = judge_claims({report.name: report for report in reports})
    return next(verdict for verdict in verdicts if verdict.claim.key == key)
