"""A program that loads a model and its tokenizer as a run does: `python -m` runs it.

`stablebert doctor` starts it in a process of its own, because it loads torch. It prints a line for
each warning; if the model cannot be used, it ends with the reason and status `REFUSED`.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stablebert.models.files import ModelError

REFUSED = 3
"""Exit status if the model cannot be used, unlike that of a torch that does not load."""


def main(argv: Sequence[str]) -> int:
    """Load the model in a folder.

    Args:
        argv: The folder.

    Returns:
        Exit status.
    """
    import transformers

    from stablebert.models.loading import load_model
    from stablebert.models.tokenizer import load_tokenizer

    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stdout, force=True)
    library: Any = transformers.utils.logging  # its functions have no types
    library.set_verbosity_error()
    library.disable_progress_bar()
    folder = Path(argv[0])
    try:
        load_tokenizer(folder)
        load_model(folder, num_labels=2, seed=0)
    except ModelError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
