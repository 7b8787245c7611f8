"""Whether runs can work here: each thing they need, looked at, and what to do where it is amiss.

Every look ends within seconds or minutes of its own, and one that fails or hangs is a finding like
any other. Torch is loaded in another process only, as it may be what is broken.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any
from uuid import uuid4

from stablebert.config.files import model_folder
from stablebert.config.identity import prerequisite
from stablebert.config.schema import RunConfig
from stablebert.errors import ActionableError
from stablebert.glue.sources import resolve
from stablebert.hub import GLUE, ask, fetch_glue, fetch_model, model_files
from stablebert.machine import usable_cores
from stablebert.runs.locate import cache_folder
from stablebert.tasks import TASKS
from stablebert.timeouts import run_with_timeout
from stablebert.tracking.client import (
    PROBE_SECONDS,
    UnknownLoginError,
    connection_problem,
    login_problem,
    server_url,
)

TORCH_SECONDS = 180  # from a cold network disk
LOOK_SECONDS = 60
OLD_SECONDS = 3600
ROOM = 5e9
"""Free bytes that BERT-large, its tokens and a table's records fit in."""
TRIAL = 2**20
"""Bytes that are written on trial, more than a run leaves."""
TORCH = """
import json, subprocess, warnings, torch
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
found = {"version": torch.__version__, "built": torch.version.cuda, "devices": {}}
found["said"] = [str(w.message) for w in said]
found["names"] = [torch.cuda.get_device_name(i) for i in range(gpus)]
found["emulated"] = bool(gpus) and not torch.cuda.is_bf16_supported(False)
kinds = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16, "32-true": None}
for device in ["cpu", *(f"cuda:{i}" for i in range(gpus))]:
    wrong = found["devices"][device] = {}
    for name, dtype in kinds.items():
        try:
            x = torch.ones(64, 64, device=device)
            kind = device.partition(":")[0]
            with torch.autocast(kind, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                y = x @ x
            if y.dtype != (dtype or x.dtype) or not bool((y == 64).all()):
                wrong[name] = "wrong numbers"
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    """What one look has shown."""

    level: str
    """`ok`; `note`, which stops nothing; `problem`, which stops runs of this configuration."""
    text: str

    def __str__(self) -> str:
        return f"{self.level:8} {' '.join(self.text.split())}"


def diagnose(cfg: RunConfig, say: Callable[[str], None] = print) -> bool:
    """Look at everything and say a line for each finding, as it comes, and one for all.

    Returns:
        Whether runs of the configuration can work here.
    """
    counts = {"problem": 0, "note": 0, "ok": 0}
    for finding in examine(cfg):
        counts[finding.level] += 1
        say(str(finding))
    said = [f"{n} {level}{'s' * (n > 1)}" for level, n in counts.items() if n and level != "ok"]
    if not counts["problem"]:
        said.insert(0, "runs of this configuration can work here")
    else:
        said.append("runs of this configuration cannot work here")
    say("; ".join(said))
    return not counts["problem"]


def examine(cfg: RunConfig) -> Iterator[Finding]:
    """Look at everything that a configuration needs, in bounded time; a look that fails is told."""
    for look in (packages, torch, hub, data, model, wandb, disk, cores):
        found: list[Finding] = []
        stops = look not in (hub, wandb, cores) or (look is wandb and cfg.wandb.mode == "online")
        limit = LOOK_SECONDS + (TORCH_SECONDS if look is torch else 0)
        try:
            run_with_timeout(limit, partial(_collect, look, cfg, found))
        except Exception as error:
            why = str(error) if isinstance(error, ActionableError) else _named(error)
            found.append(Finding("problem" if stops else "note", f"{look.__name__}: {why}"))
        yield from tuple(found)


def _collect(
    look: Callable[[RunConfig], Iterable[Finding]], cfg: RunConfig, found: list[Finding]
) -> None:
    for finding in look(cfg):
        found.append(finding)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def packages(cfg: RunConfig) -> Iterator[Finding]:
    """Versions inside the ranges that this package asks for."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    python = platform.python_version()
    shown, wrong, install = [f"Python {python}"], [], []
    try:
        asked = [Requirement(line) for line in requires("stablebert") or []]
        pythons = SpecifierSet(metadata("stablebert")["Requires-Python"] or "")
    except PackageNotFoundError:
        yield Finding("note", "packages: stablebert is not installed, so no ranges are known")
        return
    if not pythons.contains(python, prereleases=True):
        yield Finding("problem", f"packages: Python {python} is not {pythons}: make PYTHON=...")
    for need in asked:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(need.name)
        except PackageNotFoundError:
            wrong.append(f"{need.name} is missing, {need.specifier} is needed")
            install.append(f"'{need.name}{need.specifier}'")
            continue
        if not need.specifier.contains(have, prereleases=True):
            wrong.append(f"{need.name} {have} is not {need.specifier}")
            install.append(f"'{need.name}{need.specifier}'")
        if need.name in ("torch", "lightning", "transformers", "wandb"):
            shown.append(f"{need.name} {have}")
    if wrong:
        what = f"{sys.executable} -m pip install {' '.join(install)}"
        yield Finding("problem", f"packages: {'; '.join(wrong)}: {what}")
    else:
        yield Finding("ok", f"packages: {', '.join(shown)}")


def torch(cfg: RunConfig) -> Iterator[Finding]:
    """Torch loads, sees its GPUs, and multiplies in the precision that is asked for."""
    command = [sys.executable, "-c", TORCH]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        yield Finding("problem", f"torch: does not load within {TORCH_SECONDS} s: a slow disk?")
        return
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        yield Finding("problem", f"torch: does not load: {why}; install it anew: pytorch.org")
        return
    found = json.loads(done.stdout.splitlines()[-1])
    built = f"CUDA {found['built']}" if found["built"] else "CPUs"
    build = f"torch {found['version']}, built for {built}"
    gpus = found["names"]
    driver, silence = _driver()
    if gpus:
        yield Finding("ok", f"{build}: {', '.join(gpus)}; driver {driver or 'unknown'}")
    elif driver or silence:
        seen = [silence or f"driver {driver}", *found["said"]]
        if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
            seen.append(f"CUDA_VISIBLE_DEVICES={visible!r}")
        todo = "a build that fits the driver" if found["built"] else "make setup TORCH=default"
        todo = "the driver first (nvidia-smi)" if silence else todo
        yield Finding("note", f"{build}, sees no GPU: {'; '.join(seen)}: {todo}")
    else:
        yield Finding("ok", f"{build}: no GPU, runs are on the CPU")
    yield from _precision(cfg, found)


def _driver() -> tuple[str, str]:
    """Version of the NVIDIA driver, or why it does not tell; both empty where there is none."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=PROBE_SECONDS * 4)
    except FileNotFoundError:
        return "", ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"nvidia-smi: {error}"
    said = (done.stdout + done.stderr).strip().splitlines() or ["says nothing"]
    return ("", f"nvidia-smi: {said[0]}") if done.returncode else (said[0], "")


def _precision(cfg: RunConfig, found: dict[str, Any]) -> Iterator[Finding]:
    """What was asked for, multiplied on every device that runs may get."""
    gpus = [name for name in found["devices"] if name != "cpu"]
    if cfg.trainer.accelerator == "cuda" and not gpus:
        text = "trainer.accelerator=cuda: torch sees no GPU; auto takes the CPU then"
        yield Finding("problem", f"precision: {text}")
        return
    asked = str(cfg.trainer.precision)
    devices = gpus if cfg.trainer.accelerator != "cpu" and gpus else ["cpu"]
    on_gpu = devices != ["cpu"]
    got = asked.replace("auto", "16-mixed" if on_gpu else "32-true")
    if not on_gpu and got == "16-mixed":  # Lightning takes the other one there
        got = "bf16-mixed"
    text = "precision: " + (asked if got == asked else f"{asked}, which is {got} here")
    broken = [f"{d}: {found['devices'][d][got]}" for d in devices if got in found["devices"][d]]
    if broken:
        works = [p for p in ("32-true", "16-mixed") if p not in found["devices"][devices[0]]]
        todo = f"trainer.precision={works[0]}" if works else "a torch built for this device"
        yield Finding("problem", f"{text}: fails on {'; '.join(broken)}: {todo}")
    elif got == "bf16-mixed" and on_gpu and found["emulated"]:
        yield Finding("note", f"{text}: emulated on this GPU, so slow; 16-mixed is not")
    elif got != asked != "auto":
        yield Finding("note", f"{text} (the record says so)")
    else:
        yield Finding("ok", text)


def hub(cfg: RunConfig) -> Iterator[Finding]:
    """Where snapshots are kept, and whether the hub answers."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    free = _free(folder)
    text = f"hub: cache {folder} (HF_HOME), {free / 1e9:.0f} GB free"
    if constants.HF_HUB_OFFLINE:
        yield Finding("ok", f"{text}; HF_HUB_OFFLINE is set, so nothing is asked or fetched")
    elif silence := _silence_of_hub():
        todo = "only what is cached can be used, and with HF_HUB_OFFLINE=1 at once"
        yield Finding("note", f"{text}; the hub does not answer ({silence}): {todo}")
    else:
        yield Finding("ok", f"{text}; {constants.ENDPOINT} answers")
    if free < ROOM and not constants.HF_HUB_OFFLINE:
        todo = "set HF_HOME to another disk"
        yield Finding("note", f"hub: {free / 1e9:.1f} GB are little for BERT-large: {todo}")
    parts = [f.stat() for f in folder.glob("*/blobs/*.incomplete")]
    old = [part.st_size for part in parts if time.time() - part.st_mtime > OLD_SECONDS]
    if old:
        text = f"hub: {len(old)} unfinished downloads of {sum(old) / 1e9:.1f} GB, never resumed"
        yield Finding("note", f"{text}: rm {folder}/*/blobs/*.incomplete")


@cache
def _silence_of_hub() -> str:
    """Why the hub does not answer; empty if it does. By its own client: proxies, certificates."""
    import huggingface_hub as hf
    from huggingface_hub import constants

    def head() -> str:
        answer = hf.get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS)
        return "" if answer.status_code < 500 else f"it says {answer.status_code}"

    try:
        said = run_with_timeout(PROBE_SECONDS + 1, head)  # names are looked up without a limit
    except Exception as error:
        said = _named(error)
    return f"{constants.ENDPOINT}: {said}" if said else ""


def data(cfg: RunConfig) -> Iterator[Finding]:
    """The data are there, or on a hub that answers; also those of the run it starts from."""
    for run in (cfg, prerequisite(cfg)):
        if run is None:
            continue
        task, source, at = TASKS[run.task], run.data.source, run.data.revision
        if source == "hub":
            cached = partial(fetch_glue, task.config, at, download=False)
            asked = partial(ask, GLUE, kind="dataset", revision=at)
            yield _from_hub(f"data: {GLUE} {task.config}", cached, asked)
        else:
            yield _local(f"data: {source} {task.config}", partial(resolve, source, task))


def model(cfg: RunConfig) -> Iterator[Finding]:
    """The model is there, or on a hub that answers."""
    name, at = cfg.model.name, cfg.model.revision
    if folder := model_folder(name):
        yield _local(f"model: {name}", partial(model_files, folder))
    else:
        cached = partial(fetch_model, name, at, download=False)
        yield _from_hub(f"model: {name}", cached, partial(ask, name, revision=at))


def _local(what: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except ActionableError as error:
        return Finding("problem", str(error))
    return Finding("ok", what)


def _from_hub(what: str, cached: Callable[[], Path], asked: Callable[[], str]) -> Finding:
    from huggingface_hub import constants

    try:
        return Finding("ok", f"{what}, cached at commit {cached().name[:12]}")
    except ActionableError as error:
        missing = str(error)
    if constants.HF_HUB_OFFLINE:
        return Finding("problem", f"{missing}, and HF_HUB_OFFLINE is set: see stablebert prefetch")
    if _silence_of_hub():
        text = f"{missing}, and the hub does not answer"
        return Finding("problem", f"{text}: stablebert prefetch on a machine where it does")
    try:
        commit = asked()
    except ActionableError as error:
        return Finding("problem", str(error))
    folder = Path(constants.HF_HUB_CACHE)
    if refusal := _refusal(folder)[0]:
        text = f"{what}: is to be fetched, but {folder} cannot be written"
        return Finding("problem", f"{text}: {refusal}: set HF_HOME to a folder of yours")
    return Finding("ok", f"{what}, will be fetched from the hub, at commit {commit[:12]}")


def wandb(cfg: RunConfig) -> Iterator[Finding]:
    """W&B is installed, wanted or not, answers, and knows who is logged in."""
    asked, typed = os.environ.get("WANDB_MODE"), str(cfg.wandb.mode)
    mode = typed if typed != "auto" else asked or "online"
    shown = "WANDB_MODE " + (f"is {asked}" if asked else "is not set")
    said = f"wandb.mode={typed}" + (f", on under a sweep's agent only, {shown}" * (typed == "auto"))
    if mode not in ("online", "offline", "disabled"):
        text = f"{said}: which is none of online, offline, disabled: sweeps would show nothing"
        yield Finding("note", f"W&B: {text}")
        return
    if mode != "online":
        yield Finding("ok", f"W&B {version('wandb')}: {said}, so no server is asked")
        return
    yield Finding("ok", f"W&B {version('wandb')}: {said}")
    level = "problem" if typed == "online" else "note"
    url = server_url()
    try:
        silence = run_with_timeout(PROBE_SECONDS + 1, partial(connection_problem, url))
    except TimeoutError as error:
        silence = f"{url}: {error}"
    if silence:
        todo = "WANDB_MODE=offline needs no network, WANDB_BASE_URL is another server"
        yield Finding(level, f"W&B: no answer from {silence}: {todo}")
    else:
        yield Finding("ok", f"W&B: {url} answers")
    yield _login(url, level)


def _login(url: str, level: str) -> Finding:
    """What the client knows of a key, which is not printed."""
    try:
        problem = login_problem(url)
    except UnknownLoginError:
        return Finding("note", "W&B: this version does not tell who is logged in: wandb login")
    if problem:
        return Finding(level, f"W&B: {problem}")
    return Finding("ok", f"W&B: logged in on {url} (the key itself is not tried)")


def disk(cfg: RunConfig) -> Iterator[Finding]:
    """Records can be written as they are: whole, linked into place or renamed."""
    cached = cache_folder(cfg.paths.cache)
    for key, folder in (("paths.runs", Path(cfg.paths.runs).expanduser()), ("paths.cache", cached)):
        text = f"disk: {key}={folder}"
        refusal, links = _refusal(folder)
        if refusal:
            todo = f"set {key} to a folder of yours with some room"
            yield Finding("problem", f"{text}: {refusal}: {todo}")
            continue
        free = _free(folder)
        text += f": {free / 1e9:.0f} GB free, can be written"
        if free < ROOM:
            yield Finding("note", f"{text}; little for a table of BERT-large")
        elif not links:
            text += "; no hard links: two processes that finish one run at one moment may both"
            yield Finding("note", f"{text} leave its record, the later one stands")
        else:
            yield Finding("ok", text)


def _refusal(folder: Path) -> tuple[str, bool]:
    """Why nothing can be written and renamed in a folder, or where it will be; and of hard links.

    Returns:
        The reason, empty if there is none, and whether there are hard links.
    """
    there = _existing(folder)
    trial = there / f".stablebert-{uuid4().hex}"
    linked, renamed = trial.with_suffix(".link"), trial.with_suffix(".name")
    links = True
    try:
        try:
            trial.write_bytes(bytes(TRIAL))
            try:
                os.link(trial, linked)
            except OSError:
                links = False
            trial.replace(renamed)
        finally:
            for file in (trial, linked, renamed):
                file.unlink(missing_ok=True)
    except OSError as error:
        return f"{there}: {error.strerror or error}", links
    return "", links


def _existing(folder: Path) -> Path:
    whole = folder.absolute()  # os.path: what may not be looked into is no error there
    return next(p for p in (whole, *whole.parents) if os.path.exists(p))


def _free(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def cores(cfg: RunConfig) -> Iterator[Finding]:
    """Threads fit the cores."""
    have = usable_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdigit() else 0
    many = [f"OMP_NUM_THREADS={threads}"] if threads > have else []
    if cfg.trainer.threads and cfg.trainer.threads > have:
        many.append(f"trainer.threads={cfg.trainer.threads}")
    shown = f"OMP_NUM_THREADS={asked}" if asked else "OMP_NUM_THREADS is not set"
    if many:
        text = f"cores: {have} for this process, but {' and '.join(many)}"
        yield Finding("note", f"{text}: more threads than cores run many times slower: lower it")
    else:
        yield Finding("ok", f"cores: {have} for this process; {shown}")
