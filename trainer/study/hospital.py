"""Renders the hospital of the crossover study, and another one to measure on: phantoms with unequal groups.

    python hospital.py FOLDER [--people 150] [--test 400] [--conspicuity 1] [--shortcut 0] [--underreported 0] [--seed 2026]
writes FOLDER/train, FOLDER/test/hospital and FOLDER/test/elsewhere, each a folder of PNG with a metadata.csv. No person is in
two of them. What the dials do in the group GROUP:
    conspicuity    contrast of a finding, 0 to 1, wherever the film is taken
    shortcut       how much rarer the largest group is ill among the people to train on, and the others more often
    underreported  share of the ill whom the records to train on call healthy
The people to measure on have true records and no shortcut.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from sites import RACE_UNKNOWN, SECOND_FILM, Site, develop, person_of, write_csv

from phantom.people import Person
from phantom.render import render

GROUP, LARGEST = "BLACK", "WHITE"
HOSPITAL = Site("hospital", 0.45, (0.15, 0.30, 0.40, 0.15), (0.72, 0.12, 0.06, 0.10), 0.45, 0.75, 0.75, 0.05, 0.8, 0.09, 4)
ELSEWHERE = Site("elsewhere", 0.50, (0.25, 0.25, 0.25, 0.25), (0.25, 0.25, 0.25, 0.25), 0.45, 0.75, 0.60, 0.08, 1.0, 0.11, 8)


@dataclass(frozen=True)
class Dials:
    """What makes the groups unequal beyond their size."""

    conspicuity: float = 1.0
    shortcut: float = 0.0
    underreported: float = 0.0


def film_of(site: Site, person: Person, conspicuity: float, rng: np.random.Generator) -> Image.Image:
    """One film. A finding of low contrast is a mean of the films with and without it, of one pose and body."""
    state = rng.bit_generator.state
    grey = render(person, rng).astype(np.float32)
    if person.race == GROUP and person.findings and conspicuity < 1:
        same = np.random.default_rng()
        same.bit_generator.state = state
        grey = conspicuity * grey + (1 - conspicuity) * render(replace(person, findings=frozenset()), same)
    return develop(site, grey / 255, rng)


def patient_of(site: Site, shortcut: float, rng: np.random.Generator) -> Person:
    """A person of the site, ill as often as the shortcut makes people of the group."""
    person = person_of(site, rng)
    if rng.random() >= shortcut:
        return person
    # Drawn again until the group and the illness go together: the largest group is healthy, the others are ill.
    while (person.race == LARGEST) == bool(person.findings):
        person = replace(person_of(site, rng), race=person.race)
    return person


def write_people(site: Site, people: int, folder: Path, prefix: str, dials: Dials, rng: np.random.Generator) -> int:
    """Writes films of so many people; how many films."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(people):
        person = patient_of(site, dials.shortcut, rng)
        race = "" if rng.random() < RACE_UNKNOWN else person.race
        silent = person.race == GROUP and rng.random() < dials.underreported
        findings = "|".join(sorted(person.findings)) if person.findings and not silent else "No Finding"
        for film in range(2 if rng.random() < SECOND_FILM else 1):
            name = f"images/{prefix}{number:05d}_{film}.png"
            film_of(site, person, dials.conspicuity, rng).save(folder / name)
            place = [person.side, person.zone, person.degree]
            rows.append([name, f"{prefix}{number:05d}", site.name, person.age, person.sex[0].upper(), race, findings, *place])
    write_csv(folder, ["file_name", "patient_id", "site", "age", "sex", "race", "findings", "side", "zone", "degree"], rows)
    return len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=150, help="to train on")
    parser.add_argument("--test", type=int, default=400, help="people of each site to measure on")
    parser.add_argument("--conspicuity", type=float, default=1.0)
    parser.add_argument("--shortcut", type=float, default=0.0)
    parser.add_argument("--underreported", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    true = Dials(args.conspicuity)
    parts = (
        ("train", HOSPITAL, args.people, Dials(args.conspicuity, args.shortcut, args.underreported)),
        ("test/hospital", HOSPITAL, args.test, true),
        ("test/elsewhere", ELSEWHERE, args.test, true),
    )
    for number, (name, site, people, dials) in enumerate(parts):
        films = write_people(site, people, args.folder / name, f"{name.replace('/', '-')}-", dials, np.random.default_rng([args.seed, number]))
        print(f"{name}: {films} films of {people} people", flush=True)


if __name__ == "__main__":
    main()
