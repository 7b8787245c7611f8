"""Figures of reports, as Vega-Lite specifications that Altair builds.

Altair is part of the extra `stablebert[report]`: only modules of this package import it, and other
packages import this one late.
"""
