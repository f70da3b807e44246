"""What a model remembers of the people and images that it was trained on, so that it is not measured on them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import UsageError
from .fetch import THREADS
from .records import Records

HEAD = 64 << 10  # bytes of an image that identify it
EMPTY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Memory:
    """Hashes of 16 hexadecimal digits: they identify no person, and equal persons have equal ones."""

    patients: frozenset[str] = EMPTY  # site and number
    named: frozenset[str] = EMPTY  # numbers alone, of patients whose source names the site
    unnamed: frozenset[str] = EMPTY  # the same of sources that do not
    images: frozenset[str] = EMPTY  # of the bytes of real images
    datasets: frozenset[str] = EMPTY  # declared, as in `Declared`

    def __or__(self, other: "Memory") -> "Memory":
        return Memory(*(getattr(self, one.name) | getattr(other, one.name) for one in fields(Memory)))

    def stored(self) -> dict[str, list[str]]:
        """As model.pt has it; `trainedOn` are the patients."""
        return {_stored_name(one.name): sorted(getattr(self, one.name)) for one in fields(Memory)}


def _stored_name(name: str) -> str:
    return "trainedOn" if name == "patients" else f"trainedOn{name.capitalize()}"


def read_memory(stored: dict[str, Any]) -> Memory:
    """The memory in a file of weights; empty in one that has none."""
    return Memory(*(frozenset(stored.get(_stored_name(one.name), ())) for one in fields(Memory)))


class Seen:
    """The memory of some records. Bytes of images are read once, when they are first asked for."""

    def __init__(self, records: Records, source: dict[str, Any] | None = None):
        """`source` is the one of the config."""
        self.records, self.source = records, source or {}

    @cached_property
    def people(self) -> Memory:
        records = self.records
        unnamed = records.site == ""
        real = ~np.array([blob.synthetic for blob in records.blobs], bool)[records.blob]
        declared = {blob.declared for blob in records.blobs}
        return Memory(
            patients=frozenset(map(digest, set(records.patients.tolist()))).union(*(one.patients for one in declared)),
            named=numbers(records.patients[~unnamed & real]),
            unnamed=numbers(records.patients[unnamed]),
            datasets=EMPTY.union(*(one.datasets for one in declared)),
        )

    @cached_property
    def all(self) -> Memory:
        return self.people | Memory(images=frozenset(image_hashes(self.records)))


def digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:16]


def numbers(patients: np.ndarray) -> frozenset[str]:
    return frozenset(digest(patient.rpartition("#")[2]) for patient in set(patients.tolist()))


def image_hashes(records: Records) -> list[str]:
    """A hash for each place of a real image, of its first bytes; a synthetic cohort has none of a hospital's files."""
    places = {
        (int(blob), int(offset), int(size))
        for blob, offset, size in zip(records.blob, records.offset, records.size)
        if not records.blobs[blob].synthetic
    }

    def one(place: tuple[int, int, int]) -> str:
        blob, offset, size = place
        length = HEAD if size < 0 else min(HEAD, size)
        return digest(records.blobs[blob].store.get(records.blobs[blob].key, offset, offset + length))

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, sorted(places)))


def check_unseen(name: str, site: Seen, memory: Memory, what: str) -> None:
    """Raises UsageError when a site holds a patient, or an image, that `what` was trained on."""
    own = site.people
    straddling = memory.patients & own.patients
    if straddling:
        raise UsageError(
            f"{len(straddling)} patients of site {name} are among those that {what} was trained on; "
            "take them out of one of the two, or give the data a split column"
        )
    # Where one side does not name its hospital, equal numbers may or may not be one person.
    alike = (memory.unnamed & (own.named | own.unnamed)) | (memory.named & own.unnamed)
    if alike:
        raise UsageError(
            f"{len(alike)} patients of site {name} have the same number as patients that {what} was trained on, and the data does not say "
            "whether the hospital is the same; name it in both: a column site, or site in the source"
        )
    check_declared(name, site, memory)
    equal = memory.images & site.all.images if memory.images else EMPTY
    if equal:
        raise UsageError(
            f"{len(equal)} images of site {name} are, byte for byte, images that {what} was trained on, under another name; take them out of one of the two"
        )


def check_declared(name: str, site: Seen, memory: Memory) -> None:
    """Raises UsageError when a site is of a data set that the generator or a gate of synthetic images was trained on.

    It may be, where the patients are listed, who are then compared one by one, or where the site is the test part of the
    set's own split, and that is not the part that was trained on.
    """
    own = {site.source.get("preset", ""), *site.records.site.tolist()}
    official = "holdOut" not in site.source and bool((site.records.part == "test").all())
    for entry in sorted(memory.datasets):
        dataset, _, split = entry.partition("/")
        if dataset not in own or split == "?" or (split in ("train", "validation") and official):
            continue
        raise UsageError(
            f"site {name} is of {dataset}, which the generator or a gate of the synthetic images was trained on"
            f"{'' if split == '*' else f' ({split})'}; measure on other data, or say in trainedOn which split or which patients it was"
        )


def described(memory: Memory) -> list[str]:
    """The declared data sets for people: `mimic-cxr-jpg (train)`."""
    shown = {"*": "", "?": " (listed patients)"}
    return [name + shown.get(split, f" ({split})") for name, _, split in (entry.partition("/") for entry in sorted(memory.datasets))]
