import yaml

from stablebert.cli import runs
from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.recognition import RecognitionError
from stablebert.config.serialize import as_dict


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
