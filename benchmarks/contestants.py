"""The contestants: each trains the same model on the same batches, in a process of its own.

| name | what |
| --- | --- |
| `released` | the paper's released recipe: a plain loop, all padded to 128, eager attention |
| `hf_default` | Hugging Face's Trainer as its `run_glue.py` uses it with the documented flags |
| `hf_tuned` | the same Trainer tuned: dynamic padding, no checkpoints, larger eval batch |
| `ours` | `stablebert.training.lifecycle.train`, all monitors on |

With `_mixed` after its name a contestant trains in mixed precision: fp16 on a GPU, bf16 on a CPU.
All take their data, batch size, rates, clipping and steps from one configuration of ours.
A contestant is a function that prepares everything and returns the training, so that only the
latter is timed.
"""

import math
import os
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from stablebert.config.compose import compose
from stablebert.config.schema import RunConfig
from stablebert.optim.schedule import linear_warmup
from stablebert.runs.locate import locate
from stablebert.runs.run import LocatedRun
from stablebert.tasks import TASKS, Task
from stablebert.training.outcome import device_name, peak_memory

Scores = dict[str, float | int | None]
ON_CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_CUDA else "cpu")
HALF = torch.float16 if ON_CUDA else torch.bfloat16


def synchronize() -> None:
    """Wait for what the GPU still has to do."""
    if ON_CUDA:
        torch.cuda.synchronize()


class Gate:
    """Lets a training run in blocks of steps, each when the parent says so, and times them.

    Args:
        pipe: to the parent, which gets a message after the warm-up and after every block.
        warmup: optimizer steps before the first block.
        steps: optimizer steps of a block.
    """

    def __init__(self, pipe: Connection, warmup: int, steps: int):
        self.pipe, self.warmup, self.steps = pipe, warmup, steps
        self._done = 0
        self._started = math.nan

    def step(self) -> None:
        """To be called after every optimizer step."""
        self._done += 1
        in_blocks = self._done - self.warmup
        if in_blocks < 0 or in_blocks % self.steps:
            return
        synchronize()
        spent = time.perf_counter() - self._started
        self.pipe.send({"seconds": spent, "peak_memory_bytes": peak_memory(DEVICE)})
        self.pipe.recv()
        self._started = time.perf_counter()


@dataclass(frozen=True)
class Job:
    """What a contestant is given."""

    located: LocatedRun
    mixed: bool
    work: Path
    """Temporary folder."""
    gate: Gate | None
    """None: train to the end, with evaluations."""

    @property
    def cfg(self) -> RunConfig:
        """The run's configuration."""
        return self.located.cfg

    @property
    def task(self) -> Task:
        """The run's task."""
        return TASKS[self.cfg.task]

    @cached_property
    def tokenizer(self) -> Any:
        """Of the model."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.located.model, local_files_only=True)

    def total(self, rows: int) -> int:
        """Optimizer steps in all, with this many training rows."""
        cfg = self.cfg.trainer
        return cfg.max_steps or cfg.epochs * math.ceil(rows / cfg.batch_size)

    def datasets(self, padding: str | bool) -> dict[str, Any]:
        """Our `train`, `val` and `test`, tokenised with the library as `run_glue.py` does it."""
        import datasets

        from stablebert.glue.splits import split_rows

        def encode(rows: dict[str, list]) -> dict[str, list]:
            texts = [rows[column] for column in self.task.columns]
            length = self.cfg.data.max_length
            return self.tokenizer(*texts, padding=padding, truncation=True, max_length=length)

        datasets.disable_progress_bars()
        parts = ("train", self.task.dev_split)
        tables = {part: self.located.source.read(part) for part in parts}
        labels = [table.column("label").to_numpy() for table in tables.values()]
        rows = split_rows(self.task, *labels)
        return {
            name: datasets.Dataset(tables[part.source])
            .select(part.rows)
            .map(
                encode,
                batched=True,
                remove_columns=list(self.task.columns),
                cache_file_name=str(self.work / f"{name}.arrow"),
                new_fingerprint=f"{self.task.name}-{name}",
            )
            for name, part in rows.items()
        }

    def model(self, attention: str) -> torch.nn.Module:
        """The library's own model with the weights, head included, that ours starts from."""
        from transformers import AutoModelForSequenceClassification

        from stablebert.models.loading import load_model

        labels = self.task.num_labels
        model = AutoModelForSequenceClassification.from_pretrained(
            self.located.model,
            num_labels=labels,
            problem_type="regression" if self.task.regression else "single_label_classification",
            dtype=torch.float32,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,
        )
        start = load_model(self.located.model, num_labels=labels, seed=self.cfg.init_seed)
        model.load_state_dict(start.state_dict())
        torch.manual_seed(self.cfg.data_seed)
        return model

    def score(self, logits: Any, labels: Any) -> float:
        """The task's reported metric, by our own code."""
        from stablebert.glue.metrics import compute_metrics

        logits, labels = (torch.as_tensor(values).float() for values in (logits, labels))
        labels = labels if self.task.regression else labels.long()
        return compute_metrics([self.task.metric], logits, labels)[self.task.metric]


# ---------------------------------------------------------------- ours


def ours(job: Job) -> Callable[[], Scores]:
    """The path of a user: `stablebert train`, its records going to a temporary folder."""
    from lightning.pytorch import Callback

    from stablebert.training.build import build_data
    from stablebert.training.lifecycle import train

    class StepGate(Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            job.gate.step()

    build_data(job.located)  # tokenised, as the cache has it after the first run

    def go() -> Scores:
        record = train(job.located, [StepGate()] if job.gate else [])
        return {
            "val_best": record.val_best,
            "test_at_best": record.test_at_best,
            "test_at_last": record.test_at_last,
            "evaluations": record.evaluations,
        }

    return go


# ---------------------------------------------------------------- the released recipe


def released(job: Job) -> Callable[[], Scores]:
    """`run_glue.py` of the paper's authors, its sample commands' settings, on today's torch.

    fp32 rows pre-padded to 128 tokens, eager attention, one AdamW kernel after another as in torch
    1.4, `loss.item()` in every step, validation in batches of 64, the best weights kept.
    """
    from torch.utils.data import DataLoader, TensorDataset

    from stablebert.callbacks.best_weights import is_better
    from stablebert.callbacks.validation import validation_steps
    from stablebert.glue.batches import Permutations

    cfg = job.cfg
    names = ("input_ids", "attention_mask", "token_type_ids", "label")
    sets = {
        name: TensorDataset(*(torch.as_tensor(part.with_format("torch")[n][:]) for n in names))
        for name, part in job.datasets("max_length").items()
    }
    rows = len(sets["train"])
    order = Permutations(rows, cfg.data_seed)
    loader = DataLoader(sets["train"], batch_size=cfg.trainer.batch_size, sampler=order)
    evaluated = {n: DataLoader(sets[n], batch_size=64) for n in ("val", "test")}
    model = job.model("eager").to(DEVICE)
    total = job.total(rows)
    rate = partial(linear_warmup, total=total, warmup=cfg.optimizer.warmup)

    def half() -> Any:
        return torch.autocast(DEVICE.type, HALF) if job.mixed else nullcontext()

    def inputs(batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(zip((*names[:3], "labels"), (t.to(DEVICE) for t in batch), strict=True))

    @torch.no_grad()
    def predict(split: str) -> float:
        model.eval()
        logits = []
        for batch in evaluated[split]:
            with half():
                logits.append(model(**inputs(batch)).logits.float().cpu())
        return job.score(torch.cat(logits), sets[split].tensors[3])

    def go() -> Scores:
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=cfg.optimizer.lr, weight_decay=0.0, foreach=False, fused=False
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        scaler = torch.amp.GradScaler(enabled=job.mixed and ON_CUDA)
        due = set() if job.gate else set(validation_steps(total, cfg.trainer.evaluations))
        best, kept, step, losses = None, {}, 0, 0.0
        while step < total:
            for batch in loader:
                model.train()
                with half():
                    loss = model(**inputs(batch)).loss
                scaler.scale(loss).backward()
                losses += loss.item()
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), cfg.optimizer.clip_norm)
                scaler.step(optimizer)
                scaler.update()
                schedule.step()
                model.zero_grad()
                step += 1
                if job.gate:
                    job.gate.step()
                if step in due and is_better(score := predict("val"), best):
                    best = score
                    kept = {n: t.detach().cpu().clone() for n, t in model.state_dict().items()}
                if step == total:
                    break
        at_last = predict("test")
        if kept:
            model.load_state_dict(kept)
        return {
            "val_best": best,
            "test_at_best": predict("test"),
            "test_at_last": at_last,
            "evaluations": len(due),
        }

    return go


# ---------------------------------------------------------------- Hugging Face's Trainer


def hugging_face(job: Job, *, padding: str | bool, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """A Trainer with our data order, and its datasets; `settings` are its `TrainingArguments`."""
    import transformers

    from stablebert.glue.batches import Permutations

    class SameOrder(transformers.Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Permutations:
            return Permutations(len(train_dataset or self.train_dataset), job.cfg.data_seed)

    class StepGate(transformers.TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            job.gate.step()

    cfg = job.cfg
    data = job.datasets(padding)
    total = job.total(len(data["train"]))
    if not job.gate:
        every = max(1, total // cfg.trainer.evaluations)
        settings |= {"eval_strategy": "steps", "eval_steps": every}
    if job.mixed:
        settings |= {"fp16" if ON_CUDA else "bf16": True}
    arguments = transformers.TrainingArguments(
        output_dir=str(job.work / "hf"),
        max_steps=total,
        per_device_train_batch_size=cfg.trainer.batch_size,
        learning_rate=cfg.optimizer.lr,
        warmup_steps=int(cfg.optimizer.warmup * total),
        max_grad_norm=cfg.optimizer.clip_norm,
        seed=cfg.data_seed,
        use_cpu=not ON_CUDA,
        report_to="none",
        **settings,
    )
    multiple = 8 if job.mixed and ON_CUDA else None  # as run_glue.py has it
    dynamic = transformers.DataCollatorWithPadding(job.tokenizer, pad_to_multiple_of=multiple)
    trainer = SameOrder(
        model=job.model("sdpa"),
        args=arguments,
        train_dataset=data["train"],
        eval_dataset=data["val"],
        processing_class=job.tokenizer,
        data_collator=transformers.default_data_collator if padding else dynamic,
        compute_metrics=lambda made: {"score": job.score(made.predictions, made.label_ids)},
        callbacks=[StepGate()] if job.gate else [],
    )
    return trainer, data


def hugging_face_scores(trainer: Any, test: Any) -> Scores:
    """Best validation and the test with the last weights: the Trainer has no others."""
    found = [row["eval_score"] for row in trainer.state.log_history if "eval_score" in row]
    return {
        "val_best": max((score for score in found if not math.isnan(score)), default=None),
        "test_at_best": None,
        "test_at_last": trainer.predict(test).metrics["test_score"],
        "evaluations": len(found),
    }


def hf_default(job: Job) -> Callable[[], Scores]:
    """What `run_glue.py` of transformers does with the flags that its README gives for GLUE.

    Padding to 128 (its default), SDPA, the fused AdamW that is the Trainer's default, evaluation in
    batches of 8, logging and a checkpoint every 500 steps, a checkpoint and the model at the end.
    """
    trainer, data = hugging_face(job, padding="max_length")

    def go() -> Scores:
        trainer.train()
        trainer.save_model()  # run_glue.py does
        return hugging_face_scores(trainer, data["test"])

    return go


def hf_tuned(job: Job) -> Callable[[], Scores]:
    """The Trainer as an expert would set it for speed, at the same precision and batches."""
    trainer, data = hugging_face(
        job,
        padding=False,
        optim="adamw_torch_fused",
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it waits for the GPU in every step
        disable_tqdm=True,
        per_device_eval_batch_size=64,
        **({"dataloader_num_workers": 2, "tf32": False} if ON_CUDA else {}),
    )

    def go() -> Scores:
        trainer.train()
        return hugging_face_scores(trainer, data["test"])

    return go


# ---------------------------------------------------------------- the process

CONTESTANTS = {f.__name__: f for f in (released, hf_default, hf_tuned, ours)}


def enter(log: Path, threads: int) -> None:
    """Begin a process: its output goes to a file, torch has its threads."""
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)


def about(pipe: Connection, log: Path, threads: int) -> None:
    """Say which machine this is and which versions run."""
    from importlib.metadata import version

    from stablebert.version import versions

    enter(log, threads)
    found = versions() | {"accelerate": version("accelerate")}
    pipe.send(
        {
            "device": device_name(DEVICE),
            "cuda": ON_CUDA,
            "threads": torch.get_num_threads(),
            "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
            "versions": found,
        }
    )


def compete(
    pipe: Connection,
    log: Path,
    threads: int,
    *,
    contestant: str,
    words: list[str],
    blocks: tuple[int, int] | None,
) -> None:
    """Train as a contestant.

    Args:
        pipe: to the parent.
        log: file for everything that is printed.
        threads: of torch.
        contestant: its name.
        words: the configuration, without precision and folder of records.
        blocks: steps of the warm-up and of a block; None trains to the end and sends the scores.
    """
    enter(log, threads)
    try:
        kind, mixed = contestant.removesuffix("_mixed"), contestant.endswith("_mixed")
        precision = ("16-mixed" if ON_CUDA else "bf16-mixed") if mixed else "32-true"
        work = log.with_suffix("")
        work.mkdir()
        own = [f"trainer.precision={precision}", f"paths.runs={work / 'runs'}"]
        located = locate(compose([*words, *own]))
        job = Job(located, mixed, work, Gate(pipe, *blocks) if blocks else None)
        go = CONTESTANTS[kind](job)
        start = time.perf_counter()
        scores = go()
        spent = time.perf_counter() - start
        # JSON knows no NaN
        scores = {k: None if v is None or math.isnan(v) else v for k, v in scores.items()}
        pipe.send({"seconds": spent, "peak_memory_bytes": peak_memory(DEVICE), **scores})
    except BaseException:
        pipe.send(traceback.format_exc())
        raise
