"""Filters for library warnings about settings that are intentional."""

import logging
import warnings
from typing import Any

_EXPECTED = (
    ".*does not have many workers.*",  # collating a batch is cheaper than sending it to a worker
    ".*smaller than the logging interval.*",
    ".*`srun` command is available on your system but is not used.*",  # a run is one process
    ".*float32 matmul precision.*",
    ".*is not supported on CPU.*",
    ".*your dataloader is not resumable.*",  # its data module is
    ".*`lr_scheduler.step\\(\\)` before `optimizer.step.*",  # fp16 skipped the first step
    # Gradients of captured steps (stablebert.packed.capture) arrive on another stream than the one
    # that captured them. Autograd lets the streams wait for each other, not the host; torch >= 2.11
    # warns of it once.
    ".*AccumulateGrad node's stream does not match.*",
    ".*isinstance\\(treespec, LeafSpec\\).*",
)


def silence_libraries() -> None:
    """Hide the progress bars and expected warnings of transformers and Lightning."""
    import transformers

    library: Any = transformers.utils.logging  # its functions have no types
    library.set_verbosity_error()
    library.disable_progress_bar()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in _EXPECTED:
        warnings.filterwarnings("ignore", message)
