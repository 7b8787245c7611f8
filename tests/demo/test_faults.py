"""Ungrammatical sentences for CoLA."""

from dataclasses import replace

from stablebert.demo import world
from stablebert.demo.faults import ungrammatical
from stablebert.demo.grammar import Dice
from stablebert.demo.single_sentence import with_pronouns
from tests.helpers.meanings import wordings


def test_ungrammatical_sentence_is_no_wording_of_the_event():
    dice = Dice("broken")
    for _ in range(400):
        e = replace(with_pronouns(world.event(dice, present=0.5), dice), manner="")
        text = ungrammatical(e, dice)
        assert text is None or text not in wordings(e, 60)
