"""Targets of worker processes; a worker imports this module, so it is light."""

import os
import signal
import time

from stablebert.grid import worker
from stablebert.signals import end_with_parent


def send_environment(pipe, number, threads, own_tasks):
    """Send the environment and the handler of SIGINT."""
    pipe.send((dict(os.environ), signal.getsignal(signal.SIGINT)))
    pipe.recv()


def exit_with_number(pipe, number, threads, own_tasks):
    """End at once, with the worker's number as exit code."""
    os._exit(number)


def hang(pipe, number, threads, own_tasks):
    """Receive a job, say so, and never answer."""
    pipe.recv()
    pipe.send("busy")
    end_with_parent()
    time.sleep(3600)


def die(pipe, number, threads, own_tasks):
    """Receive a job, and be killed like a process that the OOM killer ends."""
    pipe.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def work_in_fork(pipe, number, threads, own_tasks):
    """Do jobs without the check of the parent: that of a fork is the server."""
    worker.end_with_parent = lambda _: None
    worker.work(pipe, number, threads, own_tasks)
