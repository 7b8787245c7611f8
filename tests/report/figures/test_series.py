"""Lines of figures."""

from stablebert.report.figures.series import series_encodings
from stablebert.report.figures.style import METHOD_COLORS
from stablebert.report.join import join_records
from tests.helpers.records import make_cell


def encode(cells, labels):
    results = join_records(cells, []).results
    return [encoding.to_dict() for encoding in series_encodings(results, labels)]


def test_methods_have_their_colors():
    (color,) = encode([make_cell(method=m) for m in ("standard", "bert_adam")], ["method"])
    assert color["scale"]["range"] == [METHOD_COLORS["standard"], METHOD_COLORS["bert_adam"]]


def test_other_parameters_are_dashes():
    cells = [make_cell(method=m, length=n) for m in "ab" for n in ("3epochs", "longer")]
    _, dash = encode(cells, ["method", "length"])
    assert (dash["field"], dash["sort"]) == ("variant", ["3epochs", "longer"])


def test_rows_of_one_method_have_different_colors():
    cells = [make_cell(**{"reinit.num_layers": depth}) for depth in (1, 2, 3)]
    (color,) = encode(cells, ["reinit.num_layers"])
    assert color["field"] == "row"
    assert len(set(color["scale"]["range"])) == 3


def test_more_variants_than_two_have_different_colors():
    depths = [("standard", 0), ("reinit", 1), ("reinit", 3), ("reinit", 6)]
    cells = [make_cell(method=method, **{"reinit.num_layers": n}) for method, n in depths]
    (color,) = encode(cells, ["method", "reinit.num_layers"])
    assert color["field"] == "row"
    assert color["scale"]["range"][0] == METHOD_COLORS["standard"]
    assert len(set(color["scale"]["range"])) == 4
