"""What lies behind a URI: a published cohort, WebDataset shards, a folder with a CSV, or a folder of such folders."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NotFoundError, UsageError
from ..store import open_store
from .cohort import INDEX, MANIFEST, read_cohort
from .folder import find_csv, read_folder
from .records import Records, concat
from .shards import read_shards


def read_source(uri: str, labels: list[str], s3: dict[str, Any], how: dict[str, Any] | None = None) -> Records:
    """All labelled images behind a URI; `how` is the `source` of the config.

    Raises NotFoundError where there is nothing, UsageError where it is nothing that can be read.
    """
    store, how = open_store(uri, s3), how or {}
    objects = dict(store.list())
    if not objects:
        raise NotFoundError(f"there is nothing at {uri}; correct the URI")
    keys = list(objects)
    if MANIFEST in objects and INDEX in objects:
        return read_cohort(store, labels)
    name = find_csv(keys)
    if name is not None:
        return _named(read_folder(store, name, keys, labels, how), how)
    shards = [(key, size) for key, size in objects.items() if key.endswith(".tar")]
    inner = sorted({key.split("/", 1)[0] for key in keys if _describes(key)})
    if inner:
        return concat([read_source(f"{uri.rstrip('/')}/{folder}", labels, s3, how) for folder in inner])
    if shards:
        refused = sorted({"columns", "filter", "uncertain", "complete"} & set(how))
        if refused:
            raise UsageError(f"source.{refused[0]}: is for a folder with a CSV, and {uri} holds .tar shards; leave it out")
        return _named(read_shards(store, shards, labels), how)
    raise UsageError(
        f"{uri} holds neither dataset.json, nor a metadata.csv, nor .tar shards, nor folders with one of these; see docs/training.md"
    )


def _describes(key: str) -> bool:
    """Whether a key says that the folder it is in, one level down, is a source of its own."""
    folder, _, name = key.partition("/")
    return bool(folder) and "/" not in name and (name == MANIFEST or name.endswith((".csv", ".csv.gz")))


def _named(records: Records, how: dict[str, Any]) -> Records:
    """The records with the hospital that the config names, where the source itself names none."""
    if not how.get("site"):
        return records
    site = np.where(records.site == "", how["site"], records.site)
    names = [patient.rpartition("#")[2] for patient in records.patients]
    return replace(records, site=site, patients=np.array([f"{one}#{name}" for one, name in zip(site, names)]))


def read_sources(part: dict[str, Any], labels: list[str], s3: dict[str, Any]) -> Records:
    """All labelled images of a `train` section, in order. Raises UsageError for a label that none of its sources knows."""
    uris = part["data"]
    records = concat([read_source(uri, labels, s3, part.get("source")) for uri in uris])
    unknown = [label for label, column in zip(labels, records.labels.T) if np.isnan(column).all()]
    if unknown:
        raise UsageError(f"no image of {', '.join(uris)} is labelled for {', '.join(unknown)}; correct labels or data")
    return records
