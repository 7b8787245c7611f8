import json
import re

from tests.tracking.dashboard import specs


def parameters_of(chart, kind):
    return set(re.findall(rf"\${{{kind}:(\w+)}}", json.dumps(chart["spec"])))


def configs_of_charts(dashboard):
    charts = [p["config"] for p in specs.all_panels(dashboard) if p["viewType"] == "Vega2"]
    assert charts
    return charts


def test_panels_set_every_field_of_the_chart(dashboard):
    fields = parameters_of(dashboard["chart"], "field")
    assert all(set(c["fieldSettings"]) == fields for c in configs_of_charts(dashboard))


def test_panels_set_every_string_of_the_chart(dashboard):
    strings = parameters_of(dashboard["chart"], "string")
    assert all(set(c["stringSettings"]) == strings for c in configs_of_charts(dashboard))


def test_panels_refer_to_the_chart_of_the_entity(dashboard):
    name = f"ent/{dashboard['chart']['name']}"
    assert {c["panelDefId"] for c in configs_of_charts(dashboard)} == {name}


def test_panels_query_the_summary_keys_that_they_draw(dashboard):
    for config in configs_of_charts(dashboard):
        (query,) = config["userQuery"]["queryFields"]
        (summary,) = [field for field in query["fields"] if field["name"] == "summary"]
        keys = list(config["fieldSettings"].values())
        assert summary["args"] == [{"name": "keys", "value": keys}]
