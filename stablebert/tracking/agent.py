"""Agents of a W&B sweep on this machine: one per GPU, ended together, honest about failures."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stablebert.machine import usable_cores
from stablebert.tracking.sweeps import read_wandb_sweep

TERM_SECONDS = 90
"""What a run has to close itself, before its agent kills it."""
CONSECUTIVE_FAILURES = 5
"""After which an agent leaves: a broken node must not eat the grid."""


def run_agents(
    path: str, *, agents: int, gpus: Sequence[str] = (), count: int | None = None
) -> int:
    """Start agents and wait for them.

    SIGTERM and SIGINT reach every run, which ends as pre-empted; then the agents end.

    Args:
        path: ENTITY/PROJECT/SWEEP.
        agents: how many.
        gpus: devices that they share, in turns; none on a CPU.
        count: most runs of each.

    Returns:
        130 or 143 after a signal; 1 if an agent failed or the sweep has failed runs; 0 otherwise.

    Raises:
        SweepError: no such sweep, nobody is logged in, or the server does not answer.
    """
    before = set(read_wandb_sweep(path).failures())
    command = [sys.executable, "-m", "wandb", "agent", "--forward-signals"]
    command += ["--term-timeout", str(TERM_SECONDS)]
    command += ["--max-consecutive-failed-runs", str(CONSECUTIVE_FAILURES)]
    command += ["--count", str(count)] if count else []
    received: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _: object) -> None:
        received.append(number)
        for child in running:
            child.send_signal(number)

    handlers = {n: signal.signal(n, forward) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        for i in range(agents):
            if received:
                break
            env = _environment(agents, gpus[i % len(gpus)] if gpus else None)
            # a group of its own: Ctrl-C reaches each run once, through its agent
            running.append(subprocess.Popen([*command, path], env=env, start_new_session=True))
        statuses = [child.wait() for child in running]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        return 128 + received[0]
    return 1 if _tell(path, before, statuses) else 0


def _environment(agents: int, gpu: str | None) -> dict[str, str]:
    """Of an agent: this Python first, and the limits of an agent that means it."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("WANDB_SERVICE", None)  # ours, which ends with us
    # else an agent leaves, with exit code 0, after three failures in its first minute
    env.setdefault("WANDB_AGENT_DISABLE_FLAPPING", "true")
    env.setdefault("WANDB_AGENT_MAX_INITIAL_FAILURES", "20")
    if gpu is not None:
        env["CUDA_VISIBLE_DEVICES"] = gpu
    elif agents > 1:
        env.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // agents)))
        env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return env


def _tell(path: str, before: set[str], statuses: Sequence[int]) -> bool:
    """Say how the sweep stands; whether something failed while we were at it."""
    if broken := [status for status in statuses if status]:
        print(f"{len(broken)} of {len(statuses)} agents failed", file=sys.stderr)
    if os.environ.get("WANDB_MODE") == "offline":
        print("runs are offline: `wandb sync wandb/offline-run-*`, then W&B knows how they ended")
        return bool(broken)
    found = read_wandb_sweep(path)
    states = list(found.states.values())
    counts = ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))) or "no run"
    print(f"{path}: {counts}")
    failed = [line for line in found.failures() if line not in before]
    for line in failed:
        print(line, file=sys.stderr)
    if failed:
        name = found.grid.name
        print(f"rerun: stablebert grid {name} --missing-of {path}", file=sys.stderr)
    return bool(broken or failed)
