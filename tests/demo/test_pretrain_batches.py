"""Vocabulary, false sentences and hidden tokens of the demo's pre-training."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from stablebert.config.files import model_folder
from stablebert.demo import DEMO_TASKS, demo_rows
from stablebert.demo import pretrain_batches as batches
from stablebert.demo.grammar import Dice
from stablebert.tasks import DEMO, TASKS

TRUE, OTHER = "The dog chased Eve.", "Adam left."
REPLACED = {"A dog chased Eve.", "The cat chased Eve.", "The dog saw Eve.", "The dog chased Amy."}
EXCHANGED = {
    *("dog The chased Eve.", "chased dog The Eve.", "Eve dog chased The."),
    *("The chased dog Eve.", "The Eve chased dog.", "The dog Eve chased."),
}


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(model_folder(DEMO))


@pytest.fixture(scope="module")
def batch(tokenizer):
    return next(batches.packed_batches(tokenizer, 512, "hidden"))


@pytest.fixture(scope="module")
def masked(tokenizer, batch):
    return batches.mask_tokens(batch.input_ids, tokenizer, np.random.default_rng(0))


def test_false_sentence_is_another_one_or_has_one_edit():
    successors = {"": ["A"], "The": ["cat"], "dog": ["saw"], "chased": ["Eve", "Amy"]}
    dice = Dice("false")
    texts = {batches.false_sentence(TRUE, OTHER, successors, dice) for _ in range(500)}
    assert texts == {OTHER} | REPLACED | EXCHANGED


def test_half_of_the_pairs_are_false(batch):
    assert batch.labels.float().mean() == pytest.approx(batches.FALSE_SHARE, abs=0.06)


def test_targets_are_the_original_tokens(batch, masked):
    _, indices, targets = masked
    assert torch.equal(batch.input_ids[indices], targets)


def test_other_tokens_are_unchanged(batch, masked):
    ids, indices, _ = masked
    unchanged = torch.ones(len(ids), dtype=torch.bool)
    unchanged[indices] = False
    assert torch.equal(ids[unchanged], batch.input_ids[unchanged])


def test_special_tokens_are_never_targets(tokenizer, masked):
    assert not np.isin(masked[2], tokenizer.all_special_ids).any()


def test_share_of_targets(tokenizer, batch, masked):
    regular = (~np.isin(batch.input_ids, tokenizer.all_special_ids)).sum()
    assert len(masked[1]) / regular == pytest.approx(batches.TARGET_SHARE, abs=0.02)


def test_80_percent_of_targets_are_hidden_and_10_percent_kept(tokenizer, masked):
    ids, indices, targets = masked
    hidden = (ids[indices] == tokenizer.mask_token_id).float().mean()
    kept = (ids[indices] == targets).float().mean()
    assert (hidden, kept) == (pytest.approx(0.8, abs=0.04), pytest.approx(0.1, abs=0.03))


def test_no_word_of_the_text_is_unknown(tokenizer):
    batch = next(batches.packed_batches(tokenizer, 1000, "words"))
    assert tokenizer.unk_token_id not in batch.input_ids


def test_word_outside_the_language_becomes_letters(tokenizer):
    assert tokenizer.tokenize("Mary purchased xylophones.")[:3] == ["mary", "purchased", "x"]


@pytest.mark.parametrize("name", DEMO_TASKS)
def test_every_word_of_a_task_is_one_token(name, tokenizer):
    rows = demo_rows(name, "train", n=500, seed=0, holds_out=TASKS[name].holds_out)
    text = " ".join(text for texts, _ in rows for text in texts)
    tokens = set(tokenizer.tokenize(text))
    assert not {t for t in tokens if t.startswith("##") or t == tokenizer.unk_token}


def test_vocabulary_has_about_a_thousand_words(tokenizer):
    assert 1000 < len(tokenizer) < 1300


@pytest.mark.slow
def test_training_the_tokenizer_gives_the_vocabulary_in_the_package(tokenizer, tmp_path):
    assert batches.train_tokenizer(tmp_path).get_vocab() == tokenizer.get_vocab()
