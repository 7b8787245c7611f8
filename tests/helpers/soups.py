"""Soups that no run was averaged for."""

from stablebert.runs.soup import Soup


def make_soup_of(seeds, uniform=0.5, greedy=0.75, **changes):
    """A soup of runs with the given seeds, of which the greedy one has the first two."""
    folders = [pair.folder for pair in seeds]
    scores = {"uniform": uniform, "greedy": greedy}
    values = {
        "config_id": "0123456789",
        "metric": "accuracy",
        "inputs": {folder: f"digest of {folder}" for folder in folders},
        "greedy": folders[:2],
        "metrics": {
            f"{split}_{kind}": {"accuracy": score}
            for split in ("val", "test")
            for kind, score in scores.items()
        },
        "precision": "32-true",
        "packing": "packed",
        "seconds": 1.5,
        "versions": {"commit": None},
    }
    return Soup(**{**values, **changes})
