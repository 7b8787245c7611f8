from tests.tracking.dashboard import specs


def test_bars_are_means_with_standard_errors_and_lines_means_with_standard_deviations(dashboard):
    styles = {
        (p["viewType"], p["config"].get("groupAgg"), p["config"].get("groupArea"))
        for p in specs.all_panels(dashboard)
        if p["viewType"] not in ("Vega2", "Markdown Panel")
    }
    assert styles == {
        ("Bar Chart", "mean", "stderr"),
        ("Run History Line Plot", "mean", "stddev"),
        ("Run History Line Plot", "mean", "samples"),
    }


def test_panels_follow_the_grouping_of_the_runs_table(dashboard):
    assert not [p for p in specs.all_panels(dashboard) if "groupBy" in p["config"]]


def test_ids_of_panels_are_unique(dashboard):
    ids = [panel["__id__"] for panel in specs.all_panels(dashboard)]
    assert len(set(ids)) == len(ids)
