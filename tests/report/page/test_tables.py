"""Tables of a page as CSV and LaTeX."""

from stablebert.report.page.tables import PageTable
from stablebert.report.render import Entry, Table

TABLE = PageTable(
    key="table-1",
    table=Table(
        title="Scores of a_b",
        head=["method", "RTE", "paper", "paper"],
        rows=[
            [
                Entry(text="=reinit"),
                Entry(text="71.5 ± 2.0", marked=True, notes=("failed 1/5", "n=5 of 6")),
                Entry(text="1.0"),
                Entry(),
            ]
        ],
        labels=1,
    ),
)


def test_csv_has_repeated_heads_notes_and_no_formula():
    assert TABLE.csv == (
        "method,RTE,paper,paper\n'=reinit,71.5 ± 2.0 (failed 1/5; n=5 of 6),1.0,-\n"
    )


def test_latex_has_marks_and_escapes():
    assert TABLE.latex.startswith("% Scores of a_b\n")
    assert r"\textbf{71.5 $\pm$ 2.0} & 1.0 & - \\" in TABLE.latex
