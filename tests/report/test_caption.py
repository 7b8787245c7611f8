"""The caption of a report: definitions, provenance, missing and other runs."""

from dataclasses import replace
from itertools import product

import pytest

from stablebert.report.caption import caption_lines
from stablebert.report.compare import analyze_cells
from stablebert.report.join import join_records
from stablebert.report.sweep_report import write_report
from tests.helpers.records import make_cell, make_record


def report(cells, records, folder, notes=()):
    return write_report(cells, records, out=folder, name="t", notes=notes)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Report on an incomplete cell, a cell whose runs failed, and an empty cell."""
    cells = [make_cell(seeds=range(4)), make_cell("cola", seeds=range(4)), make_cell("mrpc")]
    records = [make_record(cells[0], s, s / 10) for s in range(3)]
    records += [make_record(cells[1], s, 0.0, status="failed") for s in range(4)]
    return report(cells, records, tmp_path_factory.mktemp("report"))


@pytest.mark.parametrize(
    "line",
    [
        "7 of 10 runs: 3 cells, seeds 0..3; 3 missing, 4 failed, 7 at chance. ",
        "missing: RTE standard 3epochs (rte-standard-3epochs-mini): seeds 3\n",
        "no runs in 1 cell: MRPC standard 3epochs (mrpc-standard-3epochs-mini)\n",
        "Score x 100: accuracy for RTE; MCC for CoLA; F1 for MRPC. ",
        "Not significantly worse does not mean equivalent.",
        "scale: mini\n",
        "model: org/bert@fedcba987654\n",
        "data: sha256:0123456789ab\n",
        "precision: 32-true\n",
        "commit: c0ffee\n",
    ],
)
def test_the_caption_has_the_line(text, line):
    assert line in text


def test_a_grid_over_two_seeds_is_reported_whole(tmp_path):
    cell = make_cell(seeds=product(range(10), range(10)))
    records = [make_record(cell, seeds) for seeds in cell.seeds]
    line = "100 of 100 runs: 1 cell, seeds 0..9/0..9; 0 missing, 0 failed, 0 at chance. "
    assert line in report([cell], records, tmp_path)


def test_a_missing_pair_of_seeds_is_named(tmp_path):
    cell = make_cell(seeds=product(range(2), range(2)))
    records = [make_record(cell, seeds) for seeds in cell.seeds if seeds != (0, 1)]
    assert "(rte-standard-3epochs-mini): seeds 0/1\n" in report([cell], records, tmp_path)


def test_gpu_hours_are_those_of_all_runs(tmp_path):
    cell = make_cell(seeds=range(3))
    times = [5400.0, 1800.0, None]
    records = [make_record(cell, s, gpu_seconds=t) for s, t in enumerate(times)]
    note = (
        "each run counts in full on a GPU that several share; unknown for 1 older run, not counted"
    )
    assert f"\nGPU-hours: 2.00 ({note})\n" in report([cell], records, tmp_path)


def test_runs_on_cpus_have_no_gpu_hours(tmp_path):
    cell = make_cell(seeds=range(2))
    records = [make_record(cell, seed, gpu_seconds=0.0) for seed in cell.seeds]
    assert "GPU-hours" not in report([cell], records, tmp_path)


def test_notes_are_shown(tmp_path):
    assert "\nskipped: runs/x: torn\n" in report(
        [make_cell()], [], tmp_path, ["skipped: runs/x: torn"]
    )


def test_values_that_differ_between_runs_are_counted(tmp_path):
    cell = make_cell(seeds=range(3))
    records = [make_record(cell, s, device="ab"[s // 2]) for s in range(3)]
    assert "\ndevice: a (2 runs), b (1 run)\n" in report([cell], records, tmp_path)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_cell_of_mixed_versions_is_reported(tmp_path, package):
    cells = [make_cell(seeds=range(3)), make_cell("cola")]
    records = [make_record(cells[0], s, versions={package: "12"[s // 2]}) for s in range(3)]
    records += [make_record(cells[1], s, versions={package: "1"}) for s in range(2)]
    text = report(cells, records, tmp_path)
    name = "RTE standard 3epochs (rte-standard-3epochs-mini)"
    assert f"\nmixed versions: {name}: {package} 1 (2 runs), 2 (1 run)\n" in text
    assert text.count("mixed versions") == 1


def test_parameters_that_all_cells_share_are_listed(tmp_path):
    cells = [make_cell(task, **{"trainer.epochs": "1"}) for task in ("rte", "cola")]
    assert "\nfixed: trainer.epochs=1\n" in report(cells, [], tmp_path)


@pytest.mark.parametrize(("precision", "warned"), [("bf16-mixed", True), ("32-true", False)])
def test_cells_of_different_precision_get_a_warning(tmp_path, precision, warned):
    cells = [make_cell(), make_cell(method="reinit")]
    records = [make_record(cells[0], s) for s in (0, 1)]
    records += [make_record(cells[1], s, precision=precision) for s in (0, 1)]
    assert ("in different precisions" in report(cells, records, tmp_path)) is warned


@pytest.mark.parametrize(("packing", "warned"), [("packed", True), ("padded", False)])
def test_cells_of_different_packing_get_a_warning(tmp_path, packing, warned):
    cells = [make_cell(), make_cell(method="reinit")]
    records = [make_record(cells[0], s) for s in (0, 1)]
    records += [make_record(cells[1], s, packing=packing) for s in (0, 1)]
    line = "different packings, padded (2 runs), packed (2 runs); runs with the same seed then draw"
    assert (line in report(cells, records, tmp_path)) is warned


def test_the_correction_for_a_search_is_explained(tmp_path):
    cell = replace(make_cell(method="llrd"), settings=2)
    line = "Settings of llrd were selected by validation score: their p-values are multiplied"
    assert line in report([make_cell(), cell], [], tmp_path)


def test_marks_of_a_search_are_about_validation(tmp_path):
    cells = [make_cell(method="reinit", **{"reinit.num_layers": d}) for d in ("1", "2")]
    assert "the best mean validation score of each task" in report(cells, [], tmp_path)


def test_marks_of_the_papers_layout_are_about_the_test_score():
    assert any("the best mean of each task" in line for line in caption([make_cell()]))


def caption(cells, records=()):
    results = join_records(cells, records)
    return caption_lines(analyze_cells(results.results, mark_by="test"), results)


def test_provenance_and_gaps_word_for_word():
    """Four devices; five commits, of which one is unknown and one cut; three incomplete cells."""
    epochs = {"trainer.epochs": "1"}
    rows = product(("rte", "mrpc"), ("standard", "reinit"))
    cells = [make_cell(task, method, seeds=range(6), **epochs) for task, method in rows]
    versions = [{"commit": c, "torch": "2"} for c in ("a", "a", "b", "b", "c", "d")]
    records = [make_record(cells[0], s, versions=versions[s], device="wwwxyz"[s]) for s in range(6)]
    unknown = {"precision": "bf16-mixed", "versions": {"torch": "2"}, "device": "w"}
    records += [make_record(cells[1], s, model="elsewhere", **unknown) for s in (0, 2, 3, 5)]
    lines = caption(cells, records)
    assert lines[lines.index("scale: mini") :] == [
        "scale: mini",
        "fixed: trainer.epochs=1",
        "model: org/bert@fedcba987654 (6 runs), elsewhere (4 runs)",
        "data: sha256:0123456789ab",
        "precision: 32-true (6 runs), bf16-mixed (4 runs)",
        "device: w (7 runs), x (1 run), y (1 run), z (1 run)",
        "commit: unknown (4 runs), a (2 runs), b (2 runs), c (1 run), and 1 more",
        "Cells ran in different precisions, which may explain their differences.",
        "config: hash of a cell's configuration, as in the folders of its runs and in the CSV.",
        "missing: RTE reinit 3epochs (rte-reinit-3epochs-mini-trainer.epochs=1): seeds 1, 4",
        "no runs in 2 cells: MRPC standard 3epochs (mrpc-standard-3epochs-mini-trainer.epochs=1), "
        "MRPC reinit 3epochs (mrpc-reinit-3epochs-mini-trainer.epochs=1)",
    ]


def test_a_sweep_over_precisions_needs_no_warning():
    precisions = ("32-true", "bf16-mixed")
    cells = [make_cell(**{"trainer.precision": p}) for p in precisions]
    records = [make_record(c, precision=p) for c, p in zip(cells, precisions, strict=True)]
    assert not any("different precisions" in line for line in caption(cells, records))


def test_every_task_is_listed_once_under_its_metric():
    tasks = ("rte", "mrpc", "qnli", "rte", "a_task_of_ones_own")
    line = "Score x 100: accuracy for RTE, QNLI; F1 for MRPC; score for a_task_of_ones_own. "
    assert caption([make_cell(task) for task in tasks])[0].startswith(line)


@pytest.mark.parametrize(
    ("m", "count", "level"), [(1, "1 comparison,", 2), (3, "3 comparisons,", 6)]
)
def test_the_caption_counts_the_comparisons(m, count, level):
    cells = [make_cell(method=f"m{i}", seeds=range(5)) for i in range(m)]
    cells = [make_cell(seeds=range(5)), *cells, make_cell(method="incomplete", seeds=range(5))]
    records = [make_record(c, s, s / 10) for c in cells for s in range(5)][:-1]
    (line,) = (line for line in caption(cells, records) if line.startswith("Compared with"))
    assert f" over {count} times 2 " in line
    assert line.endswith(f" at level .05 / {level}.")


PAPER = (
    "Paper: Zhang et al. (2021), Tables 1, 2, 5, and 7, on real GLUE, 20 seeds (full MNLI: 3); "
    "its large models only."
)
COMPARABLE = "only the direction of an effect is comparable."


@pytest.mark.parametrize(
    ("scale", "remark"),
    [
        ("demo", f" The demo tasks are generated: {COMPARABLE}"),
        ("mini", f" Scale mini uses a smaller model: {COMPARABLE}"),
        ("paper", ""),
    ],
)
def test_the_line_on_the_paper_names_the_limits_of_the_scale(scale, remark):
    lines = caption([make_cell(scale=scale)])
    assert [line for line in lines if line.startswith("Paper")] == [PAPER + remark]


def test_a_table_without_the_papers_numbers_does_not_cite_them():
    cells = [make_cell(method="reinit", **{"reinit.num_layers": d}) for d in ("1", "2")]
    assert not any(line.startswith("Paper") for line in caption(cells))


@pytest.fixture
def others():
    """Records of eight other configurations of a cell, and of another task."""
    cell = make_cell()
    records = [make_record(replace(cell, config_id=f"c{i}")) for i in range(8)]
    return [*records, make_record(make_cell("cola"))]


def test_records_of_other_configurations_are_listed(tmp_path, others):
    line = "not counted (other configuration or seed): mini rte standard 3epochs c0: 0"
    assert line in report([make_cell()], others, tmp_path).splitlines()


@pytest.mark.parametrize(
    "line",
    ["not counted: 2 more configurations", "not counted: 1 record of other cells"],
)
def test_a_long_list_of_other_records_is_cut(tmp_path, others, line):
    assert line in report([make_cell()], others, tmp_path).splitlines()


@pytest.mark.parametrize(("n", "more"), [(6, []), (7, ["not counted: 1 more configuration"])])
def test_six_other_configurations_are_listed_and_the_rest_is_counted(others, n, more):
    lines = [line for line in caption([make_cell()], others[:n]) if line.startswith("not counted")]
    assert lines[6:] == more
