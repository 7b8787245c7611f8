"""The page of a report: one HTML file without network requests.

`write.py` says how to write one. Templates are jinja2 with autoescape, so that names of models,
sweeps, and folders are text. jinja2 and vl_convert are part of the extra `stablebert[report]`:
only modules of this package import them, when a page is written.
"""
