"""DICOM files for tests, written with pydicom."""

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid


def dicom(pixels: np.ndarray, kind: str = "MONOCHROME2", bits: int = 12, sex: str = "F", age: str = "060Y", **tags) -> Dataset:
    """A radiograph of one frame; further tags by keyword."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = DigitalXRayImageStorageForPresentation
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.PatientSex, file.PatientAge = sex, age
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, kind
    file.Rows, file.Columns = pixels.shape
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = (16 if bits > 8 else 8), bits, bits - 1, 0
    for name, value in tags.items():
        setattr(file, name, value)
    file.PixelData = pixels.astype(np.uint16 if bits > 8 else np.uint8).tobytes()
    return file


def saved(file: Dataset) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom_bytes(pixels: np.ndarray, **more) -> bytes:
    return saved(dicom(pixels, **more))


def write_dicom(path, pixels: np.ndarray | None = None, **more) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom_bytes(np.arange(64).reshape(8, 8) if pixels is None else pixels, **more))
