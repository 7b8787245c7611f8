"""`python -m stablebert.demo.pretrain FOLDER`: the demo's BERT, from nothing.

A WordPiece vocabulary is learnt from the demo's unlabelled text, and a deep and thin BERT
pre-trained on it as BERT was (Devlin et al., 2019, sec. 3.1), in packed batches: by masked language
modelling, and by telling whether the second sentence is the one that was written after the first.
A false one is that of another pair, as BERT's are, or the true one with a word replaced (ELECTRA,
Clark et al., 2020, on whole sentences) or two words exchanged (StructBERT, Wang et al., 2020).
It can be stopped at any time and goes on where it was when started again with the same arguments.
"""

import argparse
import csv
import json
import re
import string
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from stablebert.demo.grammar import Dice
from stablebert.demo.text import pairs
from stablebert.machine import keep_freed_memory
from stablebert.optim.adam import BertAdam
from stablebert.optim.groups import parameter_groups
from stablebert.optim.schedule import linear_warmup
from stablebert.packed.batch import PackedBatch, pack_rows
from stablebert.packed.dropout import DropoutMasks
from stablebert.packed.forward import bert_states

LAYERS, HIDDEN, HEADS = 12, 64, 4
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 128
MASKED, KEPT, SWAPPED = 0.2, 0.1, 0.1
"""Share of tokens to predict; of these, the share left as they are, and made another token."""
FALSE = 0.5
"""Share of pairs whose second sentence is not the one that was written."""
VALIDATION = "validation"
"""Seed of the text that the model never trains on."""
SAVE_EVERY = 500


def train_tokenizer(folder: Path) -> Any:
    """Learn an uncased WordPiece vocabulary and write the tokenizer as BERT's.

    The language is small: its words, the frequent ones first, and letters for any other word.
    (The library's trainer breaks ties at random, so that no two vocabularies are the same.)
    """
    from transformers import BertTokenizerFast

    text = chain.from_iterable(islice(pairs("vocabulary"), 50_000))
    counts = Counter(re.findall(r"\w+|[^\w\s]", " ".join(text).lower()))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    letters = sorted(set("".join(words)) | set(string.ascii_lowercase + string.digits))
    tokens = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *words]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = BertTokenizerFast(vocab=vocabulary, do_lower_case=True, model_max_length=POSITIONS)
    tokenizer.save_pretrained(folder)
    return tokenizer


def batches(tokenizer: Any, size: int, seed: str) -> Iterator[PackedBatch]:
    """Packed batches of `size` pairs, without end; label 1 where the second is a false one."""
    text, dice = pairs(seed), Dice(f"false {seed}")
    while True:
        first, second = (list(part) for part in zip(*islice(text, size), strict=True))
        labels = np.array([dice.chance(FALSE) for _ in first])
        after = followers(second)
        shown = [
            false(true, other, after, dice) if label else true
            for true, other, label in zip(second, [second[-1], *second], labels, strict=False)
        ]
        encoded = tokenizer(first, shown)
        ids, types = (
            [np.asarray(row) for row in encoded[name]] for name in ("input_ids", "token_type_ids")
        )
        yield pack_rows(ids, types, labels.astype(np.int64))


def followers(sentences: Sequence[str]) -> dict[str, list[str]]:
    """The words that follow each word; the empty one begins a sentence."""
    after: dict[str, list[str]] = {}
    for text in sentences:
        for before, word in pairwise(["", *text[:-1].split()]):
            after.setdefault(before, []).append(word)
    return after


def false(true: str, other: str, after: Mapping[str, Sequence[str]], dice: Dice) -> str:
    """Another sentence in place of the one that was written.

    Args:
        true: what was written.
        other: the second sentence of another pair.
        after: as `followers`.
        dice: chooses between `other`, a word exchanged for one that may follow the same word, and
            two words in each other's place.
    """
    kind, words = dice.random(), true[:-1].split()
    i, j = dice.some(range(len(words)), 2)
    if kind < 0.4:
        words[i] = dice.one_of(after[words[i - 1] if i else ""])
    elif kind < 0.7:
        words[i], words[j] = words[j], words[i]
    made = " ".join(words) + true[-1] if kind < 0.7 else other
    return made if made.lower() != true.lower() else false(true, other, after, dice)


def masked(
    ids: Tensor, tokenizer: Any, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Hide tokens as BERT does.

    Args:
        ids: `(T,)`.
        tokenizer: knows special tokens and the size of the vocabulary.
        random: draws.

    Returns:
        `(T,)` with hidden tokens; places to predict `(M,)`; what was there `(M,)`.
    """
    special = np.isin(ids.numpy(), tokenizer.all_special_ids)
    places = np.flatnonzero((random.random(len(ids)) < MASKED) & ~special)
    kind = random.random(len(places))
    hidden = np.full(len(places), tokenizer.mask_token_id)
    hidden = np.where(
        kind < KEPT + SWAPPED, random.integers(len(SPECIAL), len(tokenizer), len(places)), hidden
    )
    hidden = np.where(kind < KEPT, ids.numpy()[places], hidden)
    at = torch.from_numpy(places)
    return ids.index_copy(0, at, torch.from_numpy(hidden)), at, ids[at]


@dataclass(frozen=True)
class Guesses:
    """What a model makes of a batch: logits and truth of hidden tokens, and of whole pairs."""

    tokens: Tensor
    hidden: Tensor
    pairs: Tensor
    false: Tensor

    @property
    def loss(self) -> Tensor:
        """Sum of the two mean cross-entropies."""
        return F.cross_entropy(self.tokens, self.hidden) + F.cross_entropy(self.pairs, self.false)


def guess(model: Any, batch: PackedBatch, tokenizer: Any, random: np.random.Generator) -> Guesses:
    """Hide tokens of a batch and let the model guess."""
    ids, at, hidden = masked(batch.input_ids, tokenizer, random)
    states = bert_states(model.bert, replace(batch, input_ids=ids), DropoutMasks(0))
    pooled = model.bert.pooler(states[batch.starts].unsqueeze(1))
    tokens, whole = model.cls(states.index_select(0, at), pooled)
    return Guesses(tokens, hidden, whole, batch.labels)


class Pretraining:
    """Model, optimizer and where they are.

    Args:
        folder: of the tokenizer, and of the model, `loss.csv` and `state.pt` to come.
        steps: optimizer steps in all.
        size: pairs of sentences per batch.
        lr: peak learning rate.
        team: what number of how many processes this is; each has its share of a batch.
    """

    def __init__(
        self, folder: Path, *, steps: int, size: int, lr: float, team: tuple[int, int] = (0, 1)
    ):
        from transformers import AutoTokenizer, BertConfig, BertForPreTraining

        self.folder, self.steps, self.size, self.lr = folder, steps, size, lr
        self.rank, self.processes = team
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = BertConfig(
            vocab_size=len(self.tokenizer),
            hidden_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=4 * HIDDEN,
            max_position_embeddings=POSITIONS,
            # no text is seen twice here; and fine-tuned with the usual 0.1 in 37 places, a model as
            # thin as this learns nothing in a hundred steps
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        torch.manual_seed(0)
        self.model = BertForPreTraining(config)
        self.optimizer = BertAdam(
            parameter_groups(self.model, 0.01), lr=lr, betas=(0.9, 0.98), eps=1e-6
        )
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._resume()

    @property
    def _settings(self) -> dict[str, Any]:
        plan = {"steps": self.steps, "size": self.size, "lr": self.lr}
        return plan | {"processes": self.processes}

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["settings"] != self._settings:
            raise SystemExit(
                f"{path} is of {state['settings']}, not of {self._settings}: delete it"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.curve = state["step"], state["curve"]

    def save(self) -> None:
        """Write the state, then the model and the curve."""
        draft = self.folder / "state.pt.part"
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"step": self.step, "curve": self.curve, "settings": self._settings}
        torch.save(state, draft)
        draft.replace(self.folder / "state.pt")
        self.model.bert.save_pretrained(self.folder)
        with (self.folder / "loss.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, self.curve[0])
            writer.writeheader()
            writer.writerows(self.curve)

    def run(self) -> None:
        """Train to the end."""
        start, began, losses = time.monotonic(), self.step, []
        before = self.curve[-1]["seconds"] if self.curve else 0
        while self.step < self.steps:
            # every step has draws of its own, so that a stop changes nothing
            text = batches(self.tokenizer, self.size // self.processes, f"{self.step} {self.rank}")
            batch, hiding = next(text), np.random.default_rng((self.step, self.rank))
            rate = self.lr * linear_warmup(self.step + 1, total=self.steps + 1, warmup=0.05)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            made = guess(self.model, batch, self.tokenizer, hiding)
            self.optimizer.zero_grad()
            made.loss.backward()
            self._share_gradients()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            losses.append(made.loss.item())
            if self.rank == 0 and (self.step % SAVE_EVERY == 0 or self.step == self.steps):
                spent = time.monotonic() - start
                self.curve.append(
                    {
                        "step": self.step,
                        "loss": round(float(np.mean(losses)), 4),
                        **self.validate(),
                        "seconds": round(before + spent),
                    }
                )
                self.save()
                losses.clear()
                left = spent / (self.step - began) * (self.steps - self.step) / 60
                print(f"{json.dumps(self.curve[-1])} about {left:.0f} min left", flush=True)

    def _share_gradients(self) -> None:
        """Every process goes on with the mean of all gradients."""
        if self.processes > 1:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            flat = torch.cat([g.flatten() for g in gradients])
            distributed.all_reduce(flat)
            parts = (flat / self.processes).split([g.numel() for g in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses and accuracies on text that is never trained on."""
        random, sums, rounds = np.random.default_rng(0), np.zeros(3), 4
        for batch in islice(batches(self.tokenizer, 256, VALIDATION), rounds):
            made = guess(self.model, batch, self.tokenizer, random)
            right = (made.tokens.argmax(1) == made.hidden, made.pairs.argmax(1) == made.false)
            sums += [made.loss.item(), *(x.float().mean().item() for x in right)]
        names = ("val_loss", "val_token_accuracy", "val_pair_accuracy")
        means = (sums / rounds).round(4).tolist()
        return dict(zip(names, means, strict=True))


def pretrain(rank: int, args: argparse.Namespace) -> None:
    """One process of `args.processes`; the first alone writes."""
    import transformers

    torch.set_num_threads(args.threads)
    keep_freed_memory()
    transformers.logging.disable_progress_bar()  # of writing three megabytes
    if args.processes > 1:
        store = distributed.FileStore(str(args.folder / "meeting"), args.processes)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=args.processes)
    team = (rank, args.processes)
    Pretraining(args.folder, steps=args.steps, size=args.size, lr=args.lr, team=team).run()
    if args.processes > 1:
        distributed.destroy_process_group()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m stablebert.demo.pretrain", description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="of the model; what is there is gone on with")
    add("--steps", type=int, default=20_000, help="optimizer steps in all")
    add("--size", type=int, default=128, help="pairs of sentences per step")
    add("--lr", type=float, default=3e-3, help="peak learning rate")
    add("--processes", type=int, default=2, help="that share a step, one core each")
    add("--threads", type=int, default=1, help="of torch, per process")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "meeting").unlink(missing_ok=True)  # of a try that was stopped
    if not (args.folder / "tokenizer.json").exists():
        train_tokenizer(args.folder)
    torch.multiprocessing.spawn(pretrain, (args,), nprocs=args.processes)


if __name__ == "__main__":
    main()
