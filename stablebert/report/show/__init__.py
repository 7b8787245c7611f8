"""One run, or two side by side: what their files say, as text and as a page.

A view is made of blocks without any format; `terminal` and `page` render it. plotext, Altair and
jinja2 are part of the extra `stablebert[report]` and are imported only where a view is rendered.
"""
