"""Checks of this machine: each requirement of a run, and what to do if it is not met.

Every check ends within seconds or minutes, and a check that fails or hangs is a finding too. Torch
is loaded only in another process, because it may be what is broken.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.ops.checks.accelerator import TORCH_SECONDS, check_torch
from stablebert.ops.checks.disk import check_disk
from stablebert.ops.checks.hub import check_data, check_hub, check_model
from stablebert.ops.checks.model import check_model_files
from stablebert.ops.checks.packages import check_packages
from stablebert.ops.checks.threads import check_threads
from stablebert.ops.checks.wandb import check_wandb
from stablebert.ops.finding import Finding, Level
from stablebert.text import count_of
from stablebert.timeouts import run_with_timeout


def _always(cfg: RunConfig) -> bool:
    return True


def _never(cfg: RunConfig) -> bool:
    return False


def _online(cfg: RunConfig) -> bool:
    return cfg.wandb.mode == "online"


@dataclass(frozen=True)
class Check:
    """A check and how to treat its own failure.

    Attributes:
        name: Name in messages.
        run: Yields the findings.
        is_essential: Returns whether runs of a configuration cannot work if the check fails.
        seconds: Time limit.
    """

    name: str
    run: Callable[[RunConfig], Iterable[Finding]]
    is_essential: Callable[[RunConfig], bool] = _always
    seconds: float = 60


CHECKS = [
    Check("packages", check_packages),
    Check("torch", check_torch, seconds=60 + TORCH_SECONDS),
    Check("hub", check_hub, is_essential=_never),
    Check("data", check_data),
    Check("model", check_model),
    Check("model", check_model_files, seconds=60 + TORCH_SECONDS),
    Check("wandb", check_wandb, is_essential=_online),
    Check("disk", check_disk),
    Check("cores", check_threads, is_essential=_never),
]


def diagnose(cfg: RunConfig, say: Callable[[str], None] = print) -> bool:
    """Run all checks; report a line for each finding as it comes, and a summary.

    Returns:
        True if runs of the configuration can work here.
    """
    counts = {"problem": 0, "note": 0, "ok": 0}
    for finding in examine(cfg):
        counts[finding.level] += 1
        say(str(finding))
    summary = [count_of(n, level) for level, n in counts.items() if n and level != "ok"]
    if not counts["problem"]:
        summary.insert(0, "runs of this configuration can work here")
    else:
        summary.append("runs of this configuration cannot work here")
    say("; ".join(summary))
    return not counts["problem"]


def examine(cfg: RunConfig) -> Iterator[Finding]:
    """Run all checks in bounded time; a check that fails or hangs yields a finding too."""
    for check in CHECKS:
        findings: list[Finding] = []
        try:
            run_with_timeout(check.seconds, partial(_collect, check, cfg, findings))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, ActionableError):
                reason = str(error)
            level: Level = "problem" if check.is_essential(cfg) else "note"
            findings.append(Finding(level, f"{check.name}: {reason}"))
        yield from tuple(findings)


def _collect(check: Check, cfg: RunConfig, findings: list[Finding]) -> None:
    """Append the findings one by one, so that those before a failure are kept."""
    for finding in check.run(cfg):
        findings.append(finding)
