import pytest

from stablebert.config.compose import compose
from stablebert.ops.checks.model import check_model_files
from stablebert.ops.doctor import examine
from tests.helpers.models import copy_model

pytestmark = pytest.mark.slow


def configure(model, *overrides):
    return compose(["scale=mini", "task=rte", f"model.name={model}", *overrides])


def test_a_model_that_can_be_loaded_is_fine(tiny_bert):
    (finding,) = check_model_files(configure(tiny_bert))
    assert str(finding) == (
        "ok       model: weights, tokenizer and data.max_length=128 fit together"
    )


def test_what_only_the_library_finds_is_a_problem(tiny_bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "bert", config={"hidden_size": 32})
    (finding,) = check_model_files(configure(folder))
    assert finding.level == "problem"
    assert f"{folder}: config.json and model.safetensors do not fit together" in finding.text


def test_a_warning_of_the_model_is_a_note(tiny_bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "bert", config={"rotary_dim": 8})
    note, _ = check_model_files(configure(folder))
    assert note.level == "note"
    assert "config.json: nothing reads rotary_dim" in note.text


def test_a_model_that_is_not_here_is_not_tried():
    assert list(check_model_files(configure("me/none"))) == []


def test_a_damaged_file_is_a_problem(tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    folder = copy_model(tiny_bert, tmp_path / "bert", fill={"pooler.dense.bias": float("nan")})
    problems = [str(f) for f in examine(configure(folder)) if f.level == "problem"]
    assert any("model.safetensors: pooler.dense.bias contains NaN" in text for text in problems)
