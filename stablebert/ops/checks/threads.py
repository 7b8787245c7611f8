"""Threads and processor cores."""

import os
from collections.abc import Iterator

from stablebert.config.schema import RunConfig
from stablebert.machine import usable_cores
from stablebert.ops.finding import Finding


def check_threads(cfg: RunConfig) -> Iterator[Finding]:
    """Compare the requested threads with the cores that this process may use."""
    cores = usable_cores()
    variable = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(variable) if variable.isdecimal() else 0
    excessive = [f"OMP_NUM_THREADS={threads}"] if threads > cores else []
    if cfg.trainer.threads and cfg.trainer.threads > cores:
        excessive.append(f"trainer.threads={cfg.trainer.threads}")
    if excessive:
        text = f"cores: {cores} for this process, but {' and '.join(excessive)}"
        yield Finding("note", f"{text}: more threads than cores run many times slower: lower it")
    else:
        setting = f"OMP_NUM_THREADS={variable}" if variable else "OMP_NUM_THREADS is not set"
        yield Finding("ok", f"cores: {cores} for this process; {setting}")
