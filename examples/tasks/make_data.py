"""Generate the rows of the two example tasks next to this file: always the same rows.

`tickets`: how urgent a support ticket is, three classes, CSV. `dishes`: how similar two dishes are,
a regression on pairs, JSON Lines without a test split.
"""

import csv
import json
import random
import sys
from pathlib import Path

PARTS = ["login page", "mobile app", "checkout", "export", "search", "dashboard", "password reset"]
SINCE = ["this morning", "the update", "yesterday", "Monday", "the last release"]
TICKETS = {
    "low": [
        "Is there a way to change the language of the {part}?",
        "There is a small typo on the {part}.",
        "It would be nice if the {part} had a dark mode.",
        "Where can I read more about the {part}?",
        "Could you add the {part} to the newsletter, whenever there is time?",
    ],
    "normal": [
        "The {part} has been slow since {since}.",
        "The {part} shows an error for one of our users since {since}.",
        "Since {since}, I have to reload the {part} twice before it works.",
        "The numbers on the {part} look wrong since {since}, can you check?",
        "We cannot find the button on the {part} that was there before {since}.",
    ],
    "high": [
        "The {part} is down for everyone since {since} and we are losing orders!",
        "Since {since}, nobody in our company can use the {part}.",
        "All of our data disappeared from the {part} after {since}.",
        "The {part} shows the invoices of other customers since {since}.",
        "We are charged twice by the {part}, and it goes on every minute.",
    ],
}
GREETINGS = ["", "", "Hi, ", "Hello team, ", "Good morning. "]
ENDINGS = ["", "", " Thanks!", " Please help.", " Best regards, Kim"]

DISHES = {
    "main": ["chicken", "salmon", "tofu", "lentils", "beef", "eggplant"],
    "method": ["grilled", "baked", "fried", "steamed"],
    "sauce": ["lemon sauce", "tomato sauce", "curry", "mustard cream", "soy glaze"],
}
SHAPES = [
    "{method} {main} with {sauce}",
    "{main} in {sauce}, {method}",
    "{sauce} on {method} {main}",
]
POINTS = {"main": 2.5, "sauce": 1.5, "method": 0.5}


def make_ticket(dice: random.Random) -> tuple[str, str]:
    """Return the text of a ticket and its urgency, which one ticket in twenty has by chance."""
    urgency = dice.choice([*TICKETS])
    text = dice.choice(TICKETS[urgency]).format(part=dice.choice(PARTS), since=dice.choice(SINCE))
    label = dice.choice([*TICKETS]) if dice.random() < 0.05 else urgency
    return dice.choice(GREETINGS) + text + dice.choice(ENDINGS), label


def make_pair(dice: random.Random) -> dict[str, str | float]:
    """Return two dishes and their similarity, from 0 to 5 in steps of 0.5."""
    first = {name: dice.choice(values) for name, values in DISHES.items()}
    second = {
        name: first[name] if dice.random() < 0.4 else dice.choice(values)
        for name, values in DISHES.items()
    }
    score = sum(points for name, points in POINTS.items() if first[name] == second[name])
    score += dice.choice([0, 0, 0.5])
    one, two = (dice.choice(SHAPES).format(**dish).capitalize() for dish in (first, second))
    return {"dish": one, "other_dish": two, "similarity": score}


def main(folder: Path) -> None:
    """Write all files to a folder."""
    for split, rows in {"train": 300, "dev": 120, "test": 120}.items():
        dice = random.Random(f"tickets {split}")
        file = folder / "tickets" / f"{split}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["ticket", "urgency"])
            writer.writerows(make_ticket(dice) for _ in range(rows))
    for split, rows in {"train": 300, "dev": 200}.items():
        dice = random.Random(f"dishes {split}")
        file = folder / "dishes" / f"{split}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(make_pair(dice)) for _ in range(rows)]
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
