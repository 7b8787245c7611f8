"""Libraries are silenced about settings that are chosen on purpose, and about nothing else."""

import warnings

import pytest

from stablebert.training.quiet import silence_libraries


def warnings_after_silencing(message):
    """Return the warnings that are shown when a library warns."""
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        silence_libraries()
        warnings.warn(message, stacklevel=1)
    return [str(entry.message) for entry in messages]


@pytest.mark.parametrize(
    "message",
    [
        "The 'train_dataloader' does not have many workers which may be a bottleneck.",
        "Detected call of `lr_scheduler.step()` before `optimizer.step()`.",
        "The `srun` command is available on your system but is not used. HINT: If your intention",
        "The AccumulateGrad node's stream does not match the stream of the node that produced the "
        "incoming gradient. This may incur unnecessary synchronization",
    ],
)
def test_an_expected_warning_is_hidden(message):
    assert warnings_after_silencing(message) == []


@pytest.mark.parametrize("message", ["the loss is NaN", "an AccumulateGrad node has no stream"])
def test_another_warning_is_shown(message):
    assert warnings_after_silencing(message) == [message]
