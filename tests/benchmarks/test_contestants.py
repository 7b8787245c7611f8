"""Contestants are comparable: same weights, same batches, same scores at the end."""

import pytest
import torch
from lightning.pytorch import Callback

from benchmarks.contestants import CONTESTANTS, load_contestant

pytest.importorskip("accelerate")


@pytest.fixture(params=CONTESTANTS)
def scores(request, build_contest):
    """A contestant's name, and its scores after 11 steps."""
    short = ["trainer.max_steps=11", "trainer.evaluations=2"]
    return request.param, load_contestant(request.param)(build_contest("task=stsb", *short))()


@pytest.mark.slow
def test_whole_runs_end_with_the_same_kinds_of_scores(scores):
    name, values = scores
    assert values["evaluations"] == 3  # after 5 and 10 steps and the last
    assert -1 <= values["test_at_last"] <= 1
    assert -1 <= values["val_best"] <= 1
    assert (values["test_at_best"] is None) == name.startswith("hf")


class BatchRecorder(Callback):
    """Rows of every batch that our training gets."""

    def __init__(self):
        self.batches = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        rows = batch.input_ids.split(list(batch.lengths))
        self.batches.append(sorted(row.tolist() for row in rows))


@pytest.mark.slow
def test_trainer_gets_our_batches_in_our_order(build_contest):
    """Two epochs, so that the second permutation counts as well."""
    from benchmarks.hugging_face import build_trainer
    from stablebert.training.lifecycle import train_run

    short = ["trainer.epochs=2", "trainer.batch_size=300", "trainer.evaluations=1"]
    contest = build_contest("task=rte", *short)
    recorder = BatchRecorder()
    train_run(contest.run, [recorder])
    trainer, _ = build_trainer(contest, padding=False, settings={})
    loader = trainer.get_train_dataloader()
    batches = [
        sorted(
            ids[mask > 0].tolist()
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        )
        for _ in range(2)
        for batch in loader
    ]
    assert batches == recorder.batches


def test_others_start_from_our_weights(build_contest):
    from stablebert.models.loading import load_model

    contest = build_contest("task=rte")
    model = contest.model("eager")
    ours = load_model(contest.run.model, num_labels=2, seed=0)
    pairs = zip(model.state_dict().values(), ours.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_requested_attention_is_used(build_contest):
    assert build_contest("task=rte").model("eager").config._attn_implementation == "eager"
