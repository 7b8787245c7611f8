"""Campaigns: many seeded cases, after which everything that was tried and that fell is printed."""

import time
from collections.abc import Callable, Iterable
from typing import Any

MOST_CHARACTERS = 3000
"""Length of the text of a fault."""


def run_campaign(capture: Any, check: Callable[[Any], str | None], cases: Iterable[Any]) -> None:
    """Check every case, whatever becomes of the others; print what was tried and what fell.

    Args:
        capture: pytest's `capsys` or `capfd`, which would hide the summary of a passing test.
        check: Checks a case, and returns a line about its outcome or None.
        cases: The cases.

    Raises:
        AssertionError: If the check of any case raised an exception.
    """
    start, outcomes, faults = time.monotonic(), [], []
    for case in cases:
        try:
            outcomes.append(check(case))
        except Exception as error:
            faults.append(f"{case}: {type(error).__name__}: {error}"[:MOST_CHARACTERS])
    seconds = time.monotonic() - start
    with capture.disabled():
        print("", *filter(None, outcomes), *faults, sep="\n")
        print(f"{len(outcomes) + len(faults)} tried, {len(faults)} fell, {seconds:.0f} s")
    assert not faults, "\n".join(faults)
