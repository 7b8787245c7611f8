"""`python -m stablebert` is `stablebert`."""

import sys

from stablebert.cli.main import main

if __name__ == "__main__":  # a grid's workers import this file under another name
    sys.exit(main())
