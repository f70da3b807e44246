"""Renders phantom "sites": chest phantoms as three hospitals might film them. A stand-in for real data, and nothing more.

Each site has its own people, prevalence and films: exposure, blur, noise, collimation. Nothing was learned from patients.
    python sites.py FOLDER [--train 150] [--test 700] [--seed 2026]
writes FOLDER/train/SITE and FOLDER/test/SITE, each a folder of PNG with a metadata.csv. No person is in two of them.
"""

import argparse
import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "phantom" / "training"))
from phantom.people import AGE_BINS, DEGREES, FINDINGS, SIDES, ZONES, Person  # noqa: E402
from phantom.render import SIZE, render  # noqa: E402

RACES = ("WHITE", "BLACK", "ASIAN", "HISPANIC")


@dataclass(frozen=True)
class Site:
    """Who comes to a hospital, and how it films. Shares add up to 1."""

    name: str
    women: float
    ages: tuple[float, float, float, float]  # of AGE_BINS
    races: tuple[float, float, float, float]  # of RACES
    ill: float  # share of people with a finding
    slight: float  # share of findings of the lesser degree
    contrast: float
    brightness: float  # of grey levels in 0..1
    blur: float  # pixels
    noise: float  # standard deviation, of grey levels in 0..1
    border: int  # pixels of collimation at each edge, at most


SITES = (
    Site("site-a", 0.50, (0.15, 0.30, 0.40, 0.15), (0.65, 0.15, 0.10, 0.10), 0.50, 0.6, 0.90, 0.02, 0.5, 0.06, 0),
    Site("site-b", 0.60, (0.35, 0.35, 0.20, 0.10), (0.20, 0.55, 0.05, 0.20), 0.35, 0.7, 0.60, 0.10, 1.0, 0.08, 6),
    Site("site-c", 0.40, (0.10, 0.20, 0.40, 0.30), (0.30, 0.10, 0.35, 0.25), 0.65, 0.5, 0.75, -0.04, 0.8, 0.12, 10),
)
SEVERAL = 0.15  # of ill people have two findings
SECOND_FILM = 0.3  # of people have one
RACE_UNKNOWN = 0.05


def person_of(site: Site, rng: np.random.Generator) -> Person:
    low, high = AGE_BINS[rng.choice(4, p=site.ages)]
    count = 0 if rng.random() >= site.ill else 2 if rng.random() < SEVERAL else 1
    return Person(
        sex="female" if rng.random() < site.women else "male",
        age=int(rng.integers(low, high + 1)),
        race=RACES[rng.choice(4, p=site.races)],
        findings=frozenset(rng.choice(FINDINGS[1:], size=count, replace=False).tolist()),
        side=SIDES[rng.integers(2)],
        zone=ZONES[rng.integers(2)],
        degree=DEGREES[0] if rng.random() < site.slight else DEGREES[1],
    )


def film_of(site: Site, person: Person, rng: np.random.Generator) -> Image.Image:
    """One film of a person as the site takes it, 128 x 128 grey."""
    return develop(site, render(person, rng).astype(np.float32) / 255, rng)


def develop(site: Site, grey: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """What the site makes of a film in 0..1."""
    grey = 0.5 + (grey - 0.5) * site.contrast + site.brightness
    grey += rng.normal(0, site.noise, grey.shape)
    for axis in (0, 1):
        near, far = rng.integers(0, site.border + 1, 2)
        edge = np.moveaxis(grey, axis, 0)
        edge[:near], edge[SIZE - far :] = 0.02, 0.02
    image = Image.fromarray(np.uint8(np.round(np.clip(grey, 0, 1) * 255)))
    return image.filter(ImageFilter.GaussianBlur(site.blur))


def write_site(site: Site, people: int, folder: Path, prefix: str, rng: np.random.Generator) -> int:
    """Writes films of so many people; how many films."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(people):
        person = person_of(site, rng)
        shown = "" if rng.random() < RACE_UNKNOWN else person.race
        for film in range(2 if rng.random() < SECOND_FILM else 1):
            name = f"images/{prefix}{number:05d}_{film}.png"
            film_of(site, replace(person), rng).save(folder / name)
            findings = "|".join(sorted(person.findings)) or "No Finding"
            rows.append([name, f"{prefix}{number:05d}", site.name, person.age, person.sex[0].upper(), shown, findings])
    write_csv(folder, ["file_name", "patient_id", "site", "age", "sex", "race", "findings"], rows)
    return len(rows)


def write_csv(folder: Path, header: list[str], rows: list[list]) -> None:
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=150, help="people of site-a and of site-b to train on")
    parser.add_argument("--test", type=int, default=700, help="people of each site to measure on")
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    for number, site in enumerate(SITES):
        for part, people in (("train", args.train), ("test", args.test)):
            # site-c is never trained on: what a model does where it has not been before.
            if part == "train" and site.name == "site-c":
                continue
            rng = np.random.default_rng([args.seed, number, part == "test"])
            films = write_site(site, people, args.folder / part / site.name, f"{part}-", rng)
            print(f"{part}/{site.name}: {films} films of {people} people", flush=True)


if __name__ == "__main__":
    main()
