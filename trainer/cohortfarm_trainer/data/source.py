"""What lies behind a URI: a published cohort, WebDataset shards, a folder with a CSV, or a folder of such folders."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import Faults, NotFoundError, UsageError
from ..store import open_store
from .cohort import ABSENT, INDEX, MANIFEST, UNKNOWN_FINDING, read_cohort
from .folder import find_csv, read_folder
from .notes import Notes
from .presets import with_preset
from .records import Records, concat
from .shards import read_shards
from .split import held_out


def read_source(
    uri: str, labels: list[str], s3: dict[str, Any], how: dict[str, Any] | None = None, notes: list[Notes] | None = None
) -> Records:
    """All labelled images behind a URI; `how` is the `source` of the config. What is not understood is added to the notes.

    Raises NotFoundError where there is nothing, UsageError where it is nothing that can be read.
    """
    store, how = open_store(uri, s3), with_preset(how or {})
    notes = [] if notes is None else notes
    objects = dict(store.list())
    if not objects:
        raise NotFoundError(f"there is nothing at {uri}; correct the URI")
    keys = list(objects)
    if MANIFEST in objects and INDEX in objects:
        return read_cohort(store, labels, how.get("unnamed", ABSENT))
    if "preset" in how or find_csv(keys):
        refuse_unnamed(uri, how)
        notes.append(Notes())
        return _named(read_folder(store, keys, labels, how, s3, notes[-1]), how)
    shards = [(key, size) for key, size in objects.items() if key.endswith(".tar")]
    inner = sorted({key.split("/", 1)[0] for key in keys if _describes(key)})
    if inner:
        return concat([read_source(f"{uri.rstrip('/')}/{folder}", labels, s3, how, notes) for folder in inner])
    refuse_unnamed(uri, how)
    if shards:
        refused = sorted(FOLDER_ONLY & set(how))
        if refused:
            raise UsageError(f"source.{refused[0]}: is for a folder with a CSV, and {uri} holds .tar shards; leave it out")
        return _named(read_shards(store, shards, labels), how)
    raise UsageError(
        f"{uri} holds neither dataset.json, nor a metadata.csv, nor .tar shards, nor folders with one of these; see docs/training.md"
    )


def refuse_unnamed(uri: str, how: dict[str, Any]) -> None:
    if "unnamed" in how:
        raise UsageError(f"source.unnamed: is for a published dataset, and {uri} is none; leave it out")


# Fields of a source that say how a CSV is read.
FOLDER_ONLY = {"columns", "complete", "filter", "findings", "partial", "tables", "uncertain"}


def _describes(key: str) -> bool:
    """Whether a key says that the folder it is in, one level down, is a source of its own."""
    folder, _, name = key.partition("/")
    return bool(folder) and "/" not in name and (name == MANIFEST or name.endswith((".csv", ".csv.gz")))


def _named(records: Records, how: dict[str, Any]) -> Records:
    """The records with the hospital that the config names, where the source itself names none, and with those that it holds out."""
    if how.get("site"):
        site = np.where(records.site == "", how["site"], records.site)
        names = [patient.rpartition("#")[2] for patient in records.patients]
        records = replace(records, site=site, patients=np.array([f"{one}#{name}" for one, name in zip(site, names)]))
    return held_out(records, how["holdOut"]["share"]) if "holdOut" in how else records


def read_sources(part: dict[str, Any], labels: list[str], s3: dict[str, Any], notes: list[Notes] | None = None) -> Records:
    """All labelled images of a `train` section, in order. Raises UsageError for a label that none of its sources knows."""
    uris, faults = part["data"], Faults()
    found = [faults.of(lambda: read_source(uri, labels, s3, part.get("source"), notes)) for uri in uris]
    faults.end()
    records = concat([one for one in found if one is not None])
    unknown = [label for label, column in zip(labels, records.labels.T) if np.isnan(column).all()]
    if unknown:
        raise UsageError(f"no image of {', '.join(uris)} is labelled for {', '.join(unknown)}; correct labels or data")
    if (part.get("source") or {}).get("unnamed") == UNKNOWN_FINDING:
        never = [label for label, column in zip(labels, records.labels.T) if not (column == 0).any()]
        if never:
            raise UsageError(f"source.unnamed: no image of {', '.join(uris)} is known to lack {', '.join(never)}; add images without a finding, or leave it out")
    return records
