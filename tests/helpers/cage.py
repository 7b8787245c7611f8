"""A memory cgroup for the workers of a grid, free of torch, which they import in it."""

import os
import re
from contextlib import suppress
from pathlib import Path

from stablebert.grid import worker

# files of a memory cgroup by version: its limit, its count of kills, what keeps it from swapping
CGROUP = {
    "cgroup": ("memory.limit_in_bytes", "memory.oom_control", "memory.swappiness"),
    "cgroup2": ("memory.max", "memory.events", "memory.swap.max"),
}


class Cage:
    """Memory cgroup below that of this process."""

    def __init__(self):
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        own = {kind: path for _, kinds, path in lines for kind in kinds.split(",")}
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        kinds = {"cgroup": "memory", "cgroup2": ""}
        (version, root), *_ = sorted(
            (version, Path(root + own[kinds[version]]))
            for _, root, version, options, *_ in mounts
            if version == "cgroup2" or (version == "cgroup" and "memory" in options.split(","))
        )
        self._limit, self._events, swap = CGROUP[version]
        self.folder = root / f"stablebert-{os.getpid()}"
        if version == "cgroup2":
            (root / "cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()
        with suppress(OSError):  # a kernel without swap has no such file
            (self.folder / swap).write_text("0")

    def limit(self, size):
        """Limit the memory to a number of bytes."""
        (self.folder / self._limit).write_text(str(size))

    @property
    def kills(self):
        """Number of processes that the OOM killer has ended."""
        return int(re.search(r"oom_kill (\d+)", (self.folder / self._events).read_text())[1])


def work_in_cage(pipe, number, threads, own_tasks):
    """Do jobs with little memory; the target of a worker process."""
    (Path(os.environ["STABLEBERT_TEST_CAGE"]) / "cgroup.procs").write_text(str(os.getpid()))
    worker.work(pipe, number, threads, own_tasks)
