"""The two seeds of a run, which identify it within its cell."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from stablebert.config.schema import RunConfig

MOST_SEEDS = 100_000
"""Limit on the seeds that a text names."""


class Seeds(NamedTuple):
    """The seeds of a run, as text `3`, or `1/2` if the two differ (paper, Appendix B)."""

    init: int
    """Seed of the weights that are drawn before training: head, Re-init, noise, adapters."""
    data: int
    """Seed of data order, dropout and masks."""

    @classmethod
    def of(cls, cfg: RunConfig) -> Self:
        """Return the seeds of a configuration."""
        return cls(cfg.init_seed, cfg.data_seed)

    def __str__(self) -> str:
        return str(self.init) if self.init == self.data else f"{self.init}/{self.data}"

    @property
    def folder(self) -> str:
        """Name of the run's folder: `seed3`, or `init1-data2`."""
        return f"seed{self.init}" if self.init == self.data else f"init{self.init}-data{self.data}"


def format_seeds(seeds: Iterable[Seeds]) -> str:
    """Join seeds into ranges.

    Example:
        >>> format_seeds([Seeds(0, 0), Seeds(1, 1), Seeds(4, 4)])
        '0..1, 4'
        >>> format_seeds([Seeds(i, j) for i in range(3) for j in range(10)])
        '0..2/0..9'
    """
    data_seeds: dict[int, list[int]] = {}
    for init, data in sorted(set(seeds)):
        data_seeds.setdefault(init, []).append(data)
    plain_seeds = [init for init, datas in data_seeds.items() if datas == [init]]
    inits_by_data: dict[tuple[int, ...], list[int]] = {}
    for init, datas in data_seeds.items():
        if datas != [init]:
            inits_by_data.setdefault(tuple(datas), []).append(init)
    pairs = [
        f"{init_range}/{data_range}"
        for datas, inits in inits_by_data.items()
        for init_range in _ranges(inits)
        for data_range in _ranges(datas)
    ]
    return ", ".join([*_ranges(plain_seeds), *pairs])


def parse_seeds(text: str) -> set[Seeds]:
    """Return the seeds that `format_seeds` joined.

    Example:
        >>> sorted(parse_seeds("0..1, 4"))
        [Seeds(init=0, data=0), Seeds(init=1, data=1), Seeds(init=4, data=4)]

    Raises:
        ValueError: If it is another text, or has more seeds than any sweep.
    """
    seeds = set()
    for part in text.split(", "):
        init_text, is_pair, data_text = part.partition("/")
        inits = _parse_range(init_text)
        datas = _parse_range(data_text) if is_pair else None
        if not 0 < len(inits) * len(datas or [0]) <= MOST_SEEDS:
            raise ValueError(part)
        seeds |= {Seeds(i, j) for i in inits for j in ([i] if datas is None else datas)}
    return seeds


def _parse_range(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _ranges(numbers: Iterable[int]) -> list[str]:
    """Return ascending numbers as texts `4` and `0..3`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return [str(first) if first == last else f"{first}..{last}" for first, last in ranges]
