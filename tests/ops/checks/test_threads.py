import pytest

from stablebert.config.compose import compose
from stablebert.ops.checks.threads import check_threads


@pytest.mark.parametrize(
    ("variable", "override", "text"),
    [
        ("4096", [], "OMP_NUM_THREADS=4096:"),
        ("1", ["trainer.threads=5000"], "trainer.threads=5000:"),
        ("4096", ["trainer.threads=5000"], "OMP_NUM_THREADS=4096 and trainer.threads=5000:"),
    ],
)
def test_more_threads_than_cores_are_a_note(monkeypatch, variable, override, text):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    (finding,) = check_threads(compose(override))
    assert (finding.level, text in finding.text) == ("note", True)


def test_one_thread_is_fine(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (finding,) = check_threads(compose([]))
    assert finding.level == "ok"
