"""CPU time of full-size films, scaled to what a network takes: decoded whole, scaled by the codec, and from the cache on disk.

python films.py [--films N] prints a table. CPU time and not images per second, which depend on what else the machine does.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from cohortfarm_trainer.data import images
from cohortfarm_trainer.data.source import read_source

SHAPE, SIZE = (3000, 2500), 224
WHOLE = 1 << 20  # times the size: no film is that large, so that none is scaled by the codec


def write_films(folder: Path, count: int) -> None:
    """Smooth films with noise, which compress as radiographs do."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]].astype(np.float32)
    smooth = 128 + 70 * np.sin(x / 300) * np.cos(y / 400)
    rows = []
    for i in range(count):
        pixels = smooth + rng.normal(0, 5, SHAPE).astype(np.float32)
        Image.fromarray(np.uint8(np.clip(pixels, 0, 255))).save(folder / f"{i}.jpg", "JPEG", quality=95)
        rows.append(f"{i}.jpg,{i},edema")
    (folder / "metadata.csv").write_text("file_name,patient_id,findings\n" + "\n".join(rows) + "\n")


def milliseconds(records) -> list[float]:
    """CPU time of each film, read by itself."""
    reader, found = images.ImageReader(records, SIZE, cache=0), []
    for i in range(len(records)):
        begun = time.process_time()
        reader.read(np.array([i]))
        found.append(1000 * (time.process_time() - begun))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, cache = Path(folder, "data"), Path(folder, "cache")
        data.mkdir()
        write_films(data, args.films)
        records = read_source(str(data), ["edema"], {})
        ways = {"decoded whole": (WHOLE, ""), "scaled by the codec": (images.DRAFT, ""), "from the cache on disk": (images.DRAFT, str(cache))}
        found: dict[str, list[float]] = {}
        os.environ["COHORTFARM_IMAGE_CACHE"] = str(cache)
        milliseconds(records)  # fills the cache
        for _ in range(args.rounds):
            for name, (images.DRAFT, os.environ["COHORTFARM_IMAGE_CACHE"]) in ways.items():
                found.setdefault(name, []).extend(milliseconds(records))
        size = statistics.mean(path.stat().st_size for path in data.glob("*.jpg")) / 1e6
    whole = statistics.median(found["decoded whole"])
    print(f"| JPEG of {SHAPE[1]} x {SHAPE[0]} ({size:.1f} MB) to {SIZE} pixels | CPU ms | times faster |\n| --- | --- | --- |")
    for name, values in found.items():
        print(f"| {name} | {statistics.median(values):.1f} | {whole / statistics.median(values):.1f} |")


if __name__ == "__main__":
    main()
