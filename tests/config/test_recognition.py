import json

import pytest
import transformers

from stablebert.config import recognition
from stablebert.config.compose import compose
from stablebert.config.recognition import (
    RecognitionError,
    check_recognition,
    describe_recognitions,
    layer_count,
    paper_model,
)
from stablebert.config.serialize import flat_values
from tests.helpers.config import problem

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
CONFIGS = {
    "google-bert/bert-large-uncased": transformers.BertConfig(**LARGE, vocab_size=30522),
    "xlnet/xlnet-large-cased": transformers.XLNetConfig(),
    "FacebookAI/roberta-large": transformers.RobertaConfig(**LARGE, vocab_size=50265),
    "google/electra-large-discriminator": transformers.ElectraConfig(
        **LARGE, vocab_size=30522, embedding_size=1024
    ),
    "facebook/bart-large": transformers.BartConfig(),
}
PAPER_NAMES = dict(zip(CONFIGS, ["BERT", "XLNet", "RoBERTa", "ELECTRA", "BART"], strict=True))
OTHERS = {
    "bert-large-cased": transformers.BertConfig(**LARGE, vocab_size=28996),
    "bert-base-uncased": transformers.BertConfig(),
    "xlnet-base": transformers.XLNetConfig(n_layer=12, d_model=768, n_head=12),
    "roberta-base": transformers.RobertaConfig(vocab_size=50265),
    "electra-large-generator": transformers.ElectraConfig(
        num_hidden_layers=24, hidden_size=256, embedding_size=1024, vocab_size=30522
    ),
    "bart-base": transformers.BartConfig(d_model=768, encoder_layers=6, decoder_layers=6),
}


@pytest.fixture(autouse=True)
def _forget_models(tmp_path, monkeypatch):
    """Look at folders and the hub's cache again in each test, which starts with an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for cached in (recognition.recognize, recognition._model_config):
        cached.cache_clear()


def save_folder(config, folder):
    """Save the config.json of a model to a folder, and return `model.name`."""
    config.save_pretrained(folder)
    return str(folder)


def cache_snapshot(config, tmp_path, name):
    """Store a config.json in the hub's cache as the latest commit of a repository."""
    repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
    config.save_pretrained(repository / "snapshots" / "c0ffee")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    return repository / "snapshots" / "c0ffee"


def recipe(*overrides):
    """Return every value of a configuration that decides its numbers, except the address."""
    values = flat_values(compose(["scale=paper", *overrides]))
    return {key: value for key, value in values.items() if key != "model.name"}


@pytest.mark.parametrize("task", ["rte", "cola", "rte_1k"])
@pytest.mark.parametrize("entry", CONFIGS)
def test_a_folder_has_the_recipe_of_the_hub_id(entry, task, tmp_path):
    folder = save_folder(CONFIGS[entry], tmp_path / "anything")
    assert recipe(f"model.name={folder}", f"task={task}") == recipe(
        f"model.name={entry}", f"task={task}"
    )


@pytest.mark.parametrize("alias", ["roberta-large", "xlnet-large-cased", "bert-large-uncased"])
def test_an_alias_has_the_recipe_of_the_hub_id(alias):
    (entry,) = [entry for entry in CONFIGS if entry.endswith(f"/{alias}")]
    assert recipe(f"model.name={alias}") == recipe(f"model.name={entry}")


def test_another_repository_with_the_same_sizes_has_the_same_recipe(tmp_path):
    cache_snapshot(CONFIGS["FacebookAI/roberta-large"], tmp_path, "me/copy")
    assert recipe("model.name=me/copy") == recipe("model.name=roberta-large")


def test_the_recipe_of_a_hub_id_is_the_same_with_an_empty_cache(tmp_path):
    before = recipe("model.name=roberta-large")
    cache_snapshot(CONFIGS["google-bert/bert-large-uncased"], tmp_path, "roberta-large")
    assert recipe("model.name=roberta-large") == before


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_of_other_sizes_is_not_recognized(name, tmp_path):
    folder = save_folder(OTHERS[name], tmp_path / name)
    assert compose([f"model.name={folder}", "scale=paper"]).model.like == "auto"


def test_the_match_is_part_of_the_configuration():
    assert compose(["model.name=roberta-large", "scale=paper"]).model.like == (
        "FacebookAI/roberta-large"
    )


def test_no_recipe_can_be_chosen():
    cfg = compose(["model.name=roberta-large", "scale=paper", "model.like=none"])
    assert (cfg.trainer.max_steps, cfg.trainer.batch_size) == (None, 32)


def test_another_recipe_can_be_chosen():
    like = "model.like=FacebookAI/roberta-large"
    cfg = compose(["model.name=me/unknown", "scale=paper", "task=rte", like])
    assert (cfg.trainer.max_steps, cfg.trainer.batch_size) == (2036, 16)


def test_an_unknown_recipe_is_answered_with_the_closest():
    assert "did you mean FacebookAI/roberta-large?" in problem("model.like=roberta-large")


def test_null_is_not_a_choice_of_a_recipe():
    assert "model.like takes one of auto, none," in problem("model.like=None")


def test_a_model_recognized_after_its_download_is_composed_again(tmp_path):
    cold = compose(["model.name=me/copy", "scale=paper"])
    folder = cache_snapshot(CONFIGS["FacebookAI/roberta-large"], tmp_path, "me/copy")
    with pytest.raises(RecognitionError, match="turned out to be FacebookAI/roberta-large"):
        check_recognition(cold, folder)
    assert compose(["model.name=me/copy", "scale=paper"]).trainer.max_steps == 2036


def test_no_recipe_is_also_no_recipe_after_the_download(tmp_path):
    cold = compose(["model.name=me/copy", "scale=paper", "model.like=none"])
    folder = cache_snapshot(CONFIGS["FacebookAI/roberta-large"], tmp_path, "me/copy")
    check_recognition(cold, folder)


@pytest.mark.parametrize("entry", CONFIGS)
def test_a_model_of_the_paper_has_its_name(entry):
    assert paper_model(compose([f"model.name={entry}", "scale=paper"])) == PAPER_NAMES[entry]


@pytest.mark.parametrize("entry", CONFIGS)
def test_a_folder_of_a_model_of_the_paper_has_its_name(entry, tmp_path):
    folder = save_folder(CONFIGS[entry], tmp_path / "anything")
    assert paper_model(compose([f"model.name={folder}", "scale=paper"])) == PAPER_NAMES[entry]


@pytest.mark.parametrize(
    "overrides",
    [
        "scale=demo",
        "scale=mini",
        "scale=paper model.name=google-bert/bert-base-uncased",
        "scale=paper model.name=google-bert/bert-large-cased",
        "scale=paper model.name=google-bert/bert-large-uncased-whole-word-masking",
        "scale=paper model.name=albert/albert-base-v2",
        "scale=paper model.name=me/roberta-large",
        "scale=paper model.name=me/unknown model.like=FacebookAI/roberta-large",
        "scale=paper model.like=none",
        "scale=paper model.like=FacebookAI/roberta-large",
    ],
)
def test_other_models_have_no_name_in_the_paper(overrides):
    assert paper_model(compose(overrides.split())) is None


def test_a_fine_tuned_copy_has_no_name_in_the_paper(tmp_path):
    cache_snapshot(CONFIGS["FacebookAI/roberta-large"], tmp_path, "me/roberta-large-mnli")
    cfg = compose(["model.name=me/roberta-large-mnli", "scale=paper"])
    assert (cfg.model.like, paper_model(cfg)) == ("FacebookAI/roberta-large", None)


def test_a_match_is_reported():
    cfg = compose(["model.name=roberta-large", "scale=paper"])
    assert describe_recognitions([cfg, cfg]) == [
        "model.name=roberta-large is recognized as FacebookAI/roberta-large: its settings in "
        "conf/models.yaml apply; model.like=none leaves them out"
    ]


def test_a_chosen_recipe_is_reported():
    cfg = compose(["model.name=me/x", "scale=paper", "model.like=facebook/bart-large"])
    assert describe_recognitions([cfg])[0].startswith(
        "model.name=me/x is treated like facebook/bart-large:"
    )


@pytest.mark.parametrize("overrides", [[], ["model.name=FacebookAI/roberta-large"]])
def test_nothing_is_reported_about_a_model_under_its_own_name(overrides):
    assert describe_recognitions([compose(["scale=paper", *overrides])]) == []


@pytest.mark.parametrize(
    ("entry", "layers"),
    [
        ("facebook/bart-large", 12),
        ("xlnet/xlnet-large-cased", 24),
        ("FacebookAI/roberta-large", 24),
    ],
)
def test_the_layers_of_a_folder_are_counted_for_every_architecture(entry, layers, tmp_path):
    assert layer_count(save_folder(CONFIGS[entry], tmp_path / "x"), None) == layers


def test_a_folder_named_like_a_hub_id_is_recognized_by_its_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roberta-large").mkdir()
    config = {"model_type": "bert", "num_hidden_layers": 2}
    (tmp_path / "roberta-large" / "config.json").write_text(json.dumps(config))
    assert compose(["model.name=roberta-large", "scale=paper"]).model.like == "auto"
