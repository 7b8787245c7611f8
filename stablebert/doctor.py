"""Whether runs can work here: each thing they need, looked at, and what to do where it is amiss."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from uuid import uuid4

from stablebert.config import model_folder
from stablebert.errors import ActionableError
from stablebert.glue.sources import resolve
from stablebert.glue.tasks import TASKS
from stablebert.hub import fetch_glue, fetch_model, model_files
from stablebert.schema import RunConfig
from stablebert.tracking import base_url, logged_in, probe

TORCH_SECONDS = 180
ROOM = 5e9
"""Free bytes that BERT-large, its tokens and a table's records fit in."""
TORCH = """
import json, torch
found = {"version": torch.__version__, "built": torch.version.cuda, "gpus": [], "works": {}}
for i in range(torch.cuda.device_count()):
    found["gpus"].append(torch.cuda.get_device_name(i))
device = "cuda" if found["gpus"] else "cpu"
for name, dtype in (("16", torch.float16), ("bf16", torch.bfloat16)):
    try:
        x = torch.ones(64, 64, device=device, dtype=dtype)
        found["works"][name] = bool((x @ x).isfinite().all()) and (
            device == "cpu" or name == "16" or torch.cuda.is_bf16_supported(False)
        )
    except Exception as error:
        found["works"][name] = False
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    """What one look has shown."""

    level: str
    """`ok`; `note`, which stops nothing; `problem`, which stops runs of this configuration."""
    text: str


def examine(cfg: RunConfig) -> Iterator[Finding]:
    """Look at everything that a configuration needs, in bounded time; a look that fails is told."""
    for look in (packages, torch, data, model, wandb, disk, cores):
        try:
            yield from look(cfg)
        except Exception as error:
            yield Finding("problem", f"{look.__name__}: {type(error).__name__}: {error}")


def packages(cfg: RunConfig) -> Iterator[Finding]:
    """Versions inside the ranges that this package asks for."""
    from packaging.requirements import Requirement

    wrong = []
    shown = [f"Python {sys.version.split()[0]}"]
    try:
        asked = [Requirement(line) for line in requires("stablebert") or []]
    except PackageNotFoundError:
        yield Finding("note", "packages: stablebert is not installed, so no ranges are known")
        return
    for need in asked:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(need.name)
        except PackageNotFoundError:
            wrong.append(f"{need.name} is missing, {need.specifier} is needed")
            continue
        if not need.specifier.contains(have, prereleases=True):
            wrong.append(f"{need.name} {have} is not {need.specifier}")
        if need.name in ("torch", "lightning", "transformers", "wandb"):
            shown.append(f"{need.name} {have}")
    if wrong:
        yield Finding("problem", f"packages: {'; '.join(wrong)}: pip install -U stablebert")
    else:
        yield Finding("ok", f"packages: {', '.join(shown)}")


def torch(cfg: RunConfig) -> Iterator[Finding]:
    """Torch loads, sees its GPUs, and multiplies in the precision that is asked for."""
    command = [sys.executable, "-c", TORCH]  # its crash is a finding, not ours
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        yield Finding("problem", f"torch: does not load within {TORCH_SECONDS} s")
        return
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        yield Finding("problem", f"torch: does not load: {why}; install it anew: pytorch.org")
        return
    found = json.loads(done.stdout.splitlines()[-1])
    if found["gpus"]:
        yield Finding("ok", f"torch {found['version']}: {', '.join(found['gpus'])}")
    elif shutil.which("nvidia-smi"):
        why = f"built for CUDA {found['built']}" if found["built"] else "a build without CUDA"
        text = f"torch {found['version']} sees no GPU, but there is a driver: {why}; "
        yield Finding("note", f"{text}match it to the driver's (nvidia-smi), or make setup")
    else:
        yield Finding("ok", f"torch {found['version']}: no GPU, runs on the CPU")
    wanted = str(cfg.trainer.precision)
    if wanted.endswith("-mixed") and not found["gpus"]:
        text = f"precision: {wanted} on a CPU is trained as in docs/implementation-details.md"
        yield Finding("note", f"{text} (the record says how); trainer.precision=32-true is plain")
    elif wanted.endswith("-mixed") and not found["works"][wanted.removesuffix("-mixed")]:
        yield Finding("problem", f"precision: this GPU does not multiply in {wanted}")
    else:
        yield Finding("ok", f"precision: {wanted}")


def data(cfg: RunConfig) -> Iterator[Finding]:
    """The task's data are there, or the hub is."""
    task = TASKS[cfg.task]
    if cfg.data.source == "hub":
        cached = partial(fetch_glue, task.config, cfg.data.revision, download=False)
        yield _from_hub(f"data: nyu-mll/glue {task.config}", cached)
        return
    try:
        yield Finding("ok", f"data: {resolve(cfg.data.source, task).identity}")
    except ActionableError as error:
        yield Finding("problem", f"data: {error}")


def model(cfg: RunConfig) -> Iterator[Finding]:
    """The model is there, or the hub is."""
    name = cfg.model.name
    folder = model_folder(name)
    if folder is None:
        cached = partial(fetch_model, name, cfg.model.revision, download=False)
        yield _from_hub(f"model: {name}", cached)
        return
    try:
        model_files(folder)
        yield Finding("ok", f"model: {name}")
    except ActionableError as error:
        yield Finding("problem", f"model: {error}")


def _from_hub(what: str, cached: Callable[[], Path]) -> Finding:
    from huggingface_hub import constants

    try:
        return Finding("ok", f"{what}, cached at commit {cached().name[:12]}")
    except ActionableError as error:
        missing = str(error)
    if constants.is_offline_mode():
        return Finding("problem", f"{missing}, and HF_HUB_OFFLINE is set: see stablebert prefetch")
    if silence := probe(constants.ENDPOINT):
        text = f"{missing}, and the hub does not answer ({silence})"
        return Finding("problem", f"{text}: stablebert prefetch on a machine where it does")
    free = _free(Path(constants.HF_HOME))
    text = f"{what}: will be fetched into {constants.HF_HOME} ({free / 1e9:.0f} GB free)"
    if free < ROOM:
        return Finding("problem", f"{text}: too little; set HF_HOME to another disk")
    return Finding("ok", text)


def wandb(cfg: RunConfig) -> Iterator[Finding]:
    """W&B is installed and logged in, and its server answers, as far as it is wanted."""
    mode: str = cfg.wandb.mode
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE", "online under an agent")
    if mode in ("offline", "disabled"):
        yield Finding("ok", f"W&B {version('wandb')}: {mode}")
        return
    level = "problem" if cfg.wandb.mode == "online" else "note"
    url = base_url()
    if silence := probe(url):
        yield Finding(level, f"W&B does not answer: {silence}; WANDB_MODE=offline needs no network")
        return
    if not logged_in(url):
        yield Finding(level, f"W&B: nobody is logged in on {url}: wandb login, or WANDB_API_KEY")
        return
    yield Finding("ok", f"W&B {version('wandb')}: logged in on {url}")


def disk(cfg: RunConfig) -> Iterator[Finding]:
    """Records can be written as they are: whole, linked into place."""
    cache = Path(cfg.paths.cache or os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    for key, folder in (("paths.runs", Path(cfg.paths.runs).expanduser()), ("paths.cache", cache)):
        there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        name = there / f".stablebert-{uuid4().hex}"
        try:
            name.write_text("x")
            links = _links(name)
            name.unlink()
        except OSError as error:
            yield Finding(
                "problem", f"disk: {key}={folder}: {error}; set {key} to a folder of yours"
            )
            continue
        free = _free(there)
        text = f"disk: {key}={folder}: {free / 1e9:.0f} GB free"
        if free < ROOM:
            yield Finding("note", f"{text}: little for a table of BERT-large")
        elif not links:
            yield Finding("note", f"{text}; no hard links: two processes may write one record")
        else:
            yield Finding("ok", text)


def _links(file: Path) -> bool:
    other = file.with_suffix(".link")
    try:
        os.link(file, other)
    except OSError:
        return False
    other.unlink()
    return True


def _free(folder: Path) -> int:
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free


def cores(cfg: RunConfig) -> Iterator[Finding]:
    """Threads fit the cores."""
    try:
        have = len(os.sched_getaffinity(0))
    except AttributeError:  # not on a Mac
        have = os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > have:
        text = f"cores: {have}, but OMP_NUM_THREADS={threads}: oversubscribed cores run many times"
        yield Finding("note", f"{text} slower; unset it")
    else:
        yield Finding("ok", f"cores: {have}")


def tell(findings: Sequence[Finding]) -> str:
    """A line per finding, and one for all."""
    lines = [f"{f.level:8} {f.text}" for f in findings]
    counts = {level: sum(f.level == level for f in findings) for level in ("problem", "note")}
    said = [f"{n} {level}{'s' * (n > 1)}" for level, n in counts.items() if n]
    fine = [] if counts["problem"] else ["runs of this configuration can work here"]
    return "\n".join([*lines, "; ".join([*fine, *said])])
