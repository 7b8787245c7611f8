import threading

import pytest

from stablebert.timeouts import run_with_timeout


def test_the_result_of_the_function_is_returned():
    assert run_with_timeout(600, lambda: 3) == 3


def test_the_error_of_the_function_is_raised():
    with pytest.raises(ZeroDivisionError):
        run_with_timeout(600, lambda: 1 / 0)


def test_a_function_that_does_not_return_is_abandoned():
    stop = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        run_with_timeout(0.05, stop.wait)  # short on purpose
    stop.set()
