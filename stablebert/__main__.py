"""Entry point of `stablebert` and of `python -m stablebert`."""

import signal
import sys


def main() -> int:
    """Run the command line; Ctrl-C during its imports ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from stablebert.cli.main import main  # after the line above, because it takes a while

    return main()


if __name__ == "__main__":  # the workers of a grid import this file under another name
    sys.exit(main())
