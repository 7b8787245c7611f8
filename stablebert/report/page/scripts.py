"""JSON and JavaScript inside a page."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def script_json(value: object) -> str:
    """Return a value as JSON that can be the content of a script element.

    Nothing in it can end the element or begin a comment, whatever the texts of the value are.

    Raises:
        ValueError: If the value holds a NaN or an infinity, which JSON cannot represent.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


@cache
def vega_script() -> str:
    """Return the script that defines `vegaEmbed`, with Vega, Vega-Lite, and all they need."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", r"<\/script")


def policy(scripts: Iterable[str]) -> str:
    """Return a content security policy that allows these scripts and no request.

    Args:
        scripts: Contents of all script elements that the browser executes. Vega compiles
            expressions, which the policy calls `unsafe-eval`.
    """
    sources = [f"'sha256-{_digest(script)}'" for script in scripts]
    return (
        f"default-src 'none'; script-src {' '.join(sources)} 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def pack_specification(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return a figure's specification for the page's script, which unpacks its data."""
    datasets = specification.get("datasets", {})
    packed = {name: pack_rows(rows) for name, rows in datasets.items()}
    return {**specification, "datasets": packed}


def pack_rows(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return rows as columns, which take much less space; the page's script restores the rows.

    A column of texts is a list of the distinct texts and of their positions in it.

    Example:
        >>> pack_rows([{"task": "rte", "x": 1}, {"task": "rte", "x": 2.5}])
        {'size': 2, 'columns': {'task': {'texts': ['rte'], 'at': [0, 0]}, 'x': [1, 2.5]}}
    """
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _pack_column([row.get(name) for row in rows]) for name in names}
    return {"size": len(rows), "columns": columns}


def _pack_column(values: list[Any]) -> list[Any] | dict[str, list[Any]]:
    if not all(isinstance(value, str) for value in values):
        return values
    places = {text: i for i, text in enumerate(dict.fromkeys(values))}
    return {"texts": list(places), "at": [places[text] for text in values]}
