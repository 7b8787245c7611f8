"""Agents of a W&B sweep on this machine: one per GPU, stopped together, with failures reported.

`wandb agent` alone exits with 0 when runs fail, and leaves its run behind when it is terminated.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stablebert.machine import usable_cores
from stablebert.tracking.sweeps import read_wandb_sweep

TERM_SECONDS = 90
"""Time that a run has to stop after a signal before its agent kills it."""
CONSECUTIVE_FAILURES = 5
"""Failed runs in a row after which an agent exits, so that a broken node does not fail a sweep."""


def run_agents(
    path: str, *, agents: int, gpus: Sequence[str] = (), count: int | None = None
) -> int:
    """Start agents and wait for them.

    SIGTERM and SIGINT are forwarded to every run, which ends as preempted; then the agents exit.

    Args:
        path: ENTITY/PROJECT/SWEEP.
        agents: Number of agents.
        gpus: Devices to distribute over the agents round-robin; empty on a CPU.
        count: Most runs of each agent.

    Returns:
        130 or 143 after a signal; 1 if an agent failed or the sweep has new failed runs; else 0.

    Raises:
        SweepError: If there is no such sweep, nobody is logged in, or the server does not answer.
    """
    earlier_failures = set(read_wandb_sweep(path).failures())
    command = [sys.executable, "-m", "wandb", "agent", "--forward-signals"]
    command += ["--term-timeout", str(TERM_SECONDS)]
    command += ["--max-consecutive-failed-runs", str(CONSECUTIVE_FAILURES)]
    command += ["--count", str(count)] if count else []
    children: list[subprocess.Popen[bytes]] = []
    with _forwarding_signals(children) as signals:
        for i in range(agents):
            if signals:
                break
            env = _environment(agents, gpus[i % len(gpus)] if gpus else None)
            # In a session of its own, so that Ctrl-C reaches each run once, through its agent.
            children.append(subprocess.Popen([*command, path], env=env, start_new_session=True))
        statuses = [child.wait() for child in children]
    if signals:
        return 128 + signals[0]
    return 1 if _report_failures(path, earlier_failures, statuses) else 0


@contextmanager
def _forwarding_signals(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Forward SIGTERM and SIGINT to the children inside the block.

    Yields:
        The signals received so far.
    """
    signals: list[int] = []

    def forward(number: int, _: object) -> None:
        signals.append(number)
        for child in children:
            child.send_signal(number)

    handlers = {n: signal.signal(n, forward) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _environment(agents: int, gpu: str | None) -> dict[str, str]:
    """Return the environment of an agent: this Python first on PATH, and limits that suit grids."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("WANDB_SERVICE", None)  # the service of this process, which ends with it
    # By default an agent exits, with status 0, after three failures in its first minute.
    env.setdefault("WANDB_AGENT_DISABLE_FLAPPING", "true")
    env.setdefault("WANDB_AGENT_MAX_INITIAL_FAILURES", "20")
    if gpu is not None:
        env["CUDA_VISIBLE_DEVICES"] = gpu
    elif agents > 1:
        env.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // agents)))
        env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return env


def _report_failures(path: str, earlier: set[str], statuses: Sequence[int]) -> bool:
    """Print the states of the sweep's runs; return whether an agent or a run failed meanwhile."""
    failed_agents = [status for status in statuses if status]
    if failed_agents:
        print(f"{len(failed_agents)} of {len(statuses)} agents failed", file=sys.stderr)
    if os.environ.get("WANDB_MODE") == "offline":
        print("runs are offline; upload them with `wandb sync wandb/offline-run-*`")
        return bool(failed_agents)
    sweep = read_wandb_sweep(path)
    states = list(sweep.states.values())
    counts = ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))) or "no run"
    print(f"{path}: {counts}")
    failures = [line for line in sweep.failures() if line not in earlier]
    for line in failures:
        print(line, file=sys.stderr)
    if failures:
        name = sweep.grid.name
        print(f"rerun: stablebert grid {name} --missing-of {path}", file=sys.stderr)
    return bool(failed_agents or failures)
