"""Labelled images as columns: who is on them, what they show, and where their bytes are."""

import re
from dataclasses import dataclass, fields, replace

import numpy as np

from ..store import Store

UNKNOWN = "unknown"
NO_FINDING = "no-finding"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Declared:
    """What those who made synthetic images say that their generator and gates were trained on."""

    datasets: frozenset[str] = frozenset()  # "NAME/SPLIT", with "*" for all of it and "?" for listed patients
    patients: frozenset[str] = frozenset()  # hashes


@dataclass(frozen=True)
class Blob:
    """An object that holds images."""

    store: Store
    key: str
    synthetic: bool = False
    declared: Declared = Declared()


@dataclass(frozen=True)
class Records:
    """n images. All columns have n entries; `blobs` has one for each object."""

    patients: np.ndarray  # str: unique over all sources
    labels: np.ndarray  # float32 [n, labels]: 1, 0, or NaN where the source does not say
    sex: np.ndarray  # str: female, male or unknown
    race: np.ndarray  # str: as the source calls it, in capitals, or unknown
    age: np.ndarray  # float32: years, NaN where unknown
    part: np.ndarray  # str: train, validation, test, or "" where the source has no splits
    site: np.ndarray  # str: the hospital, "" where the source does not say
    blob: np.ndarray  # int32: position in `blobs`
    offset: np.ndarray  # int64: first byte in the blob
    size: np.ndarray  # int64: bytes; -1 for the whole blob
    blobs: tuple[Blob, ...]

    def __len__(self) -> int:
        return len(self.patients)

    def take(self, which: np.ndarray) -> "Records":
        """The records at some positions, or where a mask is true."""
        return replace(self, **{name: getattr(self, name)[which] for name in _COLUMNS})

    def patient_count(self) -> int:
        return len(np.unique(self.patients))


_COLUMNS = tuple(field.name for field in fields(Records) if field.name != "blobs")


def concat(parts: list[Records]) -> Records:
    """All records of several sources, in order."""
    if len(parts) == 1:
        return parts[0]
    first = np.cumsum([0] + [len(part.blobs) for part in parts[:-1]])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    columns["blob"] = np.concatenate([part.blob + start for part, start in zip(parts, first)]).astype(np.int32)
    return Records(**columns, blobs=tuple(blob for part in parts for blob in part.blobs))


def label_name(text: str) -> str:
    """`Pleural_Thickening`, `No Finding` as `pleural-thickening`, `no-finding`."""
    return re.sub(r"[^a-z0-9]+", "-", text.strip().lower()).strip("-")


def label_matrix(found: list[frozenset[str]], known: frozenset[str], labels: list[str]) -> np.ndarray:
    """float32 [n, labels] of what each image shows, from the names that are given for each.

    `known` is the vocabulary of the source: of a label that is not in it nothing is known. An image that shows nothing
    else shows no-finding, whether or not its findings are among the labels.
    """
    matrix = np.zeros((len(found), len(labels)), np.float32)
    for column, label in enumerate(labels):
        if label == NO_FINDING:
            matrix[:, column] = [not (names - {NO_FINDING}) for names in found]
        elif label in known:
            matrix[:, column] = [label in names for names in found]
        else:
            matrix[:, column] = np.nan
    return matrix


def sex_of(text: object) -> str:
    """female, male or unknown."""
    return {"f": "female", "m": "male"}.get(str(text).strip().lower()[:1], UNKNOWN)


def race_of(text: object) -> str:
    """`black/african american` as `BLACK`; unknown for an empty text."""
    name = re.split(r"\s*/\s*|\s+-\s+", str(text).strip())[0].strip().upper()
    return UNKNOWN if name in ("", "NAN", "NONE", "UNKNOWN", "UNABLE TO OBTAIN", "OTHER", "PATIENT DECLINED TO ANSWER") else name


def age_of(text: object) -> float:
    """Years, from 58, "058Y" or "58.0"; NaN for what no person can be."""
    match = re.fullmatch(r"\s*0*(\d+(?:\.\d+)?)\s*[yY]?\s*", str(text))
    years = float(match[1]) if match else np.nan
    return years if years <= 120 else np.nan


def age_bins(age: np.ndarray, bins: list[str]) -> np.ndarray:
    """The bin of each age (str): `outside` of them all, or unknown."""
    names = np.full(len(age), "outside", dtype=object)
    years = np.floor(age)
    for name in bins:
        low, high = map(int, name.split("-"))
        names[(years >= low) & (years <= high)] = name
    names[np.isnan(age)] = UNKNOWN
    return names.astype(str)
