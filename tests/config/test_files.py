from pathlib import Path

import pytest

from stablebert.config import files
from stablebert.config.files import documented_keys, flatten, load_conf, model_folder
from stablebert.config.schema import KEYS

SHIPPED = ["base", "methods", "models", "scales", "selected", "tasks"]


def test_all_configuration_files_are_listed_here():  # docs/pitfalls.md, 17
    assert sorted(path.name for path in files.CONF.rglob("*")) == [f"{n}.yaml" for n in SHIPPED]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_loads(name):
    assert isinstance(load_conf(name), dict)


def test_a_checkout_has_conf_next_to_the_package():
    assert Path(__file__).parents[2] / "conf" == files.CONF


def test_a_number_in_scientific_notation_is_a_number():
    assert load_conf("base")["optimizer"]["lr"] == 2e-5


def test_a_key_given_twice_is_refused(conf):
    path = files.CONF / "base.yaml"
    path.write_text(path.read_text() + "\nseed: 1\n")
    conf()
    with pytest.raises(Exception, match="duplicate key seed"):
        load_conf("base")


def test_base_holds_every_key_once_and_in_order():
    assert [key for key, _ in documented_keys()] == list(KEYS)


def test_base_explains_every_key():
    assert [key for key, comment in documented_keys() if not comment] == []


def test_flatten_joins_nested_keys_with_dots():
    assert flatten({"a": {"b": {"c": 1}}, "d": [2]}) == {"a.b.c": 1, "d": [2]}


def test_the_demo_model_is_a_folder_of_the_package():
    assert (model_folder("demo") / "config.json").is_file()


def test_a_hub_id_is_not_a_folder():
    assert model_folder("google-bert/bert-base-uncased") is None
