"""Agents of a W&B sweep on this machine: one per GPU, stopped together, with failures reported.

`wandb agent` alone exits with 0 when runs fail, and leaves its run behind when it is terminated.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from stablebert.config.own_tasks import command_line
from stablebert.config.schema import KEYS
from stablebert.config.sweep_command import ARGUMENTS, TRAIN_COMMAND
from stablebert.machine import usable_cores
from stablebert.signals import END_WITH_PARENT, end_with_parent
from stablebert.text import count_of, escape_controls
from stablebert.tracking.outage import share_outages
from stablebert.tracking.sweeps import SweepError, read_wandb_sweep

TERM_SECONDS = 90
"""Time that a run has to stop after a signal before its agent kills it."""
STOP_SECONDS = TERM_SECONDS + 30
"""Time that an agent has to stop before it is killed."""
CONSECUTIVE_FAILURES = 5
"""Failed runs in a row after which an agent exits, so that a broken node does not fail a sweep."""


def run_agents(
    path: str,
    *,
    agents: int,
    gpus: Sequence[str] = (),
    count: int | None = None,
    any_command: bool = False,
) -> int:
    """Start agents and wait for them.

    When this process is asked to stop, or ends for any other reason, every run ends as preempted
    and every agent exits.

    Args:
        path: ENTITY/PROJECT/SWEEP.
        agents: Number of agents.
        gpus: Devices to distribute over the agents round-robin; empty on a CPU.
        count: Most runs of each agent.
        any_command: Whether to execute whatever command the sweep names.

    Returns:
        1 if an agent failed, or the sweep has new failed runs or no run at all; else 0.

    Raises:
        SweepError: If there is no such sweep, its command is not that of this package, nobody is
            logged in, or the server does not answer.
    """
    sweep = read_wandb_sweep(path)
    if not any_command:
        check_command(path, sweep.config.get("command"))
    earlier_failures = set(sweep.failures())
    command = [sys.executable, "-m", "stablebert.tracking.masked_wandb", "agent"]
    command += ["--forward-signals"]
    command += ["--term-timeout", str(TERM_SECONDS)]
    command += ["--max-consecutive-failed-runs", str(CONSECUTIVE_FAILURES)]
    command += ["--count", str(count)] if count else []
    children: list[subprocess.Popen[bytes]] = []
    with share_outages():
        try:
            for i in range(agents):
                env = _environment(agents, gpus[i % len(gpus)] if gpus else None)
                children.append(_start([*command, path], env))
            statuses = [child.wait() for child in children]
        except (KeyboardInterrupt, SystemExit):
            _stop(children)
            raise
    return 1 if _report_failures(path, earlier_failures, statuses) else 0


def check_command(path: str, command: Any) -> None:
    """Check that a sweep's command only trains runs of this package.

    Anyone who may write to a W&B project can create a sweep. Its agents execute whatever command
    it names, with the API key in their environment.

    Args:
        path: ENTITY/PROJECT/SWEEP.
        command: `command` of the sweep.

    Raises:
        SweepError: If it does anything else.
    """
    items = command if isinstance(command, list) else [command]
    start, overrides = items[: len(TRAIN_COMMAND)], items[len(TRAIN_COMMAND) :]
    if start == TRAIN_COMMAND and all(map(_is_override, overrides)):
        return
    raise SweepError(
        f"{path}: its command is {' '.join(map(str, items))}; expected {' '.join(TRAIN_COMMAND)} "
        f"KEY=VALUE... {ARGUMENTS}; --any-command executes it, with your API key in its "
        "environment"
    )


def _is_override(item: object) -> bool:
    """Return whether an argument is KEY=VALUE, or stands for those of a run."""
    key, _, value = str(item).partition("=")
    return item == ARGUMENTS or (key in KEYS and "${" not in value)


def _start(command: Sequence[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start an agent that ends with this process."""
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,  # it must not ask for a login
        start_new_session=True,  # so that Ctrl-C reaches each run once, through its agent
        preexec_fn=partial(end_with_parent, os.getpid()),
    )


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop agents, which stop their runs; kill those that take too long."""
    for child in children:
        child.terminate()
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
        child.kill()
        child.wait()


def _environment(agents: int, gpu: str | None) -> dict[str, str]:
    """Return the environment of an agent: this Python first on PATH, and limits that suit grids."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env[END_WITH_PARENT] = "1"  # for the runs, whose parent is the agent
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
    """Print the states of the sweep's runs; return whether any failed or there is none."""
    failed_agents = [status for status in statuses if status]
    if failed_agents:
        print(f"{len(failed_agents)} of {count_of(len(statuses), 'agent')} failed", file=sys.stderr)
    if os.environ.get("WANDB_MODE") == "offline":
        print("runs are offline; upload them with `wandb sync wandb/offline-run-*`")
        return bool(failed_agents)
    sweep = read_wandb_sweep(path)
    states = list(sweep.states.values())
    counts = ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))) or "no run"
    print(escape_controls(f"{path}: {counts}"))
    failures = [line for line in sweep.failures() if line not in earlier]
    for line in failures:
        print(escape_controls(line), file=sys.stderr)
    if failures:
        command = command_line("grid", sweep.name, "--missing-of", path)
        print(escape_controls(f"rerun: {command}"), file=sys.stderr)
    return bool(failed_agents or failures or not states)
