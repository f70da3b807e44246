"""From records to arrays: bytes by range, decoded to grey, scaled and cropped to a square."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import UsageError
from .dicom import dicom_to_grey, is_dicom
from .disk import DiskCache
from .fetch import Fetcher
from .records import Records

CACHE = 512 << 20  # bytes of decoded images that a training process keeps, together with those that load for it
CROP, LETTERBOX = "Crop", "Letterbox"
DRAFT = 2  # the least that a JPEG is larger than what it is scaled to


class ImageReader:
    """Reads images of some records as uint8 [size, size]; each process keeps what fits into `cache` bytes."""

    def __init__(self, records: Records, size: int, fit: str = CROP, cache: int = CACHE):
        self.records, self.size, self.fit, self.cache = records, size, fit, cache
        self.fetcher = Fetcher(records)
        self.disk = DiskCache(records, size, fit)
        self._kept: dict[int, np.ndarray] = {}

    def __getstate__(self):
        return {**self.__dict__, "_kept": {}}

    def start(self, indices: np.ndarray) -> None:
        """Begins to fetch what will be read next."""
        missing = [i for i in self._missing(indices) if not self.disk.has(i)]
        if missing:
            self.fetcher.start(missing)

    def read(self, indices: np.ndarray) -> list[np.ndarray]:
        """The images at some positions of the records, in that order."""
        missing = self._missing(indices)
        fresh = {i: image for i in missing if (image := self.disk.read(i)) is not None}
        missing = [i for i in missing if i not in fresh]
        for i, data in self.fetcher.fetch(missing) if missing else ():
            blob = self.records.blobs[self.records.blob[i]]
            fresh[i] = decode(data, self.size, blob.key, self.fit, blob.synthetic)
            self.disk.write(i, fresh[i])
        room = self.cache // (self.size * self.size) - len(self._kept)
        self._kept.update(list(fresh.items())[: max(0, room)])
        return [fresh[i] if i in fresh else self._kept[i] for i in indices.tolist()]

    def _missing(self, indices: np.ndarray) -> list[int]:
        return [i for i in dict.fromkeys(indices.tolist()) if i not in self._kept]


# What Pillow and pydicom raise at a damaged or hostile file.
_CANNOT_DECODE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)


def decode(data: bytes | memoryview, size: int, what: str, fit: str = CROP, synthetic: bool = False) -> np.ndarray:
    """uint8 [size, size]: grey by ITU-R BT.601, scaled (Lanczos).

    Crop scales the shorter side to `size` and takes the centre; Letterbox scales the longer one and leaves black bars.
    A synthetic image uses all of its range as it is, whatever its bits.
    """
    try:
        grey = dicom_to_grey(data) if is_dicom(data) else _open(data, size, fit, synthetic)
    except _CANNOT_DECODE as error:
        raise UsageError(f"{what} holds an image that cannot be decoded: {error}") from error
    width, height = grey.size
    if (width, height) == (size, size):
        return np.asarray(grey)
    scale = size / (min if fit == CROP else max)(width, height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    grey = grey.resize((width, height), Image.Resampling.LANCZOS)
    left, top = (width - size) // 2, (height - size) // 2
    # What lies outside of the image is black.
    return np.asarray(grey.crop((left, top, left + size, top + size)))


def _open(data: bytes | memoryview, size: int, fit: str, synthetic: bool) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        if image.format == "JPEG":
            # The codec decodes 1/2, 1/4 or 1/8 of the size, as long as twice the pixels are left for the scaling.
            scale = DRAFT * size / (min if fit == CROP else max)(image.size)
            if scale <= 1 / 2:
                image.draft("L", (round(image.width * scale), round(image.height * scale)))
        return to_grey(image, synthetic)


def to_grey(image: Image.Image, synthetic: bool = False) -> Image.Image:
    """8 bits of grey: 16-bit films are scaled to their own range of values, synthetic images are what they are in 8 bits."""
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float32)
        low, high = (0.0, 65_535.0) if synthetic else (float(values.min()), float(values.max()))
        return Image.fromarray(np.uint8(np.round((values - low) * (255 / max(high - low, 1e-9)))))
    return image if image.mode == "L" else image.convert("L")
