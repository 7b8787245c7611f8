"""The task of `docs/own-task.md`: its tasks file and its data."""

import random
import re
from pathlib import Path

import yaml

from tests.helpers.tiny import WORDS

PAGE = Path(__file__).parents[2] / "docs/own-task.md"
LABELS = ["bad", "mixed", "good"]


def documented(key):
    """Return the YAML of the documentation that begins with a key."""
    text = PAGE.read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```yaml\n({key}:\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    return block


def write_tasks(path, **entries):
    """Write a tasks file with the entry of the documentation, and changes to it."""
    entry = yaml.safe_load(documented("tasks"))["tasks"]["mine"]
    path.write_text(yaml.safe_dump({"tasks": {"mine": entry | entries}}), encoding="utf-8")


def write_reviews(folder, rows):
    """Write three CSV files in which the last word gives the label away."""
    folder.mkdir()
    for split, n in rows.items():
        rng = random.Random(split)
        lines = ["id,review,stars"]
        for i in range(n):
            label = i % 3
            text = f"{' '.join(rng.choices(WORDS, k=4))}, l{label}"
            lines.append(f'{i},"{text}",{LABELS[label]}')
        (folder / f"{split}.csv").write_text("\n".join(lines), encoding="utf-8")
