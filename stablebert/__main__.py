"""`python -m stablebert` is `stablebert`."""

import sys

from stablebert.cli import main

sys.exit(main())
