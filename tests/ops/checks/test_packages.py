import pytest

from stablebert.config.compose import compose
from stablebert.ops.checks import packages
from stablebert.ops.checks.packages import check_packages


@pytest.fixture
def findings(monkeypatch):
    """Findings for an old Python and several wrong packages."""
    installed = {"torch": "1.0", "lightning": "2.6.2"}
    ranges = ["torch>=2.13,<3", "lightning!=2.6.2", "x>=1", "dev>9; extra == 'dev'", "none>=4"]

    def version(name):
        if name == "none":
            raise packages.PackageNotFoundError
        return installed.get(name) or "99999"

    monkeypatch.setattr(packages, "version", version)
    monkeypatch.setattr(packages, "requires", lambda _: ranges)
    monkeypatch.setattr(packages, "metadata", lambda _: {"Requires-Python": ">=3.99"})
    return list(check_packages(compose([])))


def test_an_old_python_is_a_problem(findings):
    assert findings[0].level == "problem"
    assert "is not >=3.99" in findings[0].text


def test_wrong_and_missing_packages_are_named(findings):
    problem = "torch 1.0 is not <3,>=2.13; lightning 2.6.2 is not !=2.6.2; none is missing"
    assert findings[1].level == "problem"
    assert problem in findings[1].text


def test_the_command_that_installs_them_is_shown(findings):
    assert findings[1].text.endswith("pip install 'torch<3,>=2.13' 'lightning!=2.6.2' 'none>=4'")


def test_a_package_that_is_not_installed_has_no_ranges(monkeypatch):
    def requires(name):
        raise packages.PackageNotFoundError

    monkeypatch.setattr(packages, "requires", requires)
    (finding,) = check_packages(compose([]))
    assert finding.level == "note"
