"""A published CohortFarm dataset: dataset.json says what it is, index.parquet where each image lies."""

import hashlib
import io
import json
import os
import re
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from ..errors import TerminalError, UsageError
from ..store import Store, open_store, split_uri
from .digests import check_bytes, check_shards
from .records import NO_FINDING, UNKNOWN, Blob, Declared, Records, concat, label_matrix, label_name, race_of, sex_of

MANIFEST, INDEX = "dataset.json", "index.parquet"
ABSENT, UNKNOWN_FINDING = "Absent", "Unknown"  # findings that a prompt does not name
HASH = re.compile("[0-9a-f]{16}")


def read_manifest(store: Store) -> dict[str, Any]:
    """The manifest, with files and shards by their keys. Raises TerminalError when it is not one."""
    try:
        manifest = json.loads(store.get(MANIFEST))
        by_key = {name: {entry["key"]: entry for entry in manifest[name]} for name in ("files", "shards")}
        by_key["files"][INDEX], manifest["planDigest"], manifest["dataset"]["spec"]["quota"]["axes"]
    except (ValueError, LookupError, TypeError) as error:
        raise TerminalError(f"{store.uri}/{MANIFEST} is not the manifest of a dataset; restore it", "DatasetDamaged") from error
    return {**manifest, **by_key}


def said_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of `trainedOn` of the model of a spec and of its gates."""
    return [entry for one in (spec.get("model", {}), *spec.get("quality", {}).get("gates", [])) for entry in one.get("trainedOn", [])]


def read_declared(said: list[dict[str, Any]], s3: dict[str, Any]) -> Declared:
    """What entries of `trainedOn` say. Raises UsageError for a list of patients that is not one."""
    lists = {entry["patients"] for entry in said if "patients" in entry}
    return Declared(
        frozenset(f"{entry['dataset']}/{'?' if 'patients' in entry else entry.get('split', '*')}" for entry in said),
        frozenset(hashed for uri in lists for hashed in _hashes(uri, s3)),
    )


def _hashes(uri: str, s3: dict[str, Any]) -> list[str]:
    folder, name = split_uri(uri)
    lines = open_store(folder, s3).get(name).decode("ascii", "replace").split()
    wrong = [line for line in lines if not HASH.fullmatch(line)]
    if wrong or not lines:
        found = f"line {lines.index(wrong[0]) + 1} is {wrong[0][:40]!r}" if wrong else "it is empty"
        raise UsageError(f"{uri} is not a list of hashed patients: {found}; write 16 hexadecimal digits a line")
    return lines


def open_parent(store: Store, parent: dict[str, Any]) -> Store:
    """The dataset that another one extends. Raises TerminalError when what is there is not the one that the manifest names."""
    place = str(parent["manifest"])
    if place.startswith("s3://"):
        uri = split_uri(place)[0]
    elif store.uri.startswith("s3://") or place.startswith("/") or not place.endswith(f"/{MANIFEST}"):
        raise TerminalError(f"{store.uri}/{MANIFEST} names its parent {place}, which cannot be reached from here", "DatasetDamaged")
    else:
        uri = os.path.normpath(os.path.join(store.uri, split_uri(place)[0]))
    found = open_store(uri, getattr(store, "options", {}))
    digest = hashlib.sha256(found.get(MANIFEST)).hexdigest()
    if digest != parent["sha256"]:
        raise TerminalError(f"{uri}/{MANIFEST} has SHA-256 {digest}; {store.uri}, which extends it, states {parent['sha256']}", "DatasetDamaged")
    return found


def read_cohort(store: Store, labels: list[str], unnamed: str = ABSENT) -> Records:
    """Every image of the dataset, after those of the dataset that it extends.

    `unnamed` says whether a finding that an image was not asked for is absent or unknown. An image for no-finding was asked
    for none: there all are absent.
    """
    manifest = read_manifest(store)
    own = read_own(store, manifest, labels, unnamed)
    parent = manifest.get("parent")
    return concat([read_cohort(open_parent(store, parent), labels, unnamed), own]) if parent else own


def read_own(store: Store, manifest: dict[str, Any], labels: list[str], unnamed: str) -> Records:
    """The images of one manifest; each person was made up for one image, or for one pair of them, and is a patient of its own."""
    index = store.get(INDEX)
    check_bytes(store, manifest["files"][INDEX], index)
    table = parquet.read_table(io.BytesIO(index))
    named = json.loads((table.schema.metadata or {}).get(b"cohortfarm.columns", b"{}"))
    if "axes" not in named:
        raise UsageError(f"{store.uri}/{INDEX} does not say which columns hold the axes; publish the dataset anew")
    axes, exact = named["axes"], named["exact"]
    n = table.num_rows

    def column(name: str | None, default: object) -> list:
        return table[name].to_pylist() if name in table.column_names else [default] * n

    shards = column("shard", "")
    keys = sorted(set(shards))
    place = {key: i for i, key in enumerate(keys)}
    unknown = [key for key in keys if key not in manifest["shards"]]
    if unknown:
        raise TerminalError(f"{store.uri}/{INDEX} names {unknown[0]}, which {MANIFEST} does not list; restore both", "DatasetDamaged")
    check_shards(store, [manifest["shards"][key] for key in keys])
    finding = manifest["dataset"]["spec"]["quota"]["axes"].get("finding", {})
    values = finding.get("values", [])
    sets = {"+".join(names): names for names in finding.get("combinations", [])}
    found = [frozenset(map(label_name, sets.get(value, [value]))) if value else frozenset() for value in column(axes.get("finding"), "")]
    matrix = label_matrix(found, frozenset(map(label_name, values)), labels)
    if not values:
        matrix[:] = np.nan
    elif unnamed == UNKNOWN_FINDING:
        ill = np.array([names != {NO_FINDING} for names in found], bool)
        named = np.array([[label == NO_FINDING or label in names for label in labels] for names in found], bool).reshape(n, len(labels))
        matrix[ill[:, None] & ~named] = np.nan
    people = "pair" if "pairs" in manifest["dataset"]["spec"]["quota"] else "key"
    declared = read_declared(said_of(manifest["dataset"]["spec"]), store.options)
    return Records(
        patients=np.array([f"{manifest['planDigest']}#{key}" for key in column(people, "")]),
        labels=matrix,
        sex=np.array([sex_of(value) for value in column(axes.get("sex"), UNKNOWN)]),
        race=np.array([race_of(value) for value in column(axes.get("race"), UNKNOWN)]),
        age=np.array(column(exact.get("age"), np.nan), np.float32),
        part=np.full(n, ""),
        site=np.full(n, str(manifest["planDigest"])),
        blob=np.array([place[key] for key in shards], np.int32),
        offset=np.array(column("image_offset", 0), np.int64),
        size=np.array(column("image_size", 0), np.int64),
        blobs=tuple(Blob(store, key, synthetic=True, declared=declared) for key in keys),
    )
