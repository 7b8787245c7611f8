"""Commands on a pseudo-terminal."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress


def run_on_terminal(*arguments):
    """Run a `stablebert` command on a terminal of 200 columns; return its status and output.

    The output is without its control sequences.
    """
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "stablebert", *arguments],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(theirs)
    output = b""
    with suppress(OSError):  # Linux raises when the other end is closed
        while chunk := os.read(ours, 65536):
            output += chunk
    os.close(ours)
    return child.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode())
