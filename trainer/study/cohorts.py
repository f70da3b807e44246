"""Writes the synthetic cohorts of the crossover study: the images of published datasets, as the dials of the study have them.

    python cohorts.py FOLDER DATASET NAME [--gap 0] [--noise 0] [--seed 2026]
    python cohorts.py FOLDER perfect NAME [--images 256] [--conspicuity 1]
writes FOLDER/NAME, a folder of PNG with a metadata.csv.
    gap      how far the images are from the hospital's, 0 to 1: less contrast, a texture that no film has, and such a share of
             the slight findings missing, with marked ones of the same finding and group twice in their place
    noise    share of the images of GROUP that show another finding than the one they are labelled with; half of it elsewhere
    perfect  images of the renderer itself, as the hospital films: a generator without fault
"""

import argparse
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from hospital import GROUP, HOSPITAL, film_of
from PIL import Image
from sites import RACES, write_csv

from phantom.people import AGE_BINS, DEGREES, FINDINGS, SEXES, SIDES, ZONES, Person
from phantom.render import SIZE

SLIGHT = ("Mild", "Small", "Faint")
TEXTURE, FLATTER = 0.10, 0.35  # at a gap of 1


@dataclass(frozen=True)
class Synthetic:
    """One image with what it was asked to show."""

    pixels: np.ndarray  # uint8 [128, 128]
    sex: str
    age: int
    race: str
    finding: str
    slight: bool


def read_dataset(folder: Path) -> list[Synthetic]:
    """The images of a published dataset, in order."""
    rows = parquet.read_table(folder / "index.parquet").to_pylist()
    bytes_of = {shard: (folder / shard).read_bytes() for shard in {row["shard"] for row in rows}}
    images = []
    for row in sorted(rows, key=lambda row: row["key"]):
        data = bytes_of[row["shard"]][row["image_offset"] : row["image_offset"] + row["image_size"]]
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
        slight = any(f" {word} " in row["prompt"] for word in SLIGHT)
        images.append(Synthetic(pixels, row["sex"], row["age_years"], row["race"], row["finding"], slight))
    return images


def perfect_images(count: int, conspicuity: float, rng: np.random.Generator) -> list[Synthetic]:
    """Films of the hospital, of people of all groups alike."""
    images = []
    for i in range(count):
        finding, race, sex = FINDINGS[i % 4], RACES[i // 4 % 4], SEXES[i // 16 % 2]
        low, high = AGE_BINS[i // 32 % 4]
        findings = frozenset({finding} - {"no-finding"})
        degree = DEGREES[rng.integers(2)]
        person = Person(sex, int(rng.integers(low, high + 1)), race, findings, SIDES[rng.integers(2)], ZONES[rng.integers(2)], degree)
        pixels = np.asarray(film_of(HOSPITAL, person, conspicuity, rng))
        images.append(Synthetic(pixels, sex, person.age, race, finding, degree == "slight"))
    return images


def without_slight(images: list[Synthetic], share: float, rng: np.random.Generator) -> list[Synthetic]:
    """The images with such a share of the slight findings replaced by marked ones of the same finding and group."""
    marked: dict[tuple[str, str], list[Synthetic]] = {}
    for one in images:
        if not one.slight:
            marked.setdefault((one.finding, one.race), []).append(one)
    left = lambda one: one.slight and one.finding != "no-finding" and rng.random() < share and (one.finding, one.race) in marked
    return [marked[one.finding, one.race][rng.integers(len(marked[one.finding, one.race]))] if left(one) else one for one in images]


def apart(pixels: np.ndarray, gap: float, rng: np.random.Generator) -> np.ndarray:
    """An image of less contrast, with blotches of about eight pixels that no film of the hospital has."""
    grey = pixels.astype(np.float32) / 255
    coarse = Image.fromarray(rng.normal(0, 1, (SIZE // 8, SIZE // 8)).astype(np.float32))
    blotches = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    grey = grey.mean() + (grey - grey.mean()) * (1 - FLATTER * gap) + TEXTURE * gap * blotches
    return np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def mislabelled(one: Synthetic, noise: float, rng: np.random.Generator) -> Synthetic:
    """The image, or with the chance of its group the same with the label of another finding."""
    if rng.random() >= (noise if one.race == GROUP else noise / 2):
        return one
    others = [finding for finding in FINDINGS if finding != one.finding]
    return replace(one, finding=others[rng.integers(len(others))])


def write_cohort(images: list[Synthetic], folder: Path) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, one in enumerate(images):
        name = f"images/{number:05d}.png"
        Image.fromarray(one.pixels).save(folder / name)
        finding = "No Finding" if one.finding == "no-finding" else one.finding
        # No person is in two cohorts: each image is of a person made up for it.
        rows.append([name, f"{folder.name}-{number:05d}", one.age, one.sex[0].upper(), one.race, finding])
    write_csv(folder, ["file_name", "patient_id", "age", "sex", "race", "findings"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("dataset", help="folder of a published dataset, or perfect")
    parser.add_argument("name")
    parser.add_argument("--gap", type=float, default=0.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--conspicuity", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    rng = np.random.default_rng([args.seed, *args.name.encode()])
    images = perfect_images(args.images, args.conspicuity, rng) if args.dataset == "perfect" else read_dataset(Path(args.dataset))
    if args.gap:
        images = [replace(one, pixels=apart(one.pixels, args.gap, rng)) for one in without_slight(images, args.gap, rng)]
    images = [mislabelled(one, args.noise, rng) for one in images]
    write_cohort(images, args.folder / args.name)
    print(f"{args.name}: {len(images)} images", flush=True)


if __name__ == "__main__":
    main()
