"""From records to arrays: bytes by range, decoded to grey, scaled and cropped to a square."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import UsageError
from .fetch import Fetcher
from .records import Records

CACHE = 512 << 20  # bytes of decoded images that one process keeps


class ImageReader:
    """Reads images of some records as uint8 [size, size]; each process keeps what fits into `cache` bytes."""

    def __init__(self, records: Records, size: int, cache: int = CACHE):
        self.records, self.size, self.cache = records, size, cache
        self.fetcher = Fetcher(records)
        self._kept: dict[int, np.ndarray] = {}

    def __getstate__(self):
        return {**self.__dict__, "_kept": {}}

    def start(self, indices: np.ndarray) -> None:
        """Begins to fetch what will be read next."""
        missing = self._missing(indices)
        if missing:
            self.fetcher.start(missing)

    def read(self, indices: np.ndarray) -> list[np.ndarray]:
        """The images at some positions of the records, in that order."""
        missing = self._missing(indices)
        fresh = {i: decode(data, self.size, self._name(i)) for i, data in self.fetcher.fetch(missing)} if missing else {}
        room = self.cache // (self.size * self.size) - len(self._kept)
        self._kept.update(list(fresh.items())[: max(0, room)])
        return [fresh[i] if i in fresh else self._kept[i] for i in indices.tolist()]

    def _missing(self, indices: np.ndarray) -> list[int]:
        return [i for i in dict.fromkeys(indices.tolist()) if i not in self._kept]

    def _name(self, i: int) -> str:
        return self.records.blobs[self.records.blob[i]].key


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
