"""Claims on Adam's bias correction (Section 4)."""

from scipy import special

from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import HIGHER, judge_contrast, mean_effects
from stablebert.report.claims.pairs import Pairs, cells_with, pair_cells, results_of
from stablebert.report.compare import adjust_p_values
from stablebert.report.statistics.cost import clopper_pearson
from stablebert.report.statistics.scores import ALPHA
from stablebert.report.statistics.shares import fisher_test

BIAS_CORRECTION = "bias_correction"
_MANY = 0.1
"""Share of failed runs that the claim of many failures implies at least."""


def _judge_means(reports: Reports) -> Evidence:
    return judge_contrast(
        correction_pairs(reports),
        mean_effects,
        phrase="Mean test score with bias correction against without",
        words=HIGHER,
    )


def _judge_failures(reports: Reports) -> Evidence:
    return judge_contrast(
        failure_pairs(reports),
        _failure_effects,
        phrase="Failed runs without bias correction against those with it",
        words=("significantly more", "fewer than claimed"),
    )


def correction_pairs(reports: Reports) -> Pairs:
    """Return runs with bias correction, each with the runs without it as the baseline."""
    return pair_cells(
        results_of(reports, BIAS_CORRECTION),
        base=cells_with(method="bert_adam"),
        other=cells_with(method="standard"),
    )


def failure_pairs(reports: Reports) -> Pairs:
    """Return runs without bias correction, each with the runs with it as the baseline."""
    return pair_cells(
        results_of(reports, BIAS_CORRECTION),
        base=cells_with(method="standard"),
        other=cells_with(method="bert_adam"),
    )


def _failure_effects(pairs: Pairs) -> list[Effect]:
    """Return the shares of runs that fail without bias correction.

    They are compared with the shares that fail with it. If that decides nothing, the claim is still
    excluded where few runs fail on every task.
    """
    own = list(pairs.by_subject.values())
    p_values = [fisher_test(a.failed, a.n, b.failed, b.n) for a, b in own]
    adjusted_p = adjust_p_values(p_values, own)
    p_of_many = max(float(special.bdtr(b.failed, b.n, _MANY)) for _, b in own)
    is_rare = min(adjusted_p) >= ALPHA and p_of_many < ALPHA
    return [
        Effect(
            subject=subject,
            quantity="share of failed runs",
            value=clopper_pearson(b.failed, b.n).scaled(100),
            unit="% of the runs",
            p=p_of_many if is_rare else p,
            as_claimed=b.failed * a.n > a.failed * b.n and not is_rare,
            significant=p < ALPHA or is_rare,
            is_difference=False,
            text=f"{b.failed} of {b.n} against {a.failed} of {a.n}",
        )
        for (subject, (a, b)), p in zip(pairs.by_subject.items(), adjusted_p, strict=True)
    ]


WORSE_MEAN = Claim(
    key="C1",
    text="Without bias correction, the mean score is lower",
    place="Fig. 2, Section 4",
    sweeps=(BIAS_CORRECTION,),
    test="Welch's test",
    judge=_judge_means,
    headline="Bias correction raises the mean score",
)
FAILURES = Claim(
    key="C2",
    text="Without bias correction, many runs fail (48% of the paper's runs on RTE)",
    place="Section 4",
    sweeps=(BIAS_CORRECTION,),
    test="Fisher's exact test",
    judge=_judge_failures,
)
