"""A time limit for calls that have none of their own."""

import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import TypeVar, cast

T = TypeVar("T")


def run_with_timeout(seconds: float, function: Callable[[], T]) -> T:
    """Return the result of a function that may wait forever.

    The function runs in a daemon thread. After a timeout the thread is abandoned, not stopped.

    Args:
        seconds: Longest time to wait.
        function: Function to call without arguments.

    Raises:
        TimeoutError: If the function takes longer.
        Exception: If the function raises it.
    """
    outcome: Queue[tuple[T | None, Exception | None]] = Queue()

    def work() -> None:
        try:
            outcome.put((function(), None))
        except Exception as error:
            outcome.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error:
        raise error
    return cast(T, result)
