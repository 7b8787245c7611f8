"""The result of a check."""

from dataclasses import dataclass
from typing import Literal

from stablebert.errors import mask_credentials
from stablebert.text import escape_controls

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """The result of a check, printed as one line.

    Attributes:
        level: `ok`; `note`, which stops no run; or `problem`, which stops runs of the
            configuration.
        text: The finding and, unless it is `ok`, what to do about it.
    """

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level:8} {escape_controls(mask_credentials(' '.join(self.text.split())))}"
