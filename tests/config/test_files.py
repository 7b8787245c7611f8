import os
import re
from pathlib import Path

import pytest
import yaml

from stablebert.config import files
from stablebert.config.files import documented_keys, flatten, load_conf, model_folder
from stablebert.config.schema import KEYS
from stablebert.errors import ConfigError
from stablebert.yaml_files import load_yaml

SHIPPED = ["base", "glue", "methods", "models", "scales", "selected", "tasks"]


def test_all_configuration_files_are_listed_here():  # docs/pitfalls.md, 17
    assert sorted(path.name for path in files.CONF.rglob("*")) == [f"{n}.yaml" for n in SHIPPED]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_loads(name):
    assert isinstance(load_conf(name), dict)


def test_a_checkout_has_conf_next_to_the_package():
    assert Path(__file__).parents[2] / "conf" == files.CONF


def test_a_number_in_scientific_notation_is_a_number():
    assert load_conf("base")["optimizer"]["lr"] == 2e-5


def test_a_value_of_conf_may_refer_to_another_key(conf):
    path = files.CONF / "scales.yaml"
    path.write_text("a: {x: 3}\nb: {x: '${a.x}'}")
    conf()
    assert load_conf("scales")["b"] == {"x": 3}


def test_a_key_given_twice_in_conf_is_refused(conf):
    path = files.CONF / "base.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "seed: 1"]))
    conf()
    first = next(n for n, line in enumerate(lines, 1) if line.startswith("seed:"))
    with pytest.raises(ConfigError) as error:
        load_conf("base")
    last = len(lines) + 1
    assert str(error.value) == (f"{path}:{last}: seed is given twice, in lines {first} and {last}")


@pytest.mark.parametrize(
    "content", ["a: 1\n\na: 2", "b:\n  a: 1\n\n  a: 1", '{a: 1,\n\n"a": 1}', "- {a: 1,\n\na: {}}"]
)
def test_a_key_given_twice_is_refused_with_both_lines(tmp_path, content):
    path = tmp_path / "sweep.yaml"
    path.write_text(content)
    first = 1 + content.startswith("b")
    with pytest.raises(ConfigError, match=f"a is given twice, in lines {first} and {first + 2}$"):
        load_yaml(path)


def test_a_key_may_override_one_that_is_merged_in(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}")
    assert load_yaml(path)["b"] == {"x": 2}


@pytest.mark.parametrize(
    ("text", "number"), [("010", 8), ("1_0", 10), ("0x10", 16), ("1:30", 90), ("0b11", 3),
                         ("1_0.5", 10.5), ("1:30.5", 90.5), ("00.5", 0.5)],
)  # fmt: skip
def test_a_number_that_yaml_reads_as_another_one_is_refused(tmp_path, text, number):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"a: 1\nb: [{text}]")
    with pytest.raises(ConfigError) as error:
        load_yaml(path)
    assert str(error.value) == (
        f"{path}:2: YAML reads {text} as the number {number}; write it that way"
    )


@pytest.mark.parametrize("text", ["0", "10", "-3", "0.5", "2.0e-5", ".5", "0.0", "1e3", "008"])
def test_plain_numbers_are_read_as_yaml_reads_them(tmp_path, text):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"a: {text}")
    assert load_yaml(path) == yaml.safe_load(f"a: {text}")


def test_base_holds_every_key_once_and_in_order():
    assert [key for key, _ in documented_keys()] == list(KEYS)


def test_base_explains_every_key():
    assert [key for key, comment in documented_keys() if not comment] == []


def test_a_comment_of_a_key_may_span_lines():
    comment = dict(documented_keys())["optimizer.bias_correction"]
    assert comment.startswith("true = of both moments")
    assert comment.endswith("BERTAdam with a rescaled rate")


def test_flatten_joins_nested_keys_with_dots():
    assert flatten({"a": {"b": {"c": 1}}, "d": [2]}) == {"a.b.c": 1, "d": [2]}


def test_the_demo_model_is_a_folder_of_the_package():
    assert (model_folder("demo") / "config.json").is_file()


def test_a_hub_id_is_not_a_folder():
    assert model_folder("google-bert/bert-base-uncased") is None


BAD_YAML = [b"a: [", b"\xff\xfe", b"a: \xc3", b"a: !!int x", b"a: !!bool x", b"\x00", b"[" * 5000]
BAD_YAML += [b"{[1]: 2}", b"a: *b", b"\t- x", b"!!python/object:os.system {}"]


@pytest.mark.parametrize("content", [*BAD_YAML, b"a: 2020-99-99"], ids=ascii)
def test_a_file_that_is_not_yaml_is_refused_by_name(tmp_path, content):
    path = tmp_path / "sweep.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))}.*: not valid YAML"):
        load_yaml(path)


@pytest.mark.parametrize("content", [*BAD_YAML, b"a: ${b", b"a: ${b}"], ids=ascii)
def test_a_file_of_conf_that_is_not_yaml_is_refused_by_name(conf, content):
    (files.CONF / "scales.yaml").write_bytes(content)
    conf()
    with pytest.raises(ConfigError, match=r"scales\.yaml.*: not valid YAML"):
        load_conf("scales")


@pytest.mark.parametrize("content", ["- a", "1: {}", "text: {}\n1: {}"])
def test_a_file_of_conf_holds_entries_by_name(conf, content):
    (files.CONF / "scales.yaml").write_text(content)
    conf()
    with pytest.raises(ConfigError, match=r"scales\.yaml: expected names with their settings"):
        load_conf("scales")


def test_the_line_of_a_syntax_error_is_named(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("method: grid\nparameters: ]\n")
    with pytest.raises(ConfigError, match=r"sweep\.yaml:2: "):
        load_yaml(path)


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "sweep.yaml")
    with pytest.raises(OSError, match="Not a regular file"):
        load_yaml(tmp_path / "sweep.yaml")


@pytest.mark.parametrize(
    ("file", "content", "entry"),
    [
        ("scales", "mini: text", "mini"),
        ("methods", "standard: [1]", "standard"),
        ("selected", "demo: {rte: 3}", "demo: rte"),
        ("selected", "demo: {rte: {reinit: [1]}}", "demo: rte: reinit"),
        ("tasks", "rte: {per_method: text}", "rte: per_method"),
        ("tasks", "rte: {length: {longer: 3}}", "rte: length: longer"),
        ("models", "a: {config: 3}", "a: config"),
        ("models", "a: {aliases: [[]]}", "a: aliases"),
    ],
)
def test_an_entry_of_conf_that_is_not_a_group_is_refused_by_name(conf, file, content, entry):
    (files.CONF / f"{file}.yaml").write_text(content)
    conf()
    with pytest.raises(ConfigError, match=rf"{file}\.yaml: {entry}: expected "):
        load_conf(file)


def test_an_empty_entry_of_conf_has_no_settings(conf):
    conf(methods={"mine": None})
    assert load_conf("methods")["mine"] == {}
