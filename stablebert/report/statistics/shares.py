"""Comparison of two shares, such as the shares of failed runs of two cells."""

from math import comb


def fisher_test(count_a: int, n_a: int, count_b: int, n_b: int) -> float:
    """Return the two-sided p-value of Fisher's exact test for different shares.

    Given the total count, count_b is hypergeometric if both shares are equal. The p-value sums the
    probabilities of all counts that are at most as probable as the observed one. It is exact for
    every number of runs, and conservative for few.

    Args:
        count_a: Number of events among `n_a` trials, such as failed runs of the baseline.
        n_a: Number of trials of the baseline, at least 1.
        count_b: Number of events among `n_b` trials.
        n_b: Number of trials of the other cell, at least 1.

    Raises:
        ValueError: If a count is not in 0..n, or there are no trials.

    References:
        Fisher, "Statistical Methods for Research Workers", 5th edition, 1934, section 21.02.
    """
    for count, n in ((count_a, n_a), (count_b, n_b)):
        if not (n >= 1 and 0 <= count <= n):
            raise ValueError(f"{count} events in {n} trials; need 0..n events and n >= 1")
    total = count_a + count_b
    counts = range(max(0, total - n_a), min(total, n_b) + 1)
    ways = {count: comb(n_b, count) * comb(n_a, total - count) for count in counts}
    extreme = sum(way for way in ways.values() if way <= ways[count_b])  # exact: integers
    return extreme / sum(ways.values())
