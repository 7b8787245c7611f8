"""`python -m wandb`, which prints the server's address, with credentials masked."""

import runpy

from stablebert.errors import mask_standard_streams

if __name__ == "__main__":
    mask_standard_streams()
    runpy.run_module("wandb", run_name="__main__", alter_sys=True)
