"""Consistency of the demo's vocabulary."""

from stablebert.demo.lexicon import ABOVE, ADJECTIVES, CLASSES, VERBS


def test_objects_of_verbs_are_classes():
    assert {kind for verb in VERBS for kind in verb.patient} <= set(CLASSES)


def test_adjectives_belong_to_classes():
    assert set(ADJECTIVES) - {"food", "thing"} <= set(CLASSES) | set(ABOVE.values())
