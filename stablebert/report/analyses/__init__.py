"""Analyses of a sweep's runs, beyond the table of its scores.

One module per analysis applies functions of `stablebert.report.statistics` to the cells of a report
and ends with an `Analysis`. `registry` lists them, `base` holds their types, and `sections` writes
their results.
"""
