"""Pre-training of the demo's BERT: what is hidden, and that a stop changes nothing."""

import csv

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertForPreTraining

from stablebert.glue.demo import pretrain
from stablebert.model import load_model


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pretrain, "LAYERS", 2)
    monkeypatch.setattr(pretrain, "HIDDEN", 16)
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 2)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return pretrain.train_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_hidden_tokens(tokenizer):
    batch = next(pretrain.batches(tokenizer, 512, "hidden"))
    ids, at, truth = pretrain.masked(batch.input_ids, tokenizer, np.random.default_rng(0))
    assert torch.equal(batch.input_ids[at], truth)
    untouched = torch.ones(len(ids), dtype=torch.bool)
    untouched[at] = False
    assert torch.equal(ids[untouched], batch.input_ids[untouched])
    assert not np.isin(truth, tokenizer.all_special_ids).any()
    share = len(at) / (~np.isin(batch.input_ids, tokenizer.all_special_ids)).sum()
    kept, hidden = (ids[at] == truth).float().mean(), (ids[at] == tokenizer.mask_token_id)
    assert share == pytest.approx(pretrain.MASKED, abs=0.02)
    assert hidden.float().mean() == pytest.approx(0.8, abs=0.04)
    assert kept == pytest.approx(0.1, abs=0.03)
    assert batch.labels.float().mean() == pytest.approx(pretrain.STRANGERS, abs=0.06)


def test_no_word_of_the_language_is_unknown(tokenizer):
    batch = next(pretrain.batches(tokenizer, 2000, "words"))
    assert tokenizer.unk_token_id not in batch.input_ids
    assert len(tokenizer) <= pretrain.VOCABULARY


def test_guesses_equal_the_librarys(tokenizer, tmp_path):
    """The packed states and both heads, against BertForPreTraining on a padded batch."""
    model = pretrain.Pretraining(tmp_path, steps=1, size=8, lr=1e-3).model
    batch = next(pretrain.batches(tokenizer, 8, "same"))
    made = pretrain.guess(model, batch, tokenizer, np.random.default_rng(3))
    ids, at, _ = pretrain.masked(batch.input_ids, tokenizer, np.random.default_rng(3))
    rows = ids.split(batch.lengths)
    types = batch.token_type_ids.split(batch.lengths)
    pad = torch.nn.utils.rnn.pad_sequence
    mask = pad([torch.ones_like(row) for row in rows], batch_first=True)
    with torch.no_grad():
        theirs = model(
            input_ids=pad(rows, batch_first=True),
            token_type_ids=pad(types, batch_first=True),
            attention_mask=mask,
        )
    flat = theirs.prediction_logits[mask.bool()]
    torch.testing.assert_close(made.tokens.detach(), flat[at], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        made.pairs.detach(), theirs.seq_relationship_logits, atol=1e-5, rtol=1e-4
    )
    assert isinstance(model, BertForPreTraining)


def test_a_stop_changes_nothing(tmp_path, monkeypatch):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    pretrain.Pretraining(whole, steps=6, size=16, lr=1e-3).run()
    stopped = pretrain.Pretraining(halves, steps=6, size=16, lr=1e-3)
    rounds = iter(range(5))  # steps 1 to 4, of which 2 and 4 are saved, and the fifth
    clip = torch.nn.utils.clip_grad_norm_

    def interrupted(*args):
        if next(rounds) == 4:
            raise KeyboardInterrupt
        return clip(*args)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    pretrain.Pretraining(halves, steps=6, size=16, lr=1e-3).run()
    ours, theirs = (AutoModel.from_pretrained(folder).state_dict() for folder in (whole, halves))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    curves = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file.open())]
        for file in (whole / "loss.csv", halves / "loss.csv")
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3
    assert load_model(whole, num_labels=2, seed=0).config.num_hidden_layers == 2
    assert AutoTokenizer.from_pretrained(whole).tokenize("Purchased!")


def test_another_plan_is_refused(tmp_path):
    pretrain.Pretraining(tmp_path, steps=2, size=4, lr=1e-3).run()
    with pytest.raises(SystemExit, match=r"state.pt is of .*'steps': 2.* not of .*'steps': 3"):
        pretrain.Pretraining(tmp_path, steps=3, size=4, lr=1e-3)
