"""Numbers as LaTeX macros."""

import re
import shlex
from pathlib import Path

import pytest
from scipy import stats

from stablebert.cli.main import main
from stablebert.report.macros import macros_tex, spell_out
from tests.helpers.claims import make_report, spaced_scores
from tests.helpers.latex import compile_latex, run_pdflatex

DOCS = Path(__file__).parents[2] / "docs"
MACRO = re.compile(r"\\newcommand\{\\([A-Za-z]+)\}\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}% (.*)")


def parse(text):
    """Texts and comments by name; every line must be a comment, empty, or one definition."""
    definitions = {}
    for line in text.splitlines():
        if not line or line.startswith("%"):
            continue
        name, value, comment = MACRO.fullmatch(line).groups()
        assert name not in definitions
        definitions[name] = (value, comment)
    return definitions


def values_of(*reports):
    text = macros_tex({report.name: report for report in reports})
    return {name: value for name, (value, _) in parse(text).items()}


LOW, HIGH = spaced_scores(0.60, 0.03), spaced_scores(0.70, 0.02)
SCORES = {
    ("rte_1k", "standard", "3epochs"): LOW,
    ("rte_1k", "reinit", "3epochs"): HIGH,
    ("rte_1k", "reinit", "longer"): HIGH,
}
TABLE = make_report("table1", SCORES, failed={("rte_1k", "standard", "3epochs"): 3})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RteOneKReinitMean", "70.0"),
        ("RteOneKReinitSd", "2.0"),
        ("RteOneKReinitN", "10"),
        ("RteOneKStandardFailed", "3"),
        ("RteOneKReinitLongerMean", "70.0"),
        ("RteOneKReinitDiff", "10.0"),
    ],
)
def test_a_number_has_a_macro(name, value):
    assert values_of(TABLE)[f"stablebert{name}"] == value


def test_small_p_values_can_be_used_in_text_and_in_formulas():
    p = 2 * 2 * stats.ttest_ind(HIGH, LOW, equal_var=False).pvalue
    assert p < 0.001
    assert values_of(TABLE)["stablebertRteOneKReinitP"] == r"\ensuremath{<}.001"


def test_negative_numbers_have_a_minus_sign():
    worse = {("rte", "standard", "3epochs"): HIGH, ("rte", "reinit", "3epochs"): LOW}
    values = values_of(make_report("table1", worse))
    assert values["stablebertRteReinitDiff"] == r"\ensuremath{-10.0}"


def test_numbers_that_do_not_exist_have_no_macro():
    values = values_of(make_report("t", {("rte", "standard", "3epochs"): [0.7]}))
    assert "stablebertRteStandardSd" not in values
    assert "stablebertRteStandardDiff" not in values


def test_cells_that_differ_in_a_parameter_are_told_apart_by_it():
    keys = [("rte", "reinit", "3epochs", ("reinit.num_layers", depth)) for depth in (1, 12)]
    values = values_of(make_report("reinit_depth", dict.fromkeys(keys, HIGH)))
    assert "stablebertRteReinitNumLayersOneTwoMean" in values


def test_tasks_of_the_demo_are_not_named_like_the_real_ones():
    values = values_of(make_report("t", {("rte", "standard", "3epochs"): HIGH}, scale="demo"))
    assert "stablebertDemoRteStandardMean" in values


def test_equal_runs_in_two_sweeps_have_one_macro():
    other = make_report("table2", {("rte_1k", "standard", "3epochs"): LOW})
    assert values_of(TABLE, other).keys() == values_of(TABLE).keys()


def test_other_runs_of_the_same_cell_are_told_apart_by_the_sweep():
    other = make_report("bias_correction", {("rte_1k", "standard", "3epochs"): HIGH[:5]})
    values = values_of(TABLE, other)
    assert "stablebertRteOneKStandardN" not in values
    assert values["stablebertRteOneKStandardInTableOneN"] == "10"
    assert values["stablebertRteOneKStandardInBiasCorrectionN"] == "5"


def test_names_that_are_spelled_alike_are_told_apart_by_the_configuration():
    keys = [("rte", "reinit", "3epochs", ("model.name", name)) for name in ("a/b", "a-b", "ä/b")]
    values = values_of(make_report("t", dict.fromkeys(keys, HIGH)))
    assert sum(name.endswith("N") for name in values) == len(keys)


def test_a_comment_names_sweep_cell_and_seeds():
    _, comment = parse(macros_tex({"table1": TABLE}))["stablebertRteOneKReinitMean"]
    assert comment.startswith(
        "table1: RTE (1k) reinit 3epochs (rte_1k-reinit-3epochs-mini), seeds 0..9"
    )


HOSTILE = "\\input{x} %$#&_^~{}\n\\end{document}\u2028é"


def test_names_with_latex_markup_stay_in_comments():
    key = ("rte", "standard", "3epochs", ("model.name", HOSTILE))
    other = ("rte", "standard", "3epochs", ("model.name", "x"))
    text = macros_tex({HOSTILE: make_report(HOSTILE, {key: HIGH, other: LOW})})
    assert all(set(value) <= set("0123456789.") for value, _ in parse(text).values())


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("rte_1k", "RteOneK"),
        ("bert_adam", "BertAdam"),
        ("optimizer.lr", "OptimizerPointLr"),
        ("1e-05", "OneEMinusZeroFive"),
        ("reinit+mixout", "ReinitMixout"),
        ("\\ä%", ""),
    ],
)
def test_texts_are_spelled_in_letters(text, spelled):
    assert spell_out(text) == spelled


@pytest.mark.slow
def test_macros_can_be_used_in_text_and_in_formulas(tmp_path):
    (tmp_path / "macros.tex").write_text(macros_tex({"table1": TABLE}))
    macro = r"\stablebertRteOneKReinitP"
    compile_latex(tmp_path, f"{macro}{{}} and ${macro}$", preamble=r"\input{macros}")


@pytest.mark.slow
def test_macros_of_names_with_latex_markup_compile(tmp_path):
    key = ("rte", "standard", "3epochs", ("model.name", HOSTILE))
    other = ("rte", "standard", "3epochs", ("model.name", "x"))
    text = macros_tex({HOSTILE: make_report(HOSTILE, {key: HIGH, other: LOW})})
    (tmp_path / "macros.tex").write_text(text, encoding="utf-8")
    body = " ".join(rf"\{name}{{}}" for name in parse(text))
    compile_latex(tmp_path, body, preamble=r"\input{macros}")


@pytest.mark.slow
def test_the_manuscript_in_the_documentation_compiles(tmp_path, monkeypatch):
    text = (DOCS / "grid.md").read_text("utf-8")
    command, source = re.search(
        r"After `stablebert (.*)`.*?```latex\n(.*?)```", text, re.S
    ).groups()
    monkeypatch.chdir(tmp_path)
    main(shlex.split(command))
    output = run_pdflatex(tmp_path, source)
    assert "Overfull" not in output
