"""Statistics of runs: pure functions of arrays, numpy and scipy only.

`scores` has the statistics of scores over seeds that every table prints; each other module answers
one question about a set of runs (docs/statistics.md).
"""
