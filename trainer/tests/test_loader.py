"""Batches from shards: the same images in every process, however many load them."""

import io
import json
import os
import struct
import tarfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless

from cohortfarm_trainer.cpus import loader_workers, usable_cpus
from cohortfarm_trainer.data.augment import Augment
from cohortfarm_trainer.data.dicom import dicom_to_grey
from cohortfarm_trainer.data.images import ImageReader, decode
from cohortfarm_trainer.data.loader import Group, TrainingBatches, training_loader
from cohortfarm_trainer.data.source import read_source
from cohortfarm_trainer.distributed import Team
from cohortfarm_trainer.errors import UsageError
from cohortfarm_trainer.training.predict import Predictor
from dicoms import dicom, dicom_bytes, saved

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
        batches = TrainingBatches([Group(records, rate)], SIZE, steps, Augment(5, True), 5, rank, world)
        for place, batch in enumerate(training_loader(batches, workers, False)):
            greys = batch.images[:, 0, 0, 0].tolist()
            assert batch.labels[:, 1].tolist() == [float(grey % 3 == 0) for grey in greys]
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
    groups, found = [Group(real, 12.0), Group(synthetic, 4.5)], []
    for rank in range(5):
        batches = TrainingBatches(groups, SIZE, range(20), Augment(1), 1, rank, 5)
        found.append([batch.images[:, 0, 0, 0].tolist() for batch in training_loader(batches, 0, False)])
    # 16 or 17 images of a step among 5 ranks.
    assert {len(step) for rank in found for step in rank} == {3, 4} and {sum(map(len, step)) for step in zip(*found)} == {16, 17}
    greys = [sum(step, []) for step in zip(*found)]
    assert sorted(grey for step in greys for grey in step if grey < 60) == sorted(list(range(60)) * 4)
    assert sorted(grey for step in greys for grey in step if grey >= 60) == list(range(60, N))


def test_each_image_brings_what_was_drawn_for_its_place(shards):
    groups, augment = [Group(shards.take(np.arange(60)), 6.0), Group(shards.take(np.arange(60, N)), 4.0)], Augment(9, True, 15)
    found: dict[int, np.ndarray] = {}
    for rank in range(2):
        batches = TrainingBatches(groups, SIZE, range(8), augment, 1, rank, 2)
        for batch in training_loader(batches, 0, False):
            found |= dict(zip(batch.images[:, 0, 0, 0].tolist(), batch.drawn.numpy()))
    # 8 steps take 48 images of the first group, and 32 of the second; places of the two alternate.
    assert len(found) == 80
    for g, group in enumerate(groups):
        stream = group.stream(1 + g)
        count = int(8 * group.rate)
        for place, index in enumerate(stream.at(np.arange(count)).tolist()):
            np.testing.assert_array_equal(found[index if g == 0 else 60 + index], augment.draw(2 * place + g))


def test_images_are_drawn_by_their_chances_whoever_loads_them(shards):
    chances = np.r_[np.full(100, 0.2 / 100), np.full(50, 0.8 / 50)]
    found = []
    for world in (1, 3):
        steps: list[list[int]] = [[] for _ in range(100)]
        for rank in range(world):
            batches = TrainingBatches([Group(shards, 30.0, chances=chances)], SIZE, range(100), Augment(1), 1, rank, world)
            for place, batch in enumerate(training_loader(batches, 2, False)):
                steps[place] += batch.images[:, 0, 0, 0].tolist()
        assert {len(step) for step in steps} == {30}
        found.append([sorted(step) for step in steps])
    assert found[0] == found[1]
    rare = np.mean(np.concatenate(found[0]) >= 100)
    assert abs(rare - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 3000)


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


def test_synthetic_images_are_the_same_in_8_and_in_16_bits(tmp_path, monkeypatch):
    """A film of the same bytes, in the same cache, still has its own range."""
    deep = np.array([[1000, 30_000], [257 * 50, 257 * 200]], np.uint16)
    level = np.uint8(np.round(deep / 257))
    for name, values in (("deep", deep), ("level", level)):
        (tmp_path / name).mkdir()
        Image.fromarray(values).save(tmp_path / name / "1.png")
        (tmp_path / name / "metadata.csv").write_text("file_name,patient_id,findings\n1.png,1,edema\n")
    monkeypatch.setenv("COHORTFARM_IMAGE_CACHE", str(tmp_path / "cache"))

    def read(name: str, synthetic: bool) -> list:
        records = read_source(str(tmp_path / name), LABELS, {})
        records = replace(records, blobs=tuple(replace(blob, synthetic=synthetic) for blob in records.blobs))
        return ImageReader(records, 2).read(np.array([0]))[0].tolist()

    for _ in range(2):  # decoded, and from the cache
        assert read("deep", True) == read("level", True) == level.tolist()
        assert read("deep", False) == np.round((deep - 1000.0) * 255 / (257 * 200 - 1000)).tolist()


def test_a_small_file_of_a_huge_image_is_named_before_it_is_decoded():
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    data = png(0)
    begin = data.index(b"IHDR")
    chunk = b"IHDR" + header
    huge = data[:begin] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[begin + len(chunk) + 4 :]
    with pytest.raises(UsageError, match="x.png holds an image that cannot be decoded: Image size .900000000 pixels. exceeds limit"):
        decode(huge, 32, "x.png")


def test_science_3_a_letterbox_keeps_the_whole_film():
    tall = np.full((120, 40), 200, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(tall).save(buffer, "PNG")
    boxed = decode(buffer.getvalue(), 60, "x", "Letterbox")
    assert boxed.shape == (60, 60) and (boxed[:, 20:40] == 200).all() and not boxed[:, :20].any() and not boxed[:, 40:].any()
    assert (decode(png(9, (30, 30)), SIZE, "x", "Letterbox") == 9).all()


# Pixels as stored, and as a viewer shows them.
RAMP = np.array([[0, 1024, 2048, 4095]] * 2)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [0, 64, 128, 255]),
        ({"kind": "MONOCHROME1"}, [255, 191, 127, 0]),
        ({"WindowCenter": 2048, "WindowWidth": 2048}, [0, 0, 128, 255]),
        ({"WindowCenter": 2048, "WindowWidth": 2048, "kind": "MONOCHROME1"}, [255, 255, 127, 0]),
        # A window that no value fills does not stretch what is in it.
        ({"WindowCenter": 4096, "WindowWidth": 8192}, [0, 32, 64, 128]),
        ({"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 3072, "WindowWidth": 4096}, [0, 0, 128, 255]),
        ({"bits": 16}, [0, 64, 128, 255]),
    ],
)
def test_science_3_dicom_is_shown_as_a_viewer_shows_it(how, expected):
    shown = decode(dicom_bytes(RAMP, **how), 2, "x", "Letterbox")
    whole = np.asarray(dicom_to_grey(dicom_bytes(RAMP, **how)))
    assert shown.shape == (2, 2) and np.abs(whole[0].astype(int) - expected).max() <= 1, whole


def test_science_3_a_table_of_values_is_applied():
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.add_new("LUTData", "US", [10, 20, 30, 250])
    file = dicom_bytes(np.array([[0, 1, 2, 3]] * 2), VOILUTSequence=Sequence([table]))
    assert np.asarray(dicom_to_grey(file))[0].tolist() == [10, 20, 30, 250]


def test_science_3_compressed_dicom_is_decoded():
    pixels = np.arange(64 * 64).reshape(64, 64)
    file = dicom(pixels)
    file.compress(RLELossless, encoding_plugin="pydicom")
    assert (np.asarray(dicom_to_grey(saved(file))) == np.asarray(dicom_to_grey(dicom_bytes(pixels)))).all()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda: dicom_bytes(RAMP, NumberOfFrames=2), "holds an image that cannot be decoded: it has 2 frames of MONOCHROME2"),
        (lambda: dicom_bytes(RAMP, kind="PALETTE COLOR"), "1 frames of PALETTE COLOR"),
        (lambda: dicom_bytes(RAMP)[:-9], "x.dcm holds an image that cannot be decoded"),
        (lambda: dicom_bytes(RAMP)[:200], "x.dcm holds an image that cannot be decoded"),
    ],
)
def test_science_3_a_dicom_file_that_cannot_be_read_is_named(file, message):
    with pytest.raises(UsageError, match=message):
        decode(file(), 2, "x.dcm")


def jpeg(shape: tuple[int, int]) -> bytes:
    """A smooth film with some structure."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    film = 128 + 60 * np.sin(x / 97) * np.cos(y / 61) + np.random.default_rng(1).normal(0, 4, shape)
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(np.clip(film, 0, 255))).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_science_2_3_a_large_jpeg_is_scaled_by_the_codec_and_looks_the_same():
    data = jpeg((1500, 1250))
    whole = Image.open(io.BytesIO(data)).resize((224, round(1500 * 224 / 1250)), Image.Resampling.LANCZOS)
    top = (whole.height - 224) // 2
    expected = np.asarray(whole.crop((0, top, 224, top + 224)), float)
    found = decode(data, 224, "x").astype(float)
    assert np.abs(found - expected).mean() < 1.5 and np.abs(found - expected).max() < 12


def test_science_2_3_images_on_disk_are_those_that_were_decoded(shards, tmp_path, monkeypatch):
    indices = np.arange(20)
    plain = ImageReader(shards, 16).read(indices)
    monkeypatch.setenv("COHORTFARM_IMAGE_CACHE", str(tmp_path))
    first = ImageReader(shards, 16)
    assert all((a == b).all() for a, b in zip(first.read(indices), plain))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 20

    def fetches(reader) -> list[int]:
        asked: list[int] = []
        fetch = reader.fetcher.fetch
        reader.fetcher.fetch = lambda wanted: (asked.extend(wanted), fetch(wanted))[1]
        assert all((a == b).all() for a, b in zip(reader.read(indices), plain))
        return asked

    assert fetches(ImageReader(shards, 16)) == []
    # What is damaged is decoded again; another size and another fit are other images.
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"\xff")
    assert len(fetches(ImageReader(shards, 16))) == 1 and fetches(ImageReader(shards, 16)) == []
    ImageReader(shards, 16, "Letterbox").read(indices)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 40


def test_science_2_3_an_image_that_changes_is_decoded_again(tmp_path, monkeypatch):
    monkeypatch.setenv("COHORTFARM_IMAGE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "metadata.csv").write_text("file_name,patient_id,findings\n1.png,1,edema\n")
    for grey in (10, 20):
        (folder / "1.png").write_bytes(png(grey))
        os.utime(folder / "1.png", ns=(grey, grey))
        assert (ImageReader(read_source(str(folder), LABELS, {}), SIZE).read(np.array([0]))[0] == grey).all()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_loaders_follow_the_cpus_that_a_process_may_use(files, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path) == expected


def test_processes_of_one_machine_share_its_cpus(monkeypatch):
    for cpus, here, expected in ((8, "1", 8), (8, "4", 2), (2, "4", 1), (64, "1", 16), (64, "8", 8)):
        monkeypatch.setattr("cohortfarm_trainer.cpus.usable_cpus", lambda cpus=cpus: cpus)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
        assert loader_workers() == expected


def test_validation_images_are_decoded_beside_the_training(shards):
    class Mean(torch.nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3))[:, None].repeat(1, len(LABELS))

    alone = Team(0, 1, torch.device("cpu"))
    expected = Predictor(shards, SIZE, alone, 2).logits(Mean(), torch.float32)
    beside = Predictor(shards, SIZE, alone, 2)
    beside.begin()
    beside.begin()
    beside.decoding.join()
    beside.batches.reader.fetcher.fetch = None  # all that is needed is there
    assert (beside.logits(Mean(), torch.float32) == expected).all()


def test_an_image_that_cannot_be_decoded_is_named_where_it_is_asked_for(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,patient_id,findings\n1.png,1,edema\n2.png,2,edema\n")
    (tmp_path / "1.png").write_bytes(png(10))
    (tmp_path / "2.png").write_bytes(b"none")
    beside = Predictor(read_source(str(tmp_path), LABELS, {}), SIZE, Team(0, 1, torch.device("cpu")), 0)
    beside.begin()
    with pytest.raises(UsageError, match="2.png holds an image that cannot be decoded"):
        beside.logits(torch.nn.Identity(), torch.float32)


def test_groups_that_share_a_batch_fill_it_at_each_step(shards):
    """A batch of as many images as processes leaves none of them without one."""
    groups = [Group(shards, 4 * (1 - 0.3)), Group(shards, 4 * 0.3)]
    found = []
    for rank in range(4):
        batches = TrainingBatches(groups, SIZE, range(50), Augment(1), 1, rank, 4)
        found.append([len(batch.images) for batch in training_loader(batches, 0, False)])
    assert found == [[1] * 50] * 4
