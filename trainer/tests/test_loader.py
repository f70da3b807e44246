"""Batches from shards: the same images in every process, however many load them."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from cohortfarm_trainer.data.augment import Augment
from cohortfarm_trainer.data.images import decode
from cohortfarm_trainer.data.loader import Group, TrainingBatches, training_loader
from cohortfarm_trainer.data.source import read_source

N, SIZE = 150, 32
LABELS = ["no-finding", "edema"]


def png(grey: int, size: tuple[int, int] = (SIZE, SIZE)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, grey).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three shards; the grey level of image i is i, so that an image says which it is."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(3):
        with tarfile.open(folder / f"real-{shard}.tar", "w") as archive:
            for i in range(shard * 50, shard * 50 + 50):
                record = {"patient_id": f"p{i // 2}", "sex": "F", "age": 40 + i % 40, "findings": ["Edema"] if i % 3 == 0 else "No Finding"}
                for name, data in ((f"{i:05d}.png", png(i)), (f"{i:05d}.json", json.dumps(record).encode())):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return read_source(str(folder), LABELS, {})


def taken(records, world: int, workers: int, steps: range, rate: float) -> list[list[int]]:
    """Grey levels of the images of each step, over all ranks."""
    found: list[list[int]] = [[] for _ in steps]
    for rank in range(world):
        batches = TrainingBatches([Group(records, rate)], SIZE, steps, Augment(True, 0, 5), 5, rank, world)
        for place, (images, labels) in enumerate(training_loader(batches, workers, False)):
            greys = images[:, 0, 0, 0].tolist()
            assert labels[:, 1].tolist() == [float(grey % 3 == 0) for grey in greys]
            found[place] += greys
    return found


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 2])
def test_steps_hold_the_same_images_whoever_loads_them(shards, world, workers):
    steps = range(20)
    found = taken(shards, world, workers, steps, 30.0)
    reference = taken(shards, 1, 0, steps, 30.0)
    assert [sorted(step) for step in found] == [sorted(step) for step in reference]
    for epoch in range(4):
        images = [grey for step in found[epoch * 5 : epoch * 5 + 5] for grey in step]
        assert sorted(images) == list(range(N))


def test_a_training_that_goes_on_takes_what_it_would_have_taken(shards):
    whole = taken(shards, 1, 0, range(12), 32.0)
    assert taken(shards, 1, 0, range(7, 12), 32.0) == whole[7:]


def test_two_groups_in_one_batch_keep_their_rates(shards):
    real, synthetic = shards.take(np.arange(60)), shards.take(np.arange(60, N))
    batches = TrainingBatches([Group(real, 12.0), Group(synthetic, 4.5)], SIZE, range(20), Augment(False, 0, 1), 1, 0, 1)
    greys = [images[:, 0, 0, 0].tolist() for images, _ in training_loader(batches, 0, False)]
    assert sorted(grey for step in greys for grey in step if grey < 60) == sorted(list(range(60)) * 4)
    assert sorted(grey for step in greys for grey in step if grey >= 60) == list(range(60, N))


def test_an_image_is_turned_the_same_way_in_every_run():
    image = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)
    augment = Augment(True, 15, 3)
    assert (augment(image, 7) == augment(image, 7)).all()
    assert any((augment(image, 7) != augment(image, position)).any() for position in range(8, 12))
    assert (Augment(False, 0, 3)(image, 7) == image).all()


def test_films_of_any_shape_become_squares_of_their_middle():
    wide = np.zeros((40, 120), np.uint8)
    wide[:, 40:80] = 200
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG")
    assert (decode(buffer.getvalue(), 40, "x") == 200).all()
    assert decode(png(9, (16, 16)), SIZE, "x").shape == (SIZE, SIZE)


def test_films_of_16_bits_keep_their_range():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[1000, 3000], [1000, 3000]], np.uint16)).save(buffer, "PNG")
    assert decode(buffer.getvalue(), 2, "x").tolist() == [[0, 255], [0, 255]]
