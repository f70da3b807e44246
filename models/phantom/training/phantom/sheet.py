"""The picture in the card: rendered phantoms above the model's own images."""

from pathlib import Path

import numpy as np
from PIL import Image

from .data import stream
from .evaluate import Sampler
from .people import FINDINGS, RACES, SEXES, Person
from .prompts import prompt
from .render import render

AGES = (20, 30, 38, 48, 58, 66, 76, 88)


def sheet_people() -> list[Person]:
    """32 people: a row per finding, ages from young to old, sexes and races in turn."""
    return [
        Person(
            SEXES[i % 2],
            age,
            RACES[(i // 2 + row) % 4],
            frozenset() if finding == "no-finding" else frozenset({finding}),
            ("left", "right")[i // 2 % 2],
            ("upper", "lower")[i // 4],
            ("marked", "slight")[i % 2],
        )
        for row, finding in enumerate(FINDINGS)
        for i, age in enumerate(AGES)
    ]


def write_sheet(folder: Path, path: Path, seed: int = 0) -> list[str]:
    """Draws the sheet from the model in `folder`; returns the prompts of the lower half."""
    rng, people = stream("sheet"), sheet_people()
    prompts = [prompt(person, rng) for person in people]
    rendered = np.stack([render(person, rng) for person in people])
    sampled = Sampler(folder)(prompts, [seed + i for i in range(len(people))])
    halves = [np.vstack([np.hstack(films[i : i + 8]) for i in range(0, 32, 8)]) for films in (rendered, sampled)]
    gap = np.full((12, 8 * 128), 255, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack([halves[0], gap, halves[1]])).save(path, optimize=True)
    return prompts
