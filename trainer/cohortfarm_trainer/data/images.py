"""From records to arrays: bytes by range, decoded to grey, scaled and cropped to a square."""

import io
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import UsageError
from .records import Records

GAP = 64 << 10  # bytes between two images that are still read together
THREADS = 8
CACHE = 512 << 20  # bytes of decoded images that one process keeps


class ImageReader:
    """Reads images of some records as uint8 [size, size]; each process keeps what fits into `cache` bytes."""

    def __init__(self, records: Records, size: int, cache: int = CACHE):
        self.records, self.size, self.cache = records, size, cache
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def __getstate__(self):
        return {**self.__dict__, "_kept": OrderedDict(), "_pool": None}

    def read(self, indices: np.ndarray) -> list[np.ndarray]:
        """The images at some positions of the records, in that order."""
        missing = [int(i) for i in dict.fromkeys(indices.tolist()) if i not in self._kept]
        fresh = dict(self._fetch(missing)) if missing else {}
        room = self.cache // (self.size * self.size) - len(self._kept)
        self._kept.update(list(fresh.items())[: max(0, room)])
        return [fresh[i] if i in fresh else self._kept[i] for i in indices.tolist()]

    def _fetch(self, indices: list[int]) -> list[tuple[int, np.ndarray]]:
        groups = self._groups(indices)
        if len(groups) == 1:
            return self._fetch_group(groups[0])
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), ThreadPoolExecutor(THREADS))  # threads do not outlive a fork
        return [pair for group in self._pool[1].map(self._fetch_group, groups) for pair in group]

    def _groups(self, indices: list[int]) -> list[list[int]]:
        """Images that lie close together in one object are fetched together."""
        records = self.records
        ordered = sorted(indices, key=lambda i: (records.blob[i], records.offset[i]))
        groups: list[list[int]] = []
        for i in ordered:
            last = groups[-1][-1] if groups else None
            near = (
                last is not None
                and records.blob[last] == records.blob[i]
                and records.size[i] >= 0
                and records.offset[i] - records.offset[last] - records.size[last] <= GAP
            )
            groups[-1].append(i) if near else groups.append([i])
        return groups

    def _fetch_group(self, group: list[int]) -> list[tuple[int, np.ndarray]]:
        records, first, last = self.records, group[0], group[-1]
        blob = records.blobs[records.blob[first]]
        if records.size[first] < 0:
            return [(first, decode(blob.store.get(blob.key), self.size, blob.key))]
        start = int(records.offset[first])
        data = blob.store.get(blob.key, start, int(records.offset[last] + records.size[last]))
        view, pairs = memoryview(data), []
        for i in group:
            at = int(records.offset[i]) - start
            pairs.append((i, decode(view[at : at + int(records.size[i])], self.size, blob.key)))
        return pairs


def decode(data: bytes | memoryview, size: int, what: str) -> np.ndarray:
    """uint8 [size, size]: grey by ITU-R BT.601, the shorter side scaled to `size` (Lanczos), the centre cropped out."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            grey = to_grey(image)
    except (UnidentifiedImageError, OSError) as error:
        raise UsageError(f"{what} holds an image that cannot be decoded: {error}") from error
    width, height = grey.size
    if (width, height) != (size, size):
        scale = size / min(width, height)
        grey = grey.resize((max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.LANCZOS)
        left, top = (grey.width - size) // 2, (grey.height - size) // 2
        grey = grey.crop((left, top, left + size, top + size))
    return np.asarray(grey)


def to_grey(image: Image.Image) -> Image.Image:
    """8 bits of grey; 16-bit films are scaled to their own range of values."""
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float32)
        low, high = float(values.min()), float(values.max())
        return Image.fromarray(np.uint8(np.round((values - low) * (255 / max(high - low, 1e-9)))))
    return image if image.mode == "L" else image.convert("L")
