"""A custom W&B chart in Vega-Lite: the distribution of scores over seeds.

For each task there is a box per cell, and each run is a point: red if the run failed, orange if it
ended at chance without failing.
"""

import json
from hashlib import sha256
from typing import Any

from stablebert.tracking.dashboard.selection import NAME

_COLORS = {"domain": ["ok", "at chance", "failed"], "range": ["#4c78a8", "#f58518", "#e45756"]}
CHART: dict[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "title": "${string:title}",
    "data": {"name": "wandb"},
    "transform": [
        {"filter": "isValid(datum['${field:score}'])"},
        {"calculate": "100 * datum['${field:score}']", "as": "points"},
        {
            "calculate": "datum['${field:method}'] + ' ' + datum['${field:length}'] + ' ' + "
            "datum['${field:config}']",
            "as": "cell",
        },
        {
            "calculate": "datum['${field:status}'] == 'ok' && datum['${field:at_chance}'] == 1 ? "
            "'at chance' : datum['${field:status}']",
            "as": "outcome",
        },
    ],
    "facet": {"field": "${field:task}", "type": "nominal", "title": None},
    "columns": 4,
    "resolve": {"scale": {"x": "independent", "y": "independent"}},
    "spec": {
        "height": 200,
        "encoding": {
            "x": {"field": "cell", "type": "nominal", "title": None},
            "y": {
                "field": "points",
                "type": "quantitative",
                "title": "score x 100",
                "scale": {"zero": False},
            },
        },
        "layer": [
            {"mark": {"type": "boxplot", "extent": "min-max", "opacity": 0.4}},
            {
                "mark": {"type": "point", "filled": True, "opacity": 0.7},
                "encoding": {
                    "color": {
                        "field": "outcome",
                        "type": "nominal",
                        "title": None,
                        "scale": _COLORS,
                    }
                },
            },
        ],
    },
}
# W&B can create a chart but not change it, so a different chart needs a different name.
CHART_NAME = f"{NAME}-scores-{sha256(json.dumps(CHART).encode()).hexdigest()[:8]}"


def chart_fields(score: str) -> dict[str, str]:
    """Return the key of the run's summary for each field of the chart.

    Args:
        score: Summary key of the score to draw.
    """
    fields = {key: key for key in ("task", "method", "length", "status", "at_chance")}
    return fields | {"config": "config_id", "score": score}
