"""Real images as WebDataset shards: KEY.jpg or .png beside KEY.json. The shards are read once, to learn where what lies."""

import io
import json
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from webdataset.tariterators import base_plus_ext

from ..errors import UsageError
from ..store import Store
from .folder import HEADERS, parts_of
from .locate import IMAGE_NAME
from .records import Blob, Records, age_of, label_matrix, label_name, race_of, sex_of

READ_AHEAD = 1 << 20  # bytes: small images come many at a time, what is large is passed over
THREADS = 8


class RangeReader(io.RawIOBase):
    """An object as a file that can seek; only what is read is fetched."""

    def __init__(self, store: Store, key: str, size: int):
        self.store, self.key, self.length, self.position = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.length}[whence]
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer) -> int:
        data = self.store.get(self.key, self.position, min(self.length, self.position + len(buffer)))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def read_shards(store: Store, shards: list[tuple[str, int]], labels: list[str]) -> Records:
    """Every image of the shards (key, size in bytes)."""
    with ThreadPoolExecutor(THREADS) as pool:
        rows = [row for shard in pool.map(lambda one: scan(store, *one), shards) for row in shard]
    if not rows:
        raise UsageError(f"the shards in {store.uri} hold no images with a .json beside them")
    keys = [key for key, _ in shards]
    place = {key: i for i, key in enumerate(keys)}
    found = [findings_of(row["json"]) for row in rows]
    matrix = label_matrix(found, frozenset().union(*found), labels)
    matrix[[not names for names in found]] = np.nan
    patients = [str(field(row["json"], "patient") or "") for row in rows]
    if "" in patients:
        row = rows[patients.index("")]
        raise UsageError(f"{store.uri}/{row['shard']}: {row['key']}.json names no patient; add patient_id")
    parts = parts_of([str(field(row["json"], "part") or "") for row in rows], store.uri)
    return Records(
        patients=np.array([f"{field(row['json'], 'site') or store.uri}#{name}" for row, name in zip(rows, patients)]),
        labels=matrix,
        sex=np.array([sex_of(field(row["json"], "sex") or "") for row in rows]),
        race=np.array([race_of(field(row["json"], "race") or "") for row in rows]),
        age=np.array([age_of(field(row["json"], "age")) for row in rows], np.float32),
        part=parts,
        site=np.array([str(field(row["json"], "site") or "").strip() for row in rows]),
        blob=np.array([place[row["shard"]] for row in rows], np.int32),
        offset=np.array([row["offset"] for row in rows], np.int64),
        size=np.array([row["size"] for row in rows], np.int64),
        blobs=tuple(Blob(store, key) for key in keys),
    )


def scan(store: Store, key: str, size: int) -> list[dict]:
    """One row for each sample of a shard that has an image and a .json, by WebDataset's naming rules."""
    rows: dict[str, dict] = {}
    source = io.BufferedReader(RangeReader(store, key, size), READ_AHEAD)
    try:
        with tarfile.open(fileobj=source) as archive:
            for member in archive:
                base, extension = base_plus_ext(member.name)
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or base is None:
                    continue
                row = rows.setdefault(base, {"shard": key, "key": base})
                if extension == "json":
                    row["json"] = json.loads(content.read())
                elif IMAGE_NAME.search(f".{extension}"):
                    row |= {"offset": member.offset_data, "size": member.size}
    except (tarfile.TarError, ValueError) as error:
        raise UsageError(f"{store.uri}/{key} is not a valid tar of images and JSON: {error}") from error
    return [row for row in rows.values() if "json" in row and "offset" in row]


def field(record: dict, role: str) -> object:
    """What a sample's JSON says about a role, under any of the names that a CSV may use."""
    lower = {str(name).lower(): value for name, value in record.items()}
    return next((lower[name] for name in HEADERS[role] if lower.get(name) is not None), None)


def findings_of(record: dict) -> frozenset[str]:
    """A list of names, or a text with | between them."""
    value = field(record, "findings")
    names = value if isinstance(value, list) else re.split(r"[|;]", str(value or ""))
    return frozenset(label_name(str(name)) for name in names if str(name).strip())
