"""Radiographs in DICOM files: as a viewer shows them, and what their headers say of the patient."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from ..errors import UsageError
from ..store import Store

HEAD = 64 << 10  # bytes of a file that hold what is asked of the patient
THREADS = 8
MAX_PIXELS = 178_956_970  # as Pillow allows
GREY = ("MONOCHROME1", "MONOCHROME2")


def is_dicom(data: bytes | memoryview) -> bool:
    return bytes(data[128:132]) == b"DICM"


def dicom_to_grey(data: bytes | memoryview) -> Image.Image:
    """8 bits of grey: modality and VOI transformation (window or table) applied, white for what is dense.

    Without a VOI transformation the range of its own values. Raises ValueError for anything but one grey frame.
    """
    file = pydicom.dcmread(io.BytesIO(data))
    kind, frames = file.get("PhotometricInterpretation"), int(file.get("NumberOfFrames") or 1)
    if kind not in GREY or frames != 1:
        raise ValueError(f"it has {frames} frames of {kind}; one of {' or '.join(GREY)} can be read")
    if int(file.Rows) * int(file.Columns) > MAX_PIXELS:
        raise ValueError(f"it has {file.Columns} x {file.Rows} pixels; at most {MAX_PIXELS} can be read")
    values = apply_modality_lut(file.pixel_array, file)
    shown = np.asarray(apply_voi_lut(values, file), np.float64)
    low, high = _range(file) or (float(shown.min()), float(shown.max()))
    grey = np.clip((shown - low) * (255 / max(high - low, 1e-9)), 0, 255)
    return Image.fromarray(np.uint8(np.round(255 - grey if kind == "MONOCHROME1" else grey)))


def _range(file: pydicom.Dataset) -> tuple[float, float] | None:
    """The lowest and highest value that the VOI transformation can give; None without one."""
    if file.get("VOILUTSequence"):
        bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
        return 0.0, float((1 << bits) - 1)
    if "WindowCenter" not in file or "WindowWidth" not in file:
        return None
    ends = np.asarray(apply_voi_lut(np.array([[-1e9, 1e9]]), file), np.float64)
    return float(ends.min()), float(ends.max())


def read_headers(store: Store, keys: list[str], tags: dict[str, str]) -> dict[str, list[str]]:
    """What files say under some tags, as texts, by role; empty where they do not, and for files that are not DICOM."""

    def one(key: str) -> list[str]:
        data = store.get(key, 0, HEAD)
        if not is_dicom(data):
            return [""] * len(tags)
        try:
            file = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(tags.values()))
            return [str(file.get(tag) or "") for tag in tags.values()]
        except Exception as error:  # pydicom raises whatever a damaged file makes of it
            raise UsageError(f"{store.uri}/{key} is not a DICOM file that can be read: {error}") from error

    with ThreadPoolExecutor(THREADS) as pool:
        rows = list(pool.map(one, keys))
    return {role: [row[i] for row in rows] for i, role in enumerate(tags)}
