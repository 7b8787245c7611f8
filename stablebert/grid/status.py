"""The state of a sweep that jobs of a cluster are running, from records, claims and job states."""

from collections.abc import Sequence

from stablebert.grid.clock import Clock
from stablebert.grid.cluster import JobState
from stablebert.grid.plan import Plan
from stablebert.runs.claims import is_claimed
from stablebert.text import count_of


def describe_runs(plan: Plan, clock: Clock, states: Sequence[JobState]) -> str:
    """Describe how many runs are planned, running, done and crashed, and the remaining time."""
    claimed = [run for run in plan.missing if is_claimed(run.folder)]
    planned = len(plan.missing) + len(plan.unidentified) - len(claimed)
    text = (
        f"{count_of(plan.total, 'run')}, {planned} planned, {len(claimed)} running, "
        f"{len(plan.done)} done, {len(plan.crashed)} crashed"
    )
    if not plan.missing:
        return text
    running_jobs = [state for state in states if state.state == "RUNNING"]
    # a job that has just started has not claimed a run yet
    workers = min(len(plan.missing), max(len(claimed), len(running_jobs)) or len(states))
    if not workers:
        return f"{text}; nothing is running: submit jobs to continue"
    return f"{text}; left {clock.remaining(plan.missing, workers)} on {count_of(workers, 'worker')}"


def describe_jobs(job_ids: Sequence[str], states: Sequence[JobState]) -> str:
    """Describe the jobs that have not ended, and count the others."""
    live = [f"{state.job_id} {state.state} {state.place}" for state in states]
    return ", ".join([*live, f"{len(job_ids) - len(states)} ended"])
