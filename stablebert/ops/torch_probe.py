"""A program that tries torch on every device and prints a report: `python -m` runs it.

`stablebert doctor` starts it in a process of its own, because torch may be what is broken.
"""

import json
import warnings
from dataclasses import asdict, dataclass
from typing import Any

PRECISIONS = {"16-mixed": "float16", "bf16-mixed": "bfloat16", "32-true": ""}
"""Type of autocast for each precision of Lightning; empty disables it."""


@dataclass(frozen=True)
class TorchReport:
    """The devices and precisions that the installed torch supports.

    Attributes:
        version: Version of torch.
        cuda: Version of CUDA that torch was built for; None for CPUs only.
        gpus: Names of the GPUs that torch can use.
        emulates_bf16: True if a GPU has no bfloat16 units, so that it is slow.
        warnings: Warnings of torch about GPUs that it cannot use.
        failures: Error by precision, for each device (`cpu`, `cuda:0`, ...); empty if all work.
    """

    version: str
    cuda: str | None
    gpus: list[str]
    emulates_bf16: bool
    warnings: list[str]
    failures: dict[str, dict[str, str]]

    @classmethod
    def from_json(cls, text: str) -> "TorchReport":
        """Read a report that `main` printed."""
        return cls(**json.loads(text))


def probe_torch() -> TorchReport:
    """Multiply matrices in every precision on every device."""
    import torch

    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return TorchReport(
        version=torch.__version__,
        cuda=torch.version.cuda,
        gpus=[torch.cuda.get_device_name(i) for i in range(count)],
        emulates_bf16=bool(count) and not torch.cuda.is_bf16_supported(including_emulation=False),
        warnings=[str(message.message) for message in messages],
        failures={
            device: _failures(torch, device)
            for device in ["cpu", *(f"cuda:{i}" for i in range(count))]
        },
    )


def _failures(torch: Any, device: str) -> dict[str, str]:
    """Return the error of each precision that fails on a device."""
    failures = {}
    for precision, name in PRECISIONS.items():
        dtype = getattr(torch, name) if name else None
        try:
            x = torch.ones(64, 64, device=device)
            kind = device.partition(":")[0]
            with torch.autocast(kind, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                y = x @ x
            if y.dtype != (dtype or x.dtype) or not bool((y == 64).all()):
                failures[precision] = "wrong numbers"
        except Exception as error:
            failures[precision] = f"{type(error).__name__}: {error}"
    return failures


def main() -> None:
    """Print the report as one line of JSON."""
    print(json.dumps(asdict(probe_torch())))


if __name__ == "__main__":
    main()
