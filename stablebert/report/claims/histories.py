"""Claims on the course of training, which need the histories of runs."""

from stablebert.report.claims.base import Claim, Evidence, Reports

_REASON = "Needs the histories of runs (history.jsonl in their folders), which are not here."


def _judge_convergence(reports: Reports) -> Evidence:
    return Evidence(sentence=_REASON if "table1" in reports else "")


def _judge_weight_change(reports: Reports) -> Evidence:
    return Evidence(sentence=_REASON if "weight_change" in reports else "")


CONVERGENCE = Claim(
    key="C7",
    text="Re-init converges faster",
    place="Fig. 6",
    sweeps=("table1",),
    test="Welch's test",
    judge=_judge_convergence,
)
WEIGHT_CHANGE = Claim(
    key="C10",
    text="With Re-init, the top layers move less from their start",
    place="Figs. 7 and 15 to 18",
    sweeps=("weight_change", "table1"),
    test="Welch's test",
    judge=_judge_weight_change,
)
