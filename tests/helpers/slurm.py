"""A real SLURM cluster on this machine: one node that claims 8 cores and two GPUs."""

import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PROGRAMS = [
    "setpriv",
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "squeue",
    "scontrol",
    "scancel",
]
NODE = platform.node().partition(".")[0]
CONFIGURATION = """
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
MessageTimeout=60
BatchStartTimeout=120
UnkillableStepTimeout=600
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES GraceTime=10 PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=high Nodes=ALL PriorityTier=10 MaxTime=INFINITE State=UP
"""
"""`cred_expire` is also the time before a requeued job may start again: two minutes by default.

The three timeouts are longer than by default, for a busy machine.
"""
HANG_SECONDS = 600


def reason_to_skip():
    """Return why SLURM cannot run here; None if it can."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed: apt install slurm-wlm munge"
    return None if os.geteuid() == 0 else "only root can start SLURM's daemons for a test"


@contextmanager
def run_slurm(folder: Path):
    """Run SLURM in the block, with all of its state in a folder; point its commands to it."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    configuration = CONFIGURATION.format(node=NODE, folder=folder, ports=free_ports(2))
    (folder / "slurm.conf").write_text(configuration)
    # the device files only have to exist
    (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/tty[0-1]\n")
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o600)
    munge_files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    socket_file = f"--socket={folder}/munge.socket"
    commands = [
        # --force: folders of pytest belong to one user, which munged refuses
        ["munged", "--foreground", "--force", socket_file, *munge_files],
        ["slurmctld", "-D", "-f", folder / "slurm.conf"],
        ["slurmd", "-D", "-f", folder / "slurm.conf"],
    ]
    daemons = []
    with pytest.MonkeyPatch.context() as patch, (folder / "daemons.log").open("w") as log:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            for command in commands:
                # daemons end with the test, even if it is killed
                command = ["setpriv", "--pdeathsig", "TERM", *command]
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
                if "munged" in command:
                    wait_for(lambda: (folder / "munge.socket").exists(), folder)
            wait_for(lambda: "idle" in ask("sinfo", "--noheader", "--format=%T"), folder)
            yield
        finally:
            cancel_all(folder)
            for daemon in reversed(daemons):
                daemon.terminate()
            for daemon in daemons:
                daemon.wait(HANG_SECONDS)


def free_ports(n):
    """Return free TCP ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


def ask(*command):
    """Return what a command prints; nothing if it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def cancel_all(folder):
    """Cancel all jobs, and wait for their end."""
    ask("scancel", f"--user={os.getuid()}", "--signal=KILL", "--full")
    ask("scancel", f"--user={os.getuid()}")
    wait_for(lambda: not ask("squeue", "--noheader"), folder)


def control(*command):
    """Execute a command of SLURM, which must work; return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def states():
    """Return the states of the jobs that have not ended, by id."""
    lines = control("squeue", "--noheader", "-o", "%i %T").splitlines()
    return dict(line.split() for line in lines)


def freeze_run(folder, job_id):
    """Stop the process of a job's run, so that its run is in progress until the job is killed.

    Returns:
        The process and the folder of the run; None if the job has no run in progress.
    """
    for history in folder.rglob("history.jsonl.*.part"):
        run = history.parent
        with suppress(FileNotFoundError, ProcessLookupError):  # the run has just ended
            process = json.loads((run / "claim.json").read_text())["pid"]
            if _job_of(process) == job_id:
                os.kill(process, signal.SIGSTOP)
                if _size_of(history):
                    return process, run
                os.kill(process, signal.SIGCONT)
    return None


def _size_of(file):
    """Return the size of a file in bytes; 0 if it does not exist."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _job_of(process):
    """Return the id of the job of a process, as squeue shows it."""
    environment = Path(f"/proc/{process}/environ").read_text().split("\0")
    values = dict(entry.split("=", 1) for entry in environment if "=" in entry)
    if "SLURM_ARRAY_JOB_ID" in values:
        return f"{values['SLURM_ARRAY_JOB_ID']}_{values['SLURM_ARRAY_TASK_ID']}"
    return values.get("SLURM_JOB_ID")


def restarts(job_id):
    """Return how often a job was requeued."""
    text = ask("scontrol", "show", "job", job_id)
    return int(text.partition("Restarts=")[2].split()[0]) if "Restarts=" in text else 0


def wait_for(condition, folder):
    """Wait until the condition holds; return its value. Fail with the logs of the daemons."""
    deadline = time.monotonic() + HANG_SECONDS
    while not (value := condition()):
        logs = [*folder.glob("*.log")]
        assert time.monotonic() < deadline, "\n".join(x.read_text()[-3000:] for x in logs)
        time.sleep(0.2)
    return value
