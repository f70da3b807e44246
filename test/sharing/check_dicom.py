"""Reads exported DICOM files back: check_dicom.py DATASET EXPORT. Prints a summary of the first as JSON."""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE

dataset, export = Path(sys.argv[1]), Path(sys.argv[2])

images = {}
for shard in sorted((dataset / "shards").iterdir()):
    with tarfile.open(shard) as tar:
        for member in tar:
            images[member.name] = tar.extractfile(member).read()

seen: set[str] = set()
files = sorted((export / "dicom").rglob("*.dcm"))
lines = [json.loads(line) for line in (export / "metadata.jsonl").read_text().splitlines()]
assert [str(file.relative_to(export)) for file in files] == [line["file_name"] for line in lines]
for file, line in zip(files, lines, strict=True):
    read = pydicom.dcmread(file)
    for element in read.iterall():
        _ = element.value  # Raises where a value does not fit its representation.
    key = line["key"]
    record = json.loads(images[f"{key}.json"])
    picture = np.array(Image.open(io.BytesIO(images.get(f"{key}.png") or images[f"{key}.jpg"])))
    assert np.array_equal(read.pixel_array, picture), key
    assert read.SyntheticData == "YES"
    assert read.PatientSex == {"female": "F", "male": "M"}[record["axes"]["sex"]]
    assert read.PatientAge == f"{record['exact']['age']:03d}Y"
    assert read.ImageComments == record["prompt"]
    uids = [read.StudyInstanceUID, read.SeriesInstanceUID, read.SOPInstanceUID]
    assert uids == [line[f"{name}_instance_uid"] for name in ("study", "series", "sop")]
    for uid in uids:
        assert uid.is_valid and uid not in seen
        seen.add(uid)
    for name in ("PatientBirthDate", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"):
        assert read[name].is_empty, name
    assert read.PatientName == f"SYNTHETIC^{key}" and read.PatientID.startswith("SYNTHETIC-")
    (maker,) = read.ContributingEquipmentSequence
    assert record["modelDigest"] == maker.DeviceSerialNumber
    assert f"seed {record['seed']}," in maker.ContributionDescription

first = pydicom.dcmread(files[0])
summary = {
    "files": len(files),
    "modality": first.Modality,
    "body part": first.BodyPartExamined,
    "lossy": first.LossyImageCompression,
    "bits": first.BitsStored,
    "representation": first["PixelData"].VR,
    "keywords": sorted({element.keyword for element in first.iterall() if element.keyword}),
}
print(json.dumps(summary))
