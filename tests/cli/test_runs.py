import yaml

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.serialize import as_dict


def test_config_prints_the_resolved_configuration(capsys):
    overrides = ["task=cola", "method=reinit", "length=longer", "scale=paper"]
    assert main(["config", *overrides]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == as_dict(compose(overrides))
