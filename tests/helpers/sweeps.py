"""A folder in which W&B sweeps of tiny runs are executed against a loopback server."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from stablebert.tracking.mirror import STEP
from tests.helpers.fork_server import ForkedProgram

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).parents[2]
HANG_SECONDS = 600
# Python imports sitecustomize at its start. By default agents ask for a run every five seconds.
FAST_AGENTS = """
import sys
if "agent" in sys.orig_argv and {"wandb", "stablebert.tracking.masked_wandb"} & {*sys.orig_argv}:
    import wandb.wandb_agent
    wandb.wandb_agent.Agent.POLL_INTERVAL = 0.2
"""


class SweepHome:
    """A folder with its runs, its cache and the environment of its processes.

    Args:
        folder: The folder.
        server: Loopback W&B server.
        data: Folder of the GLUE data.
        model: Folder of the model.
    """

    def __init__(self, folder, server, *, data, model):
        self.folder, self.server = folder, server
        self.fixed = {
            **{"scale": "mini", "data.source": str(data), "model.name": str(model)},
            **{"paths.runs": f"{folder}/runs", "paths.cache": f"{folder}/cache"},
            **{"trainer.max_steps": 12, "trainer.threads": 1},
        }
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(FAST_AGENTS)
        python_path = {"PYTHONPATH": f"{folder}/site{os.pathsep}{PROJECT}"}
        self.env = server.env(folder) | python_path | {"OMP_NUM_THREADS": "1"}

    def write_sweep(self, **values):
        """Write a sweep with these values per parameter, and return the file."""
        shipped = yaml.safe_load((PROJECT / "sweeps/table1.yaml").read_text("utf-8"))
        parameters = {key: {"values": options} for key, options in values.items()}
        parameters |= {k: {"value": v} for k, v in self.fixed.items() if k not in values}
        file = self.folder / f"sweep{len(list(self.folder.glob('*.yaml')))}.yaml"
        file.write_text(yaml.safe_dump(shipped | {"parameters": parameters}))
        return str(file)

    def create_sweep(self, file):
        """Create a sweep in W&B, and return ENTITY/PROJECT/SWEEP."""
        output = self.wandb("sweep", "-e", "ent", "-p", "proj", file)
        return re.search(r"wandb agent (\S+)", output)[1]

    def train_arguments(self, **values):
        """Return the arguments of one mirrored run."""
        settings = self.fixed | {"wandb.mode": "online", "wandb.entity": "ent"} | values
        return ["train", *(f"{key}={value}" for key, value in settings.items())]

    def start(self, *arguments, **env):
        """Start a `stablebert` command: a single run in a fork, as it imports most."""
        if arguments[0] == "train":
            return ForkedProgram(arguments, env=self.env | env, cwd=self.folder)
        return subprocess.Popen(
            [sys.executable, "-m", "stablebert", *arguments],
            env=self.env | env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments, **env):
        """Run a `stablebert` command, and return its status and output."""
        child = self.start(*arguments, **env)
        output, _ = child.communicate(timeout=HANG_SECONDS)
        return child.returncode, output

    def wandb(self, *arguments):
        """Run a `wandb` command, and return its output."""
        done = subprocess.run(
            [BIN / "wandb", *arguments],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=HANG_SECONDS,
        )
        return done.stdout + done.stderr

    def has_logged(self):
        """Return whether a run has logged a step and is not finished."""
        return any(p.stat().st_size for p in self.folder.glob("runs/**/history.jsonl.*.part"))

    def has_checkpoint(self):
        """Return whether a run in progress has a checkpoint."""
        return any(self.folder.glob("runs/**/checkpoint.ckpt"))

    def results(self, pattern="**"):
        """Return the result.json of each finished run."""
        return list(self.folder.glob(f"runs/{pattern}/result.json"))


def rows_of(result):
    """Return the rows that W&B must show for a finished run: the lines of its history.jsonl."""
    lines = result.with_name("history.jsonl").read_text("utf-8").splitlines()
    return [{STEP: line.pop("step"), **line} for line in map(json.loads, lines)]


def wait_until(condition, child):
    """Wait until a condition is true while a process runs."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
