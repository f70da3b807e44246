"""Decoded images on a disk of this machine, so that films of full size are decoded once, whatever stage reads them."""

import hashlib
import os
import tempfile
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np

from .records import Records

FOLDER = "COHORTFARM_IMAGE_CACHE"  # environment variable: where to keep them; without it none are kept
FORMAT = "1"  # another one where pixels would come out otherwise
CHECK = 4  # bytes of a checksum before the pixels


class DiskCache:
    """Images of some records as files of raw bytes, named by the place and the state of their source and by what was made of it.

    Files are written whole; what a crash of the machine leaves damaged is read from its source again.
    """

    def __init__(self, records: Records, size: int, fit: str):
        self.records, self.size, self.fit = records, size, fit
        self.stamps: dict[int, str] = {}  # by blob

    @cached_property
    def folder(self) -> Path | None:
        name = os.environ.get(FOLDER)
        return Path(name) if name else None

    def has(self, i: int) -> bool:
        return self.folder is not None and self._path(i).is_file()

    def read(self, i: int) -> np.ndarray | None:
        """The image at a position of the records; None when it is not here, or not whole."""
        if self.folder is None:
            return None
        try:
            data = self._path(i).read_bytes()
        except FileNotFoundError:
            return None
        pixels = data[CHECK:]
        if len(pixels) != self.size * self.size or zlib.crc32(pixels).to_bytes(CHECK, "big") != data[:CHECK]:
            return None
        return np.frombuffer(pixels, np.uint8).reshape(self.size, self.size)

    def write(self, i: int, image: np.ndarray) -> None:
        """Keeps an image. On a full disk none is kept, and nothing fails."""
        if self.folder is None:
            return
        path, pixels = self._path(i), image.tobytes()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(zlib.crc32(pixels).to_bytes(CHECK, "big") + pixels)
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError:
            return

    def _path(self, i: int) -> Path:
        assert self.folder is not None
        records, number = self.records, int(self.records.blob[i])
        blob = records.blobs[number]
        if number not in self.stamps:
            self.stamps[number] = blob.store.stamp(blob.key)
        # The levels of a synthetic image are not those of a film of the same bytes.
        kind = ("synthetic",) if blob.synthetic else ()
        parts = (FORMAT, blob.store.uri, blob.key, self.stamps[number], records.offset[i], records.size[i], self.size, self.fit, *kind)
        name = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
        return self.folder / name[:2] / name[2:]
