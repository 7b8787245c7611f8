"""The smaller measurements, each a script with a command line."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import (
    ablation,
    before_after,
    bench,
    costs,
    demo,
    gpu,
    methods,
    monitors,
    results,
    synthetic,
    table,
)
from stablebert.config.values import choices_of


def table_rows(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line[:1] == "|"]


SCRIPTS = [
    *(ablation, before_after, bench, costs, demo, gpu, methods, monitors, results),
    *(synthetic, table),
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_describes_every_argument(script, capsys):
    with pytest.raises(SystemExit) as end:
        script.main(["--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m {script.__name__} ")


@pytest.mark.parametrize(
    "script", [ablation, bench, costs, demo, methods, monitors, results, table]
)
def test_ctrl_c_ends_a_script_without_a_traceback(script):
    last_line = Path(script.__file__).read_text().splitlines()[-1]
    assert last_line == f'    sys.exit(run_script(main, name="python -m {script.__name__}"))'


def test_every_method_has_a_measured_step_or_that_of_standard():
    same_step_as_standard = {"reinit", "noisytune", "longer", "intermediate", "lp_ft"}
    assert {*methods.METHODS, *same_step_as_standard} == {*choices_of("method")}


@pytest.mark.slow
def test_a_step_of_every_method_is_measured(tiny_glue, tiny_bert, monkeypatch, capsys):
    monkeypatch.setattr(methods, "ROUNDS", 1)
    monkeypatch.setattr(methods, "STEPS", 2)
    methods.main([str(tiny_glue), str(tiny_bert), "cola"])
    ratios = {name: float(ratio) for name, _, ratio in table_rows(capsys)}
    assert set(ratios) == set(methods.METHODS)
    assert min(ratios.values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("what", ["steps", "runs"])
def test_two_checkouts_alternate(what, tiny_glue, tiny_bert, capsys):
    sizes = ["--before", str(before_after.ROOT), "--rounds", "2", "--steps", "2"]
    run = ["task=cola", "scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}"]
    before_after.main([*sizes, what, "train", *run])
    _, _, *rows = table_rows(capsys)
    assert {row[0] for row in rows} >= {"wall", "CPU"}
    assert min(float(seconds) for row in rows for seconds in row[1:3]) > 0


def test_a_ratio_is_the_median_of_those_of_single_rounds():
    rounds = [
        ({"wall": 1.0}, {"wall": 0.5}),
        ({"wall": 4.0}, {"wall": 1.0}),
        ({"wall": 2.0}, {"wall": 3.0}),
    ]
    assert before_after.table(rounds, unit=1000).splitlines()[2] == (
        "| wall | 2000 | 1000 | 0.50 | 0.25 to 1.50 |"
    )


@pytest.mark.slow
def test_a_step_without_each_optimization_is_measured(tiny_glue, tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(ablation, "ROUNDS", 1)
    monkeypatch.setattr(ablation, "STEPS", 2)
    seconds = ablation.measure("cola", str(tiny_glue), str(tiny_bert), ablation.ABLATIONS)
    assert set(seconds) == set(ablation.ABLATIONS)
    assert min(seconds.values()) > 0


@pytest.mark.slow
def test_seconds_of_every_monitor_are_measured(tiny_glue, tiny_bert, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monitors.main([str(tiny_glue), str(tiny_bert), "cola"])
    _, _, *rows = table_rows(capsys)
    assert {row[1] for row in rows} > {*monitors.MONITORS, *monitors.PROCEDURE}


def test_random_bert_has_the_shape_of_the_demo_s(tmp_path):
    demo.write_random(tmp_path / "random")
    config = json.loads((tmp_path / "random/config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (12, 64)


def test_random_bert_has_other_weights_than_the_demo_s(tmp_path):
    from stablebert.config.files import model_folder
    from stablebert.models.loading import load_model

    demo.write_random(tmp_path / "random")
    models = [
        load_model(f, num_labels=2, seed=0) for f in (tmp_path / "random", model_folder("demo"))
    ]
    words = [model.get_input_embeddings().weight for model in models]
    assert not torch.equal(*words)


def test_examples_show_every_class_of_a_task():
    assert {row[1] for row in demo.examples("rte")} == {"entailment", "not_entailment"}


def test_bag_of_words_beats_the_majority_class_on_the_easiest_task():
    majority, bag_of_words = demo.bag_of_words("stsb")
    assert bag_of_words > majority
