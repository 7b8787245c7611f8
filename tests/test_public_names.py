"""Public names of the package: complete, resolvable, lazy and typed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import stablebert

PACKAGE = Path(stablebert.__file__).parent


@pytest.mark.parametrize("name", stablebert.__all__)
def test_public_name_resolves(name):
    assert getattr(stablebert, name) is not None


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = {(name.name, node.module) for node in block.body for name in node.names}
    assert imports == set(stablebert._HOMES.items())


def test_every_public_name_is_listed():
    assert {*stablebert._HOMES, "__version__"} == set(stablebert.__all__)


def test_public_names_are_in_dir():
    assert set(stablebert.__all__) <= set(dir(stablebert))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'stablebert' has no attribute 'Bert'"):
        stablebert.Bert  # noqa: B018


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert stablebert.__version__ == version("stablebert")


def test_type_marker_is_in_the_package():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.slow
def test_importing_the_package_loads_no_torch():
    code = "import stablebert, sys; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "value"), [(None, "2048"), ("64", "64")])
def test_importing_the_package_doubles_onednns_cache_unless_the_user_set_it(
    setting, value, monkeypatch
):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name) if setting is None else monkeypatch.setenv(name, setting)
    code = f"import os, stablebert; print(os.environ[{name!r}])"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output.strip() == value
