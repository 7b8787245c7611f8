"""Reviews and opinions express the polarity they are generated for."""

import re

from stablebert.demo.grammar import Dice, past
from stablebert.demo.reviews import BAD, DISLIKE, GOOD, LIKE, NEGATIONS, opinion, review


def polarities(text):
    """The polarity of each opinion word of a text, reversed by a negation before it."""
    praise = (*GOOD, *LIKE, *map(past, LIKE))
    words = "|".join((*praise, *BAD, *DISLIKE, *map(past, DISLIKE)))
    negations = "|".join((*NEGATIONS, "did not"))
    matches = re.findall(rf"(?:\b({negations}) )?\b({words})\b", text)
    return {(word in praise) != bool(negation) for negation, word in matches}


def main_and_minor_clause(text):
    if match := re.search(r"(.*), (?:but|and yet) (.*)|although (.*), (.*)", text):
        return (match[2], match[1]) if match[1] else (match[4], match[3])
    if match := re.search("(.*) (?:although|even though) (.*)", text):
        return match.groups()
    return text, ""


def test_main_clause_of_a_review_has_its_polarity():
    dice = Dice("reviews")
    for good in (True, False) * 500:
        main, _ = main_and_minor_clause(text := review(good, dice))
        assert polarities(main) == {good}, text


def test_minor_clause_of_a_review_has_the_opposite_polarity():
    dice = Dice("reviews")
    for good in (True, False) * 500:
        _, minor = main_and_minor_clause(text := review(good, dice))
        assert polarities(minor) == ({not good} if minor else set()), text


def test_every_word_of_an_opinion_has_its_polarity():
    dice = Dice("opinions")
    for good in (True, False) * 500:
        text = opinion(good, dice)
        assert polarities(text) == {good}, text
