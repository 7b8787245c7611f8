import shutil

import pytest
import yaml

from stablebert.cli import runs
from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.recognition import RecognitionError
from stablebert.config.serialize import as_dict
from tests.helpers.runs import make_run, store_run_record


def test_config_prints_the_resolved_configuration(capsys):
    overrides = ["task=cola", "method=reinit", "length=longer", "scale=paper"]
    assert main(["config", *overrides]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == as_dict(compose(overrides))


def test_config_reports_the_recipe_of_a_model_without_a_network(capsys):
    assert main(["config", "scale=paper", "model.name=roberta-large"]) == 0
    assert "model.name=roberta-large is recognized as FacebookAI/roberta-large" in (
        capsys.readouterr().err
    )


def test_train_composes_again_if_the_download_reveals_the_model(monkeypatch, capsys):
    configs = []

    def locate(cfg):
        configs.append(cfg)
        if len(configs) == 1:
            raise RecognitionError("model.name=me/copy turned out to be roberta-large")
        return cfg

    monkeypatch.setattr(runs, "locate", locate)
    assert runs._locate_run(["seed=1"]) is configs[1]
    assert "turned out to be roberta-large" in capsys.readouterr().err


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Arguments of a run whose record is that of another seed, copied with its folder."""
    runs = [make_run(tmp_path, f"seed={seed}") for seed in (0, 1)]
    store_run_record(runs[0])
    shutil.copytree(runs[0].folder, runs[1].folder)
    monkeypatch.setattr("stablebert.cli.runs.locate", lambda cfg: runs[cfg.seed])
    return ["scale=mini", f"paths.runs={tmp_path}", "seed=1"]


def test_the_record_of_another_run_is_not_that_of_this_one(arguments, tmp_path, capsys):
    assert main(["train", *arguments]) == 1
    output = capsys.readouterr()
    assert "seed1/result.json: not in the folder of its run" in output.err
    assert "force=true runs it again" in output.err
    assert "done already" not in output.out
