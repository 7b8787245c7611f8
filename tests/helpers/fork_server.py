"""Calls in processes of their own, each a fork of one that has imported everything.

A call then costs little more than its own work. The forked process is multiprocessing's fork
server: it runs nothing else, so torch has no threads yet.
"""

import multiprocessing
import os
import sys

IMPORTS = [
    *("stablebert.cli.main", "stablebert.cli.runs", "stablebert.cli.reports", "datasets"),
    *("stablebert.training.lifecycle", "transformers.models.bert.modeling_bert", "pyarrow.parquet"),
    *("transformers.models.bert.tokenization_bert", "stablebert.report.sweep_report"),
    *("stablebert.runs.inputs", "stablebert.training.progress"),
]
"""Modules that the fork server imports."""


def fork_context():
    """Return the context of multiprocessing whose processes are forks of the server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    return context


def start_in_fork(function, *arguments, output):
    """Start a call of a function in a process of its own, and return the process.

    Args:
        function: Function of a module; returns an exit code.
        arguments: Its arguments.
        output: File for its standard output and standard error.
    """
    process = fork_context().Process(target=_call, args=(function, arguments, output))
    process.start()
    return process


def call_in_fork(function, *arguments, output):
    """Call a function as `start_in_fork` does, and wait for its end.

    Returns:
        The exit code, or the negative number of the signal that killed the process; and its output.
    """
    process = start_in_fork(function, *arguments, output=output)
    process.join()
    return process.exitcode, output.read_text("utf-8")


def call_command(*argv):
    """Run a `stablebert` command."""
    from stablebert.cli.main import main

    return main(argv)


def call_program(*argv):
    """Run a `stablebert` command as the program does, which also handles signals."""
    from stablebert.__main__ import main

    sys.argv = ["stablebert", *argv]
    return main()


def call_with_environment(environment, function, arguments):
    """Call a function in the environment of another process."""
    os.environ.clear()
    os.environ.update(environment)
    function(*arguments)


class ForkedProgram:
    """A `stablebert` command in a fork, with the interface of `subprocess.Popen`.

    Args:
        argv: The command and its arguments.
        env: All environment variables.
        cwd: Working directory, in which `output.txt` receives all of its output.
    """

    def __init__(self, argv, *, env, cwd):
        self._output = cwd / "output.txt"
        self._process = start_in_fork(_call_program, argv, env, cwd, output=self._output)
        self.pid = self._process.pid

    def poll(self):
        """Return the exit code, or None while it runs."""
        return self._process.exitcode

    @property
    def returncode(self):
        """The exit code, or None while it runs."""
        return self._process.exitcode

    def communicate(self, timeout=None):
        """Wait for the end; return its output, and None for its separate standard error."""
        self._process.join(timeout)
        assert self.returncode is not None
        return self._output.read_text("utf-8"), None


def _call_program(argv, env, cwd):
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    return call_program(*argv)


def _call(function, arguments, output):
    descriptor = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(function(*arguments))
