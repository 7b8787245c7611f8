"""The released recipe: `run_glue.py` of the paper's authors, on today's torch.

It uses the settings of their sample commands: fp32 rows padded to 128 tokens in advance, eager
attention, one AdamW kernel after another as in torch 1.4, `loss.item()` in every step, validation
in batches of 64, the best weights kept.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contest import DEVICE, HALF, ON_CUDA, Contest, Scores
from stablebert.callbacks.best_weights import is_better
from stablebert.callbacks.validation import validation_steps
from stablebert.glue.batches import Permutations
from stablebert.optim.schedule import linear_warmup

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def released(contest: Contest) -> Callable[[], Scores]:
    """Prepare the released recipe and return its training."""
    return _ReleasedRecipe(contest).train


class _ReleasedRecipe:
    def __init__(self, contest: Contest):
        self.contest = contest
        self.sets = {
            name: TensorDataset(
                *(torch.as_tensor(part.with_format("torch")[n][:]) for n in (*INPUTS, "label"))
            )
            for name, part in contest.datasets("max_length").items()
        }
        rows, cfg = len(self.sets["train"]), contest.cfg
        order = Permutations(rows, cfg.data_seed)
        self.loader = DataLoader(
            self.sets["train"], batch_size=cfg.trainer.batch_size, sampler=order
        )
        self.evaluation = {n: DataLoader(self.sets[n], batch_size=64) for n in ("val", "test")}
        self.model = contest.model("eager").to(DEVICE)
        self.total = contest.total_steps(rows)

    def train(self) -> Scores:
        """Train to the last step, validate on schedule, and test with the last and best weights."""
        contest, model, total = self.contest, self.model, self.total
        cfg = contest.cfg.optimizer
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=cfg.lr, weight_decay=0.0, foreach=False, fused=False
        )
        rate = partial(linear_warmup, total=total, warmup=cfg.warmup)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        scaler = torch.amp.GradScaler(enabled=contest.mixed and ON_CUDA)
        evaluations = contest.cfg.trainer.evaluations
        due = set() if contest.gate else set(validation_steps(total, evaluations))
        best: float | None = None
        best_weights: dict[str, torch.Tensor] = {}
        step, losses = 0, 0.0
        while step < total:
            for batch in self.loader:
                model.train()
                with self._precision():
                    loss = model(**self._inputs(batch)).loss
                scaler.scale(loss).backward()
                losses += loss.item()
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), cfg.clip_norm)
                scaler.step(optimizer)
                scaler.update()
                schedule.step()
                model.zero_grad()
                step += 1
                if contest.gate:
                    contest.gate.step()
                if step in due and is_better(score := self._evaluate("val"), best):
                    best = score
                    weights = model.state_dict()
                    best_weights = {n: t.detach().cpu().clone() for n, t in weights.items()}
                if step == total:
                    break
        test_at_last = self._evaluate("test")
        if best_weights:
            model.load_state_dict(best_weights)
        return {
            "val_best": best,
            "test_at_best": self._evaluate("test"),
            "test_at_last": test_at_last,
            "evaluations": len(due),
        }

    def _precision(self) -> Any:
        return torch.autocast(DEVICE.type, HALF) if self.contest.mixed else nullcontext()

    def _inputs(self, batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(zip((*INPUTS, "labels"), (t.to(DEVICE) for t in batch), strict=True))

    @torch.no_grad()
    def _evaluate(self, split: str) -> float:
        self.model.eval()
        logits = []
        for batch in self.evaluation[split]:
            with self._precision():
                logits.append(self.model(**self._inputs(batch)).logits.float().cpu())
        return self.contest.score(torch.cat(logits), self.sets[split].tensors[3])
