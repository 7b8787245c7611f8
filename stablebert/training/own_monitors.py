"""Monitors that the user defines in a file: `monitor.file`."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

from stablebert.callbacks.step_monitor import StepMonitor
from stablebert.errors import InputError
from stablebert.filesystem import expand_path


def load_own_monitors(file: str) -> list[StepMonitor]:
    """Return an instance of every subclass of `StepMonitor` that a Python file defines.

    Args:
        file: Value of `monitor.file`.

    Raises:
        InputError: If the file cannot be executed, or defines no monitor without arguments.
    """
    path = expand_path("monitor.file", file)
    spec = spec_from_file_location(f"own_monitors_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"monitor.file={file}: expected a Python file, ending in .py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses, for one, look up the module of a class
    try:
        spec.loader.exec_module(module)
        classes = dict.fromkeys(v for v in vars(module).values() if isinstance(v, type))
        monitors = [
            cls()
            for cls in classes
            if issubclass(cls, StepMonitor) and cls.__module__ == module.__name__
        ]
    except Exception as error:
        sys.modules.pop(spec.name, None)
        raise InputError(f"monitor.file={file}: {type(error).__name__}: {error}") from error
    if not monitors:
        raise InputError(
            f"monitor.file={file}: defines no class that inherits from "
            "stablebert.callbacks.step_monitor.StepMonitor"
        )
    return monitors
