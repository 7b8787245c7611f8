"""The generated tasks: what they say follows from what they mean, and is the same everywhere."""

import hashlib
import json
import re
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from stablebert import demo
from stablebert.config.compose import compose
from stablebert.demo import tasks, world
from stablebert.demo.broken import broken
from stablebert.demo.grammar import (
    Dice,
    Event,
    Noun,
    Sequel,
    Told,
    participle,
    past,
    plural,
    third,
)
from stablebert.demo.lexicon import ABOVE, ADJECTIVES, CLASSES, VERBS
from stablebert.demo.reviews import BAD, DISLIKE, GOOD, LIKE, TURNED, opinion, review
from stablebert.demo.text import pairs
from stablebert.errors import ConfigError
from stablebert.glue.datamodule import data_module
from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import TASKS

FULL = [name for name in TASKS if not name.endswith("_1k")]
GAVE = Event(
    "give/hand",
    Noun("Mary"),
    Noun("ring", "a", adj="old"),
    Noun("dentist", "the"),
    place="in the garden/yard",
    time="on Monday",
)
HELPED = Event("help/assist", Noun("doctor/physician", "the"), Noun("Adam"), place="in the park")


def wordings(meaning, n=400) -> set[str]:
    dice = Dice("wordings")
    return {meaning.say(dice) for _ in range(n)}


def questions(event, slot, n=300) -> set[str]:
    dice = Dice("questions")
    return {event.ask(slot, dice) for _ in range(n)}


# ---------------------------------------------------------------- the grammar


def test_one_meaning_has_many_wordings_and_no_other():
    plain = replace(GAVE, place="", time="")
    assert wordings(plain) == {
        f"Mary {verb} {objects}"
        for verb in ("gave", "handed")
        for objects in ("an old ring to the dentist", "the dentist an old ring")
    } | {f"an old ring was {verb} to the dentist by Mary" for verb in ("given", "handed")}
    ends = {
        text.replace("assisted", "helped").replace("physician", "doctor")
        for text in wordings(HELPED)
    }
    assert ends == {
        "the doctor helped Adam in the park",
        "in the park, the doctor helped Adam",
        "Adam was helped by the doctor in the park",
        "in the park, Adam was helped by the doctor",
    }


def test_negation_tense_and_agreement():
    slept = Event("sleep", Noun("dog", "the", many=True))
    assert wordings(slept) == {"the dogs slept"}
    assert wordings(replace(slept, negated=True)) == {"the dogs did not sleep"}
    # "an apple was not washed" leaves other apples open
    washed = Event("wash", Noun("Mary"), Noun("apple", "a"), negated=True)
    assert wordings(washed) == {"Mary did not wash an apple"}
    assert "the apple was not washed by Mary" in wordings(
        replace(washed, patient=Noun("apple", "the"))
    )
    assert wordings(replace(slept, present=True)) == {"the dogs sleep"}
    one = Event("wash", Noun("she"), Noun("they"), present=True)
    assert wordings(one) == {"she washes them", "they are washed by her"}
    assert wordings(replace(one, negated=True)) == {
        "she does not wash them",
        "they are not washed by her",
    }
    assert "some apples were washed by Mary" in wordings(
        Event("wash", Noun("Mary"), Noun("apple", "some"))
    )


def test_questions_ask_for_one_part():
    e = replace(HELPED, verb="help", agent=Noun("Eve"))
    assert questions(e, "agent") == {"who helped Adam in the park"}
    assert questions(e, "patient") == {
        "who did Eve help in the park",
        "who was helped by Eve in the park",
    }
    assert questions(e, "place") == {"where did Eve help Adam", "where was Adam helped by Eve"}
    assert questions(e, "whether") == {
        "did Eve help Adam in the park",
        "was Adam helped by Eve in the park",
    }
    gave = replace(GAVE, verb="give", place="", time="")
    assert questions(gave, "recipient") == {"who did Mary give an old ring to"}
    assert questions(gave, "patient") == {"what did Mary give to the dentist"}


def test_what_is_told_and_what_comes_after():
    sang, left = (Event(verb, Noun(name)) for verb, name in (("sing", "Ben"), ("wait", "Amy")))
    assert wordings(Sequel(sang, left)) == {
        "Ben sang before Amy waited",
        "Amy waited after Ben sang",
        "before Amy waited, Ben sang",
        "after Ben sang, Amy waited",
    }
    assert wordings(Told("know", Noun("Leo"), sang)) == {"Leo knew that Ben sang"}


@pytest.mark.parametrize(
    ("base", "forms"),
    {
        "carry": ("carries", "carried", "carried"),
        "play": ("plays", "played", "played"),
        "wash": ("washes", "washed", "washed"),
        "fix": ("fixes", "fixed", "fixed"),
        "lose": ("loses", "lost", "lost"),
        "write": ("writes", "wrote", "written"),
        "drop": ("drops", "dropped", "dropped"),
    }.items(),
)
def test_forms_of_verbs(base, forms):
    assert (third(base), past(base), participle(base)) == forms


def test_lexicon():
    assert [plural(n) for n in ("box", "sheep", "craftsman", "wrench", "lily", "goose", "toy")] == [
        *("boxes", "sheep", "craftsmen", "wrenches", "lilies", "geese", "toys")
    ]
    words = {w for a, b in islice(pairs("count"), 30_000) for w in f"{a} {b}".lower().split()}
    assert 900 < len({word.strip(".,?") for word in words}) < 1300
    of = {kind for verb in VERBS for kind in verb.patient}
    assert of <= set(CLASSES)
    assert set(ADJECTIVES) - {"food", "thing"} <= set(CLASSES) | set(ABOVE.values())


# ---------------------------------------------------------------- opinions


def said(text):
    """The opinion in each word of praise or blame: turned by what stands before it."""
    praise = (*GOOD, *LIKE, *map(past, LIKE))
    words = "|".join((*praise, *BAD, *DISLIKE, *map(past, DISLIKE)))
    turned = "|".join((*TURNED, "did not"))
    found = re.findall(rf"(?:\b({turned}) )?\b({words})\b", text)
    return {(word in praise) != bool(turn) for turn, word in found}


def test_what_a_review_comes_to():
    dice = Dice("reviews")
    for good in (True, False) * 500:
        text = review(good, dice)
        less, main = "", text
        if found := re.search(r"(.*), (?:but|and yet) (.*)|although (.*), (.*)", text):
            less, main = (found[1], found[2]) if found[1] else (found[3], found[4])
        elif found := re.search("(.*) (?:although|even though) (.*)", text):
            main, less = found.groups()
        assert said(main) == {good}, text
        assert said(less) == ({not good} if less else set()), text
        text = opinion(good, dice)
        assert said(text) == {good}, text


# ---------------------------------------------------------------- meanings that differ


def test_changes_change_what_they_say():
    dice = Dice("changes")
    assert world.swap(GAVE, dice) == replace(
        GAVE, agent=Noun("dentist", "the"), recipient=Noun("Mary")
    )
    assert world.swap(HELPED, dice) == replace(HELPED, agent=HELPED.patient, patient=HELPED.agent)
    assert world.swap(replace(HELPED, patient=Noun("car", "the")), dice) is None
    for change in (*tasks.NEAR_MISSES, *world.SAY_LESS, world.add, world.negate):
        for _ in range(200):
            e = world.event(dice)
            new = change(e, dice)
            assert new is None or new != e, change
    three = replace(GAVE, patient=Noun("ring", "three"))
    assert world.fewer(three, dice) == replace(three, patient=Noun("ring", "some"))
    assert {world.lift(GAVE, dice).patient.head for _ in range(40)} == {"ring", "jewel"} - {"ring"}


def test_entailment_follows_the_direction_of_negation():
    dice = Dice("entailment")
    yes = replace(GAVE, time="")
    no = world.negate(yes, dice)
    for e in (yes, no):
        for _ in range(300):
            assert world.entails(e, tasks.entailed(e, dice))
            # what is left open may be what was left out and put back; rows are checked again
            assert not (new := tasks.left_open(e, dice)) or not world.entails(e, new) or new == e
            assert tasks.ruled_out(e, dice).negated != e.negated


def test_what_entails_what_by_hand():
    some = replace(GAVE, patient=Noun("jewel", "a"), time="")
    assert world.entails(GAVE, some)
    assert not world.entails(some, GAVE)
    never, never_some = replace(GAVE, negated=True), replace(some, negated=True)
    assert world.entails(never_some, never)
    assert not world.entails(never, never_some)
    assert not world.entails(GAVE, never)
    two = replace(GAVE, patient=Noun("ring", "two"))
    assert world.entails(two, replace(two, patient=Noun("ring", "some")))
    assert not world.entails(two, GAVE)
    assert not world.entails(GAVE, world.swap(GAVE, Dice("")))


def test_a_negated_sentence_leaves_open_only_what_it_denies():
    dice = Dice("definite")
    seen = 0
    for _ in range(500):
        e = tasks.premise(dice)
        if e.negated:
            assert e.patient is None or not (e.patient.det == "a" and e.patient.many)
            for change in (world.drop, world.lift, world.add):
                new = change(e, dice)
                nouns = {s: getattr(e, s) for s in ("agent", "patient", "recipient")}
                fixed = [s for s, noun in nouns.items() if noun and noun.det != "a"]
                assert new is None or all(getattr(new, s) == getattr(e, s) for s in fixed)
                seen += new is not None
    assert seen > 200


def test_answers():
    assert tasks.answers(HELPED, HELPED, "place")
    assert tasks.answers(HELPED, replace(HELPED, place=""), "agent")
    assert not tasks.answers(replace(HELPED, place=""), HELPED, "place")
    assert not tasks.answers(replace(HELPED, place=""), HELPED, "agent")  # it may be another
    assert not tasks.answers(world.swap(HELPED, Dice("")), HELPED, "agent")
    assert questions(Event("chase", Noun("dog", "the"), Noun("Adam")), "agent") == {
        "what chased Adam"
    }


def test_grades_of_likeness_by_hand():
    assert tasks.shared(HELPED, HELPED) == 5
    # weights 1.5 verb, 1.5 agent, 1.5 patient, 0.7 place; the place is not said: half of it
    assert tasks.shared(HELPED, replace(HELPED, place="")) == round(5 * 4.85 / 5.2 * 5) / 5
    swapped = replace(HELPED, agent=HELPED.patient, patient=HELPED.agent)
    assert tasks.shared(HELPED, swapped) == round(5 * 2.2 / 5.2 * 5) / 5


# ---------------------------------------------------------------- the tasks


@pytest.mark.parametrize("name", FULL)
def test_rows(name):
    task = TASKS[name]
    found = {part: _rows(name, part) for part in ("train", "dev")}
    for rows in found.values():
        texts = [text for row, _ in rows for text in row]
        assert {len(row) for row, _ in rows} == {len(task.columns)}
        assert all(6 <= len(text.split()) <= 14 for text in texts)
        assert all(text[-1] in ".?" and text[0].isupper() and "  " not in text for text in texts)
        assert len({row for row, _ in rows}) == len(rows)
    assert not {row for row, _ in found["train"]} & {row for row, _ in found["dev"]}
    labels = np.array([label for _, label in found["train"]])
    if task.regression:
        assert (labels.min(), labels.max()) == (0, 5)
        assert len(np.unique(labels)) > 15
    else:
        _, shares = tasks.TASKS[name]
        counts = np.bincount(labels.astype(int), minlength=task.num_labels) / len(labels)
        assert np.abs(counts - shares).max() < 0.07


def _rows(name, part, n=500, seed=0):
    return demo.demo_rows(name, part, n=n, seed=seed, holds_out=TASKS[name].holds_out)


@pytest.mark.parametrize("name", ["cola", "qnli"])
def test_more_rows_keep_the_first_ones_and_another_seed_keeps_none(name):
    few, many, others = (_rows(name, "train", n, seed) for n, seed in ((40, 0), (90, 0), (40, 1)))
    assert many[: len(few)] == few
    assert not set(few) & set(others)
    assert _rows(name, "dev", 40) == _rows(name, "dev", 90)


def test_broken_sentences_are_never_well_formed():
    dice = Dice("broken")
    for _ in range(400):
        e = tasks.with_pronouns(world.event(dice, present=0.5), dice)
        text = broken(replace(e, manner=""), dice)
        if text is not None:
            assert text not in wordings(replace(e, manner=""), 60)


def test_golden_checksum():
    content = {n: [_rows(n, part) for part in ("train", "dev")] for n in FULL}
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    assert digest == GOLDEN


GOLDEN = "fb6e3a45f8f0160a600c65ffaec913311e8a4b25cec84fcb010ef8cbd27f5872"


def test_text_is_the_same_for_a_seed_and_of_the_tasks_words():
    one, again, other = (list(islice(pairs(seed), 50)) for seed in "aab")
    assert one == again != other


# ---------------------------------------------------------------- as a source


@pytest.mark.parametrize("name", FULL)
def test_as_a_source(name, tiny_bert, tmp_path):
    task = TASKS[name]
    source = resolve("demo", task)
    table = source.read("train")
    assert table.schema.names == [*task.columns, "label"]
    assert table["label"].to_pylist()[:3] == [
        pytest.approx(label) for _, label in _rows(name, "train")[:3]
    ]
    data = data_module(name)(source=source, tokenizer=tiny_bert, cache=tmp_path)
    assert {k: part["rows"] for k, part in data.splits.items()} == _sizes(data, task)


def _sizes(data, task):
    dev = 300 if task.holds_out else 600
    val = 300 if task.holds_out else len(data.parts["val"].rows)
    return {"train": 500, "val": val, "test": dev if task.holds_out else dev - val}


def test_sizes_and_seeds_are_named_by_content():
    one = resolve("demo", TASKS["rte"])
    assert one.identity == resolve("demo:500:0", TASKS["rte"]).identity
    found = {resolve(f"demo{more}", TASKS["rte"]).identity for more in ("", ":600", ":500:1")}
    assert len(found) == 3
    assert len(resolve("demo:600", TASKS["sst2"]).read("train")) == 900


@pytest.mark.parametrize("typed", ["demo:", "demo:x", "demo:500:1:2", "demo:-1", "demo:9"])
def test_a_wrong_size_is_named(typed):
    with pytest.raises(DataError, match=typed):
        resolve(typed, TASKS["rte"])


def test_small_versions_are_refused():
    with pytest.raises(ConfigError, match=r"task=rte_1k: demo tasks have no .* use task=rte"):
        compose(["task=rte_1k", "data.source=demo"])
