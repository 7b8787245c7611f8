"""Entry point of `python -m stablebert`, the same as the command `stablebert`."""

import sys

from stablebert.cli.main import main

if __name__ == "__main__":  # the workers of a grid import this file under another name
    sys.exit(main())
