"""Grades of similarity, as STS-B has them: the verb, agent and patient weigh 1.5, the place 0.7."""

from dataclasses import replace

from stablebert.demo.paraphrase import similarity
from tests.helpers.meanings import HELPED


def test_same_event_has_grade_five():
    assert similarity(HELPED, HELPED) == 5


def test_missing_place_counts_half():
    assert similarity(HELPED, replace(HELPED, place="")) == round(5 * 4.85 / 5.2 * 5) / 5


def test_exchanged_people_share_verb_and_place():
    swapped = replace(HELPED, agent=HELPED.patient, patient=HELPED.agent)
    assert similarity(HELPED, swapped) == round(5 * 2.2 / 5.2 * 5) / 5
