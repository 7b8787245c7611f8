"""`python -m stablebert.demo.pretrain FOLDER`: pre-train the demo's BERT from scratch.

A deep and thin BERT is trained on the demo's unlabeled text as BERT was (Devlin et al., 2019, sec.
3.1), in packed batches: by masked language modeling, and by classifying whether the second sentence
of a pair is true. A false one comes from another pair, as in BERT, or is the true one with a word
replaced (ELECTRA, Clark et al., 2020, for whole sentences) or two words exchanged (StructBERT, Wang
et al., 2020). Training can be interrupted at any time; rerun the command to resume.
"""

import argparse
import csv
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.nn import functional as F

from stablebert.demo.pretrain_batches import (
    MAX_TOKENS,
    mask_tokens,
    packed_batches,
    train_tokenizer,
)
from stablebert.machine import keep_freed_memory
from stablebert.optim.adam import BertAdam
from stablebert.optim.groups import parameter_groups
from stablebert.optim.schedule import linear_warmup
from stablebert.packed.batch import PackedBatch
from stablebert.packed.dropout import DropoutMasks
from stablebert.packed.forward import bert_states
from stablebert.signals import end_with_parent, ignored_interrupts, run_script

PROGRAM = "python -m stablebert.demo.pretrain"
LAYERS, HIDDEN, HEADS = 12, 64, 4
SAVE_EVERY = 500
VALIDATION_SEED = "validation"
"""Seed of the text that the model never trains on."""
VALIDATION_BATCHES, VALIDATION_PAIRS = 4, 256
RENDEZVOUS = "meeting"
"""File in which the processes find each other."""


@dataclass(frozen=True)
class PretrainingOutput:
    """Logits and targets of one batch.

    Attributes:
        token_logits: `(P, V)` for the tokens to predict.
        token_ids: `(P,)` their ids.
        pair_logits: `(B, 2)`.
        pair_labels: `(B,)`, 1 for a false second sentence.
    """

    token_logits: Tensor
    token_ids: Tensor
    pair_logits: Tensor
    pair_labels: Tensor

    @property
    def loss(self) -> Tensor:
        """Sum of the two mean cross-entropies."""
        token_loss = F.cross_entropy(self.token_logits, self.token_ids)
        return token_loss + F.cross_entropy(self.pair_logits, self.pair_labels)

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy on tokens and on pairs."""
        tokens = self.token_logits.argmax(1) == self.token_ids
        pairs = self.pair_logits.argmax(1) == self.pair_labels
        return tokens.float().mean().item(), pairs.float().mean().item()


def predict(
    model: Any, batch: PackedBatch, tokenizer: Any, random: np.random.Generator
) -> PretrainingOutput:
    """Hide tokens of a batch and predict them, and whether each pair is true."""
    ids, indices, targets = mask_tokens(batch.input_ids, tokenizer, random)
    states = bert_states(model.bert, replace(batch, input_ids=ids), DropoutMasks(0))
    pair_state = model.bert.pooler(states[batch.starts].unsqueeze(1))
    token_logits, pair_logits = model.cls(states.index_select(0, indices), pair_state)
    return PretrainingOutput(token_logits, targets, pair_logits, batch.labels)


class Pretraining:
    """A pre-training run: model, optimizer and progress; resumes from the folder's state.

    Args:
        folder: Folder of the tokenizer; the model, `loss.csv` and `state.pt` are written to it.
        steps: Total number of optimizer steps.
        size: Pairs of sentences per batch.
        lr: Peak learning rate.
        rank: Number of this process.
        processes: Number of processes; each computes its share of a batch.

    Raises:
        SystemExit: If the folder's state belongs to a pre-training run with other settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps: int,
        size: int,
        lr: float,
        rank: int = 0,
        processes: int = 1,
    ):
        from transformers import AutoTokenizer, BertConfig, BertForPreTraining

        self.folder, self.steps, self.size, self.lr = folder, steps, size, lr
        self.rank, self.processes = rank, processes
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        config = BertConfig(
            vocab_size=len(self.tokenizer),
            hidden_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=4 * HIDDEN,
            max_position_embeddings=MAX_TOKENS,
            # No text is seen twice here, and with the usual 0.1 in 37 places, a model as thin as
            # this learns nothing in a hundred steps of fine-tuning.
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        torch.manual_seed(0)
        self.model: Any = BertForPreTraining(config)
        self.optimizer = BertAdam(
            parameter_groups(self.model, 0.01), lr=lr, betas=(0.9, 0.98), eps=1e-6
        )
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._resume()

    @property
    def _settings(self) -> dict[str, Any]:
        sizes = {"steps": self.steps, "size": self.size, "lr": self.lr}
        return sizes | {"processes": self.processes}

    def _resume(self) -> None:
        """Load the state of an interrupted pre-training run, if there is one."""
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["settings"] != self._settings:
            raise SystemExit(
                f"{path} has the settings {state['settings']}, not {self._settings}: delete it to "
                "start over"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.curve = state["step"], state["curve"]

    def save(self) -> None:
        """Write the state, then the model and the loss curve."""
        draft = self.folder / "state.pt.part"
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "curve": self.curve,
            "settings": self._settings,
        }
        torch.save(state, draft)
        draft.replace(self.folder / "state.pt")
        self.model.bert.save_pretrained(self.folder)
        with (self.folder / "loss.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, self.curve[0])
            writer.writeheader()
            writer.writerows(self.curve)

    def run(self) -> None:
        """Train to the last step."""
        start, first_step = time.monotonic(), self.step
        seconds_before = self.curve[-1]["seconds"] if self.curve else 0
        losses: list[float] = []
        while self.step < self.steps:
            losses.append(self._train_step())
            if self.rank == 0 and (self.step % SAVE_EVERY == 0 or self.step == self.steps):
                seconds = time.monotonic() - start
                self.curve.append(
                    {
                        "step": self.step,
                        "loss": round(float(np.mean(losses)), 4),
                        **self.validate(),
                        "seconds": round(seconds_before + seconds),
                    }
                )
                self.save()
                losses.clear()
                minutes = seconds / (self.step - first_step) * (self.steps - self.step) / 60
                print(f"{json.dumps(self.curve[-1])} about {minutes:.0f} min left", flush=True)

    def _train_step(self) -> float:
        """Take an optimizer step and return the loss of this process's share of the batch."""
        # Every step has its own random streams, so that an interruption changes nothing.
        pairs = self.size // self.processes
        batch = next(packed_batches(self.tokenizer, pairs, f"{self.step} {self.rank}"))
        random = np.random.default_rng((self.step, self.rank))
        rate = self.lr * linear_warmup(self.step + 1, total=self.steps + 1, warmup=0.05)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = predict(self.model, batch, self.tokenizer, random).loss
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._average_gradients()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def _average_gradients(self) -> None:
        """Replace the gradients with their mean over all processes."""
        if self.processes > 1:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            flat = torch.cat([g.flatten() for g in gradients])
            distributed.all_reduce(flat)
            parts = torch.split(flat / self.processes, [g.numel() for g in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return losses and accuracies on text that the model never trains on."""
        random = np.random.default_rng(0)
        sums = np.zeros(3)
        text = packed_batches(self.tokenizer, VALIDATION_PAIRS, VALIDATION_SEED)
        for batch in islice(text, VALIDATION_BATCHES):
            predictions = predict(self.model, batch, self.tokenizer, random)
            sums += [predictions.loss.item(), *predictions.accuracies]
        names = ("val_loss", "val_token_accuracy", "val_pair_accuracy")
        means = (sums / VALIDATION_BATCHES).round(4).tolist()
        return dict(zip(names, means, strict=True))


def pretrain(rank: int, args: argparse.Namespace) -> None:
    """Run one of `args.processes` processes; the first one alone writes files."""
    import transformers

    end_with_parent()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # in its source
    if args.processes > 1:
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{(args.folder / RENDEZVOUS).resolve()}",
            rank=rank,
            world_size=args.processes,
        )
    Pretraining(
        args.folder,
        steps=args.steps,
        size=args.size,
        lr=args.lr,
        rank=rank,
        processes=args.processes,
    ).run()
    if args.processes > 1:
        distributed.destroy_process_group()


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and pre-train."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    add = parser.add_argument
    add(
        "folder",
        type=Path,
        help="folder of the model; an interrupted run in it is resumed",
    )
    add("--steps", type=int, default=20_000, help="total number of optimizer steps")
    add("--size", type=int, default=128, help="pairs of sentences per step")
    add("--lr", type=float, default=3e-3, help="peak learning rate")
    add("--processes", type=int, default=2, help="processes that share each step, one core each")
    add("--threads", type=int, default=1, help="threads of torch in each process")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / RENDEZVOUS).unlink(missing_ok=True)  # left by an interrupted pre-training
    if not (args.folder / "tokenizer.json").exists():
        train_tokenizer(args.folder)
    with ignored_interrupts():  # in the processes, which end with this one
        processes = spawn(  # type: ignore[no-untyped-call]  # in its source
            pretrain, (args,), nprocs=args.processes, join=False, daemon=True
        )
    while not processes.join():
        pass


if __name__ == "__main__":
    sys.exit(run_script(main, name=PROGRAM))
