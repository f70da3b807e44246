"""Who is trained on, who decides when to stop, who is measured: by patient, never by image."""

import hashlib
from dataclasses import replace

import numpy as np

from ..errors import UsageError
from .records import Records

HOLD_OUT = "hold-out"  # in place of a seed: all stages and sites of a set hold out the same patients


def draw(patient: str, seed: int | str) -> float:
    """A number in 0..1 that depends on the seed and the patient alone, not on where the data lies."""
    _, _, name = patient.rpartition("#")
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_training(records: Records, share: float, seed: int) -> tuple[Records, Records]:
    """What to train on and what to validate on.

    A split that the source names itself is kept, and its test images are left alone; where it names none, `share` of the
    patients are drawn for validation. Raises UsageError when a patient is on both sides.
    """
    check_split(records)
    own = records.take((records.part == "train") | (records.part == ""))
    validation = records.take(records.part == "validation")
    if len(own) == 0:
        raise UsageError("the data has no images to train on: its split names no train; correct it")
    if len(validation) > 0:
        return own, validation
    patients = np.unique(own.patients)
    drawn = np.array([draw(patient, seed) for patient in patients])
    # By rank, so that few patients give a validation set of the right size, too.
    count = min(len(patients) - 1, max(1, round(share * len(patients))))
    if len(patients) < 2:
        raise UsageError("the data is of one patient only; training and validation need at least one each")
    chosen = patients[np.argsort(drawn, kind="stable")[:count]]
    held = np.isin(own.patients, chosen)
    return own.take(~held), own.take(held)


def held_out(records: Records, share: float) -> Records:
    """The records with a share of the patients as test images, in place of any split of their own."""
    patients, places = np.unique(records.patients, return_inverse=True)
    held = np.array([draw(patient, HOLD_OUT) < share for patient in patients])
    return replace(records, part=np.where(held[places], "test", ""))


def test_part(records: Records) -> Records:
    """What a site is measured on: its test images, or all where it names no split."""
    check_split(records)
    if (records.part == "").all():
        return records
    chosen = records.take(records.part == "test")
    if len(chosen) == 0:
        raise UsageError("the data of a site names a split, but no test images in it; add some or remove the column")
    return chosen


def check_split(records: Records) -> None:
    """Raises UsageError when the source's own split has a patient in two parts."""
    named = records.take(records.part != "")
    pairs = np.unique(np.stack([named.patients, named.part]), axis=1) if len(named) else np.empty((2, 0), str)
    patients, counts = np.unique(pairs[0], return_counts=True)
    twice = patients[counts > 1]
    if len(twice) > 0:
        raise UsageError(f"{len(twice)} patients are in two parts of the split, such as {twice[0]}; keep each in one")
