"""Pages made from records by hand."""

import json
import re
from html.parser import HTMLParser

from stablebert.report.analyses.base import Request
from stablebert.report.everything import Collection
from stablebert.report.sweep_report import build_report
from tests.helpers.records import make_cell, make_record, store_record

SCORES = {
    ("rte", "standard"): [0.70, 0.62, 0.66, 0.71, 0.68],
    ("rte", "reinit"): [0.74, 0.72, 0.75, 0.73, 0.71],
    ("cola", "standard"): [0.40, 0.0, 0.44, 0.43, 0.41],
    ("cola", "reinit"): [0.45, 0.46, 0.44, 0.47, 0.43],
}
"""Test scores by task and method, one per seed."""
HOSTILE = "<img src=x onerror=alert(1)>&amp;$\\textbf{x}$ **b** [l](http://x.y) </script>{{ 7*7 }}"
"""A name that is markup in HTML, LaTeX, Markdown, and jinja2."""


def make_collection(root, scores=SCORES, *, name="table1", model="org/bert", **names):
    """A collection of one report whose records are in a folder; the first run has a history.

    Args:
        root: The folder.
        scores: Test scores by task and method.
        name: Name of the sweep.
        model: Name of the model.
        names: Further parameters of all cells.
    """
    cells, records = [], []
    for (task, method), values in scores.items():
        cell = make_cell(task, method, seeds=range(len(values)), **names)
        cells.append(cell)
        for seed, score in enumerate(values):
            status = "ok" if score else "failed"
            records.append(make_record(cell, seed, score, status=status, steps=96))
    for record in records:
        store_record(root, record)
    write_history(next(iter(root.rglob("result.json"))), records)
    report = build_report(cells, records, name=name, request=Request(roots=[root]))
    return Collection(
        name="mini",
        scale="mini",
        model=model,
        reports={name: report},
        absent=[],
        records=records,
        problems=[],
    )


def make_hostile_collection(root):
    """A collection in which sweep, model, and a method have names that are markup."""
    scores = {("rte", "standard"): [0.7, 0.6, 0.65, 0.6, 0.61], ("rte", "<b>m</b>"): [0.7, 0.5]}
    names = {"model.name": HOSTILE}
    return make_collection(root, scores, name="<i>sweep</i>", model=HOSTILE, **names)


def write_history(result, records):
    """Write the history of a stored record: loss at three steps, validation at two."""
    content = json.loads(result.read_text())
    lines = [
        {"step": 1, "train/loss": 0.75},
        {"step": content["val_best_step"], "train/loss": 0.5, "val/score": content["val_best"]},
        {"step": content["steps"], "train/loss": 0.25, "val/score": 0.25},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (result.parent / "history.jsonl").write_text(text)


class PageContent(HTMLParser):
    """A page as a browser reads it: visible text, elements, and the data of its script."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        """Tag and attributes of every element."""
        self.texts = []
        """Texts outside scripts and styles."""
        self.data = {}
        """Values for the page's script, by `id`."""
        self._script = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag in ("script", "style"):
            self._script = attributes

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._script = None

    def handle_data(self, data):
        if self._script is None:
            self.texts.append(data)
        elif self._script.get("type") == "application/json":
            self.data[self._script["id"]] = json.loads(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def unpack_rows(packed):
    """Rows of a table that `pack_rows` has packed."""
    rows = [{} for _ in range(packed["size"])]
    for name, column in packed["columns"].items():
        if isinstance(column, dict):
            column = [column["texts"][i] for i in column["at"]]
        for row, value in zip(rows, column, strict=True):
            row[name] = value
    return rows
