"""Jobs on a SLURM cluster, submitted with submitit; the only module that knows either."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from stablebert.errors import ActionableError
from stablebert.grid.cluster import ClusterWorker, JobState
from stablebert.grid.slurm_options import SlurmOptions

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

SIGNAL_SECONDS = 120
"""Seconds before the time limit at which a job is asked to stop."""
ANSWER_SECONDS = 60
"""Longest time that squeue may take."""


class SlurmError(ActionableError):
    """SLURM cannot be used, or refuses a job."""


def check_slurm() -> None:
    """Check that jobs can be submitted from this machine.

    Raises:
        SlurmError: If submitit or SLURM's commands are missing.
    """
    if not find_spec("submitit"):
        raise SlurmError("--on slurm needs submitit: pip install 'stablebert[slurm]'")
    missing = [name for name in ("sbatch", "srun", "squeue") if not shutil.which(name)]
    if missing:
        raise SlurmError(
            f"--on slurm: {', '.join(missing)} not found in PATH; submit from a login node of the "
            "cluster (commands of a SLURM client come with `apt install slurm-client`)"
        )


@dataclass(frozen=True)
class RequeuedWorker:
    """A worker that submitit requeues at its time limit, up to three times."""

    worker: ClusterWorker

    def __call__(self) -> None:
        """Do the work."""
        self.worker()

    def checkpoint(self) -> "DelayedSubmission":
        """Return the work that is left after a signal: the same, as finished runs are skipped."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Slurm:
    """The SLURM cluster of this machine.

    Args:
        folder: Folder for the scripts and logs of jobs, shared by all nodes.
        name: Name of the jobs.
        options: Resources of each job.
    """

    def __init__(self, folder: Path, *, name: str, options: SlurmOptions):
        self._folder, self._name, self._options = folder.absolute(), name, options

    def submit(self, worker: ClusterWorker) -> str:
        """Submit a job that executes the worker; return its id.

        Raises:
            SlurmError: If SLURM refuses it.
        """
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        if "%" in str(self._folder):
            raise SlurmError(
                f"paths.runs: SLURM replaces % in the names of logs, {self._folder}; choose a "
                "folder without it"
            )
        options = self._options
        executor = SlurmExecutor(self._folder)
        executor.update_parameters(
            job_name=self._name,
            time=options.minutes,
            signal_delay_s=min(SIGNAL_SECONDS, 15 * options.minutes),
            cpus_per_task=options.cpus,
            # since 22.05, srun does not take it from sbatch
            srun_args=[f"--cpus-per-task={options.cpus}"] if options.cpus else [],
            stderr_to_stdout=True,
            additional_parameters={"requeue": True, **options.others},
        )
        try:
            return executor.submit(RequeuedWorker(worker)).job_id
        except (FailedJobError, FailedSubmissionError) as error:
            raise SlurmError(f"sbatch refused the job: {str(error).strip()}") from error

    def states(self, job_ids: Sequence[str]) -> list[JobState]:
        """Return the states of those jobs that have not ended.

        Raises:
            SlurmError: If squeue fails.
        """
        if not job_ids:
            return []
        command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%T|%R"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=ANSWER_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(getattr(error, "stderr", None) or error).strip()
            raise SlurmError(f"the states of jobs are unknown: {reason}") from error
        states = [JobState(*line.split("|", 2)) for line in done.stdout.splitlines()]
        return [state for state in states if state.job_id in job_ids]
