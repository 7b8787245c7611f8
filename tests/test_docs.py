"""Links, headings, wording and names of commands in the documentation; the code of the README."""

import re
import statistics
import tomllib
from itertools import chain
from operator import attrgetter
from pathlib import Path

import pytest

from tests.helpers.documents import FENCE, ROOT, prose_of, text_of, words_of

PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("results/**/*.md"),
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
TEXT = {".md", ".py", ".yaml", ".yml", ".toml", ".sbatch", ".txt"}
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")

# Translated or worn-out turns, each with a plain replacement: see CONTRIBUTING.md, "Language".
AVOIDED = re.compile(
    r"\b(told|anew|at hand|in turns|stands? in|for want of|last word wins|goes on where"
    r"|learnt|spoilt|whence|thereby|looks whether|has left what|is trained on before)\b"
    r"|\binitialis\w*|\bre-?initialis\w*",
    re.IGNORECASE,
)
# Documents that exist only where the project was developed.
ABSENT = re.compile(r"\b[Tt]raps?(\.md)?,? \d|\bpaper\.md|\bstyle\.md|\bDESIGN\b|\.\./shared")
PROSE = [
    *("README.md", "CONTRIBUTING.md", "docs", "examples", "Makefile", "pyproject.toml"),
    *("mkdocs.yml", ".github", ".ci"),
]
CODE = ["stablebert", "benchmarks", "conf", "sweeps", "tests"]

every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


def headings_of(page):
    return re.findall(r"^(#+) (.*)$", prose_of(page), re.MULTILINE)


def anchor_of(heading):
    """Anchor that GitHub and the site give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def code_of(page):
    """Code spans and indented or fenced lines of a page, where its commands are."""
    text = text_of(page)
    blocks = chain.from_iterable(block.splitlines() for _, block in FENCE.findall(text))
    indented = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [*blocks, *indented, *spans]


def test_all_pages_are_seen():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= set(IDS)
    assert len(PAGES) >= 13


@every_page
def test_a_page_has_one_title(page):
    assert [level for level, _ in headings_of(page)].count("#") == 1


@every_page
def test_relative_links_lead_somewhere(page):
    broken = []
    for target, anchor in LINK.findall(prose_of(page)):
        file = page.parent / target if target else page
        if not file.exists():
            broken.append(target)
        elif anchor and anchor not in {anchor_of(title) for _, title in headings_of(file)}:
            broken.append(f"{target}#{anchor}")
    assert not broken


@every_page
def test_commands_exist(page):
    from stablebert.cli.commands import COMMANDS

    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    unknown = []
    for line in code_of(page):
        for name in re.findall(r"(?:^|[`;&] *)stablebert ([a-z][\w-]*)", line):
            if name not in COMMANDS:
                unknown.append(f"stablebert {name}")
        for name in re.findall(r"(?:^|[`;&] *)make ([a-z][\w-]*)", line):
            if name not in targets:
                unknown.append(f"make {name}")
    assert not unknown


def names_of_tests():
    """Return the path::name of every test function."""
    return {
        f"{path.relative_to(ROOT)}::{name}"
        for path in ROOT.glob("tests/**/test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", text_of(path), re.MULTILINE)
    }


@every_page
def test_named_tests_exist(page):
    mentions = set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", text_of(page)))
    assert not mentions - names_of_tests()


@every_page
def test_named_files_exist(page):
    if page.name == "CHANGELOG.md":
        return  # names of their time
    mentions = re.findall(
        r"`((?:stablebert|tests|conf|sweeps|docs|examples)/[\w/.-]*)", text_of(page)
    )
    assert [name for name in mentions if not (ROOT / name).exists()] == []


def test_every_pitfall_names_a_test_or_says_why_not():
    sections = re.split(r"^### ", text_of(ROOT / "docs/pitfalls.md"), flags=re.MULTILINE)[1:]
    assert [int(section.split(".")[0]) for section in sections] == list(range(1, 36))
    bare = [s.splitlines()[0] for s in sections if "::test_" not in s and "Not applicable" not in s]
    assert not bare


def test_every_quirk_of_the_released_code_names_a_test_or_says_why_not():
    lines = text_of(ROOT / "docs/implementation-details.md").splitlines()
    quirks = [line for line in lines if line.startswith("| Q")]
    assert [int(q.split()[1].lstrip("Q")) for q in quirks] == list(range(1, 25))
    assert not [q for q in quirks if "::test_" not in q and "Not applicable" not in q]


def files_under(*names):
    """Return the text files of folders and single files, by their path in the repository."""
    for name in names:
        path = ROOT / name
        files = [path] if path.is_file() else path.rglob("*")
        for file in sorted(files):
            if file.suffix in TEXT or (file.is_file() and file == path):
                yield file


def matches(pattern, *names):
    """Return `path:line: text` of every line that a pattern matches."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files_under(*names)
        if file != Path(__file__)
        for number, line in enumerate(text_of(file).splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("name", [*PROSE, *CODE])
def test_language_is_plain_english(name):
    assert matches(AVOIDED, name) == []


@pytest.mark.parametrize("name", [*PROSE, *CODE])
def test_nothing_refers_to_documents_that_are_not_here(name):
    assert matches(ABSENT, name) == []


def rows_below(page, header):
    """Return the rows of the table with that header as lists of cells."""
    _, found, below = text_of(ROOT / page).partition(f"{header}\n")
    assert found, f"no table {header} in {page}"
    _, *rows = below.partition("\n\n")[0].splitlines()
    return [row.strip("| ").split(" | ") for row in rows]


def test_the_table_of_the_papers_claims_is_that_of_the_code():
    from stablebert.report.claims.registry import CLAIMS

    rows = rows_below("docs/statistics.md", "| claim | the paper says | where in the paper |")
    assert rows == [[claim.key, claim.text, claim.place] for claim in CLAIMS]


def test_the_start_page_lists_every_command_and_extra():
    from stablebert.cli.commands import COMMANDS

    commands = rows_below("docs/index.md", "| command | purpose | documentation |")
    assert [(name.strip("`"), purpose) for name, purpose, _ in commands] == [
        (f"stablebert {command.name}", command.summary) for command in COMMANDS.values()
    ]
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    extras = rows_below("docs/index.md", "| extra | for | packages |")
    assert {name.strip("`") for name, *_ in extras} == project["optional-dependencies"].keys()


# ---------------------------------------------------------------- the README


def test_numbers_in_the_readme_are_those_of_the_records():
    from stablebert.report.chance import is_at_chance
    from stablebert.runs.record import parse_record

    runs = {}
    for name in ("table1", "bias_correction"):
        for line in text_of(ROOT / f"results/demo/{name}.jsonl").splitlines():
            run = parse_record(line)
            if run.seed < 20 and run.task in ("rte", "mrpc", "stsb", "cola"):
                runs.setdefault((run.method, run.length), {})[run.task, run.seed] = run
    row = r"^\| (\w+) \| (3epochs|longer) \| (.*) \|$"
    demo = text_of(ROOT / "README.md").partition("## What you will see")[2]
    rows = re.findall(row, demo, re.MULTILINE)
    assert len(rows) == 5
    for method, length, cells in rows:
        *texts, failures, chances = cells.split(" | ")
        own = runs[method, length]
        for task, text in zip(("rte", "mrpc", "stsb", "cola"), texts, strict=True):
            values = [100 * own[task, seed].test_at_best for seed in range(20)]
            assert text == f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
        assert failures == f"{sum(run.status == 'failed' for run in own.values())} of {len(own)}"
        assert chances == f"{sum(map(is_at_chance, own.values()))} of {len(own)}"


FURTHER = "\n## Further analyses\n"


@pytest.mark.slow
def test_numbers_of_the_further_analyses_are_those_of_the_report(tmp_path, capsys):
    from stablebert.cli.main import main

    section = text_of(ROOT / "docs/demo.md").partition(FURTHER)[2]
    parts = section.split("    stablebert ")[1:]
    assert len(parts) == 3
    for part in parts:
        command, _, prose = part.partition("\n\n")
        prose = " ".join(prose.split())
        means = re.findall(r"\d+\.\d ± \d+\.\d", prose)
        number = r"([+-]\d+\.\d)"
        triples = re.findall(rf"{number}[ ,(]+{number} to {number}", prose)
        differences = [f"{value} [{low}, {high}]" for value, low, high in triples]
        shares = "".join(re.findall(r"\d+%", prose.partition("With 90%")[0]))
        shares = [
            f"{a} seed_init, {b} seed_data, {c} residual"
            for a, b, c in re.findall(r"(\d+%)(\d+%)(\d+%)", shares)
        ]
        main([*command.replace("\\\n", " ").split(), "--out", str(tmp_path)])
        report = " ".join(capsys.readouterr().out.split())
        statements = [*means, *differences, *shares]
        assert len(statements) >= 2
        assert [statement for statement in statements if statement not in report] == []


@pytest.mark.slow
def test_verdicts_on_the_demo_page_are_those_of_the_report(tmp_path, capsys):
    from stablebert.cli.main import main

    page = " ".join(text_of(ROOT / "docs/demo.md").partition(FURTHER)[0].split())
    commands = re.findall(r"stablebert report (.*?seed=\S+)", page)
    assert len(commands) == 2
    for command in commands:
        main(["report", *command.split(), "--full", "--out", str(tmp_path)])
        verdicts = [x for x in capsys.readouterr().out.splitlines() if "significantly higher" in x]
        assert verdicts
        assert [line for line in verdicts if line not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["rates", "method_rates", "method_screens", "depths", "table1", "bias_correction"]
)
def test_tables_on_the_demo_page_are_those_of_the_records(name):
    from benchmarks.demo import TABLES

    page = text_of(ROOT / "docs/demo.md")
    assert TABLES[name](ROOT / "results") in page


# ---------------------------------------------------------------- first runs on real GLUE


@pytest.mark.slow
@pytest.mark.parametrize(("name", "page"), [("search", "first-runs.md"), ("methods", "methods.md")])
def test_tables_of_first_runs_are_those_of_the_records(name, page):
    from benchmarks.first_runs import TABLES

    table = TABLES[name](ROOT / "results/mini")
    command = f"python -m benchmarks.first_runs {name} # this table"
    assert f"{command} {words_of(table)}" in words_of(text_of(ROOT / "docs" / page))


@pytest.mark.slow
def test_values_of_the_mini_scale_are_the_best_of_the_search():
    from benchmarks.first_runs import TABLES
    from stablebert.config.compose import compose

    lines = [line for line in TABLES["search"](ROOT / "results/mini").splitlines() if "**" in line]
    best = [line.split(" | ")[:2] for line in lines]
    assert len(best) == 11
    for method, setting in best:
        key, _, value = setting.partition("=")
        cfg = compose(["scale=mini", f"method={method.removeprefix('| ')}"])
        assert attrgetter(key)(cfg) == float(value)


def test_the_page_of_the_results_lists_every_file_of_records_with_its_number_of_runs():
    page = text_of(ROOT / "results/README.md")
    listed = dict(re.findall(r"^\| \[`(\w+/\w+\.jsonl)`\].* \| (\d+) \|", page, re.MULTILINE))
    files = ROOT.glob("results/*/*.jsonl")
    counts = {f"{f.parent.name}/{f.name}": str(len(text_of(f).splitlines())) for f in files}
    assert listed == counts


@pytest.mark.slow
def test_baselines_on_the_demo_page_are_those_of_the_records(tmp_path):
    from benchmarks.demo import baselines, write_random

    page, random = text_of(ROOT / "docs/demo.md"), tmp_path / "random"
    write_random(random)
    assert baselines("demo", [str(random), "demo"], ROOT / "results") in page
    assert baselines("demo:500:7", ["demo"], ROOT / "results") in page


@pytest.mark.slow
def test_the_readme_shows_what_a_report_prints(tmp_path, monkeypatch, capsys):
    from stablebert.cli.main import main

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    page = text_of(ROOT / "README.md")
    command = re.findall(r"^    stablebert (report bias_correction .*)$", page, re.MULTILINE)[0]
    main(command.split())
    blocks = [text for kind, text in FENCE.findall(page) if kind == "text"]
    assert capsys.readouterr().out.rstrip("\n") + "\n" in blocks


@pytest.mark.slow
def test_library_example_of_the_readme_runs(tiny_bert, tmp_path, monkeypatch):
    import sys
    from types import ModuleType

    import lightning as L
    import torch
    from torch.utils.data import DataLoader

    from stablebert import BertAdam
    from stablebert.models.loading import load_model

    class MyClassifier(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = load_model(tiny_bert, num_labels=2, seed=0)

        def training_step(self, batch, batch_idx):
            ids, labels = batch
            return torch.nn.functional.cross_entropy(self.model(input_ids=ids).logits, labels)

    rows = [(torch.arange(5, 13), torch.tensor(i % 2)) for i in range(8)]
    project = ModuleType("my_project")
    project.MyClassifier, project.my_data = MyClassifier, DataLoader(rows, batch_size=4)
    monkeypatch.setitem(sys.modules, "my_project", project)
    monkeypatch.chdir(tmp_path)
    (code,) = [c for kind, c in FENCE.findall(text_of(ROOT / "README.md")) if kind == "python"]
    assert len(code.splitlines()) <= 14
    small = code.replace("ReinitTopLayers(5)", "ReinitTopLayers(1)").replace("=200", "=3")
    names = {}
    exec(small, names)
    assert names["trainer"].global_step == 3
    assert isinstance(names["trainer"].optimizers[0], BertAdam)
    (log,) = tmp_path.rglob("metrics.csv")
    assert "bias_ratio/all" in log.read_text().splitlines()[0].split(",")
