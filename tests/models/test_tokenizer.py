"""Tokenizers that do not fit their model are refused."""

import json
import shutil

import pytest
from transformers import AutoTokenizer

from stablebert.models.files import ModelError
from stablebert.models.tokenizer import load_tokenizer
from tests.helpers.models import copy_model


@pytest.fixture
def folder(tiny_bert, tmp_path):
    return shutil.copytree(tiny_bert, tmp_path / "bert")


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_tokenizer_that_fits_is_loaded(tiny_bert):
    assert load_tokenizer(tiny_bert)("w1")["input_ids"][0] == 2


def test_a_tokenizer_that_marks_no_text_is_refused(folder):
    edit(folder / "tokenizer.json", post_processor=None)
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    with pytest.raises(ModelError, match=r"tokenizer\.json.* does not mark texts, such as .CLS."):
        load_tokenizer(folder)


def test_an_added_token_without_an_embedding_is_refused(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens("brandnew")
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"token 'brandnew' has id 153, .* vocab_size=153"):
        load_tokenizer(folder)


def test_more_segments_than_the_model_has_are_refused(tiny_bert, tmp_path):
    folder = copy_model(tiny_bert, tmp_path / "bert", config={"type_vocab_size": 1})
    with pytest.raises(ModelError, match=r"numbers segments up to 1, .* type_vocab_size=1"):
        load_tokenizer(folder)


def test_a_padding_token_that_moves_the_positions_of_roberta_is_refused(folders, tmp_path):
    folder = copy_model(folders["roberta"], tmp_path / "roberta", config={"pad_token_id": 1})
    with pytest.raises(ModelError, match=r"pads with token 0, .* pad_token_id=1, .* counts positi"):
        load_tokenizer(folder)


@pytest.mark.parametrize("content", [{"pad_token": 3}, {"do_lower_case": []}])
def test_a_tokenizer_that_cannot_be_loaded_is_named(folder, content):
    edit(folder / "tokenizer_config.json", **content)
    with pytest.raises(ModelError, match=r"bert: the tokenizer \(.*_config\.json\) cannot be load"):
        load_tokenizer(folder)


def test_a_panic_of_the_library_names_the_tokenizer(folder, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*args, **kwargs):
        raise PanicException("index out of bounds")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", panic)
    with pytest.raises(ModelError, match="cannot be loaded: PanicException: index out of bounds"):
        load_tokenizer(folder)


def test_the_right_case_is_not_reported(tiny_bert, caplog):
    load_tokenizer(tiny_bert)
    assert not caplog.text


def test_capitals_that_the_vocabulary_lacks_are_reported(folder, caplog):
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    load_tokenizer(folder)
    assert "keeps capitals that its vocabulary lacks" in caplog.text


def test_capitals_that_are_lost_in_vain_are_reported(folder, caplog):
    content = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(content.replace('"w', '"W').replace('"WordP', '"WordP'))
    load_tokenizer(folder)
    assert "lowercases texts although its vocabulary has capitals" in caplog.text


def test_a_tokenizer_without_a_model_is_compared_with_nothing(folder):
    (folder / "config.json").unlink()
    assert load_tokenizer(folder).pad_token_id == 0
