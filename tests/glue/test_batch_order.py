"""The order of training batches: set by the seed, and changed by nothing else."""

import lightning as L
import numpy as np
import pytest
import torch


def rows(loader):
    """The batches as plain lists, to compare orders."""
    return [batch["input_ids"].tolist() for batch in loader]


@pytest.fixture(scope="module")
def two_epochs(make):
    """The batches of two epochs for a seed."""

    def two_epochs(seed):
        loader = make(seed=seed).train_dataloader()
        return [rows(loader), rows(loader)]

    return two_epochs


def test_same_seed_gives_the_same_order(two_epochs):
    assert two_epochs(0) == two_epochs(0)


def test_another_seed_gives_another_order(two_epochs):
    assert two_epochs(1)[0] != two_epochs(0)[0]


def test_every_epoch_has_its_own_order_of_the_same_rows(two_epochs):
    first, second = two_epochs(0)
    assert first != second
    flat = [sorted(str(row[:3]) for batch in epoch for row in batch) for epoch in (first, second)]
    assert flat[0] == flat[1]


def read_everything(data, loader):
    """One epoch of training batches, with a validation and a test after each one."""
    batches, val = [], data.val_dataloader()
    for batch in loader:
        batches.append(batch["input_ids"].tolist())
        assert rows(val) == rows(data.val_dataloader())
        rows(data.test_dataloader())
        data.padding_efficiency()
    return batches


def test_validating_does_not_change_the_training_order(make):
    """docs/pitfalls.md, 4."""
    data = make(batch_size=64)
    expected = rows(data.train_dataloader())
    assert read_everything(data, data.train_dataloader()) == expected


def test_loaders_do_not_use_the_global_generators(make):
    data = make(batch_size=64)
    data.setup("fit")
    torch.manual_seed(5)
    np.random.seed(5)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]
    read_everything(data, data.train_dataloader())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.slow
def test_validation_interval_does_not_change_what_lightning_trains_on(make, tmp_path):
    class Recorder(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.batches = []

        def training_step(self, batch):
            self.batches.append(batch["input_ids"].tolist())

        def validation_step(self, batch):
            pass

        def test_step(self, batch):
            pass

        def configure_optimizers(self):
            return None  # nothing is optimized

    data, orders = make(batch_size=200, seed=3), []
    for every in (1, 8):
        trainer = L.Trainer(
            max_epochs=2,
            val_check_interval=every,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        model = Recorder()
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data, verbose=False)
        orders.append(model.batches)
    assert orders[0] == orders[1]
    assert len(orders[0]) == 18
