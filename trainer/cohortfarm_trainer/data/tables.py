"""Tables that describe a folder of images: CSV or Excel files as text, found by name, stacked and joined."""

import gzip
import io
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import pandas

from ..errors import NotFoundError, UsageError
from ..store import Store, open_store, split_uri
from .notes import Notes

Table: TypeAlias = pandas.DataFrame
MAX_BYTES = 4 << 30  # of a table once it is unpacked


def read_table(store: Store, name: str) -> Table:
    """The table as text; empty fields are empty texts."""
    where, data = f"{store.uri}/{name}", store.get(name)
    try:
        if name.endswith(".xlsx"):
            table = pandas.read_excel(io.BytesIO(data), dtype=str, keep_default_na=False)
        else:
            table = pandas.read_csv(io.BytesIO(_unpacked(data, name, where)), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UsageError:
        raise
    except Exception as error:  # openpyxl raises whatever its XML and zip readers do
        raise UsageError(f"{where} is not a table in {'Excel' if name.endswith('.xlsx') else 'UTF-8 CSV'}: {error}") from error
    if table.empty:
        raise UsageError(f"{where} has no rows; write one for each image")
    return table.rename(columns=lambda header: str(header).strip())


def _unpacked(data: bytes, name: str, where: str) -> bytes:
    if not name.endswith(".gz"):
        return data
    with gzip.open(io.BytesIO(data)) as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise UsageError(f"{where} is larger than {MAX_BYTES >> 30} GiB once it is unpacked; split it")
    return text


class Shelf:
    """The tables of a source: those below its folder, and those that its config names elsewhere."""

    def __init__(self, store: Store, keys: list[str], named: list[dict[str, Any]], s3: dict[str, Any]):
        self.store, self.keys, self.named, self.s3 = store, keys, named, s3

    def find(self, pattern: str) -> tuple[Store, str] | None:
        """The file of a name with `*` in it, packed or not. Raises UsageError where several have it."""
        elsewhere = [split_uri(table["uri"]) for table in self.named]
        fits = [(open_store(folder, self.s3), name) for folder, name in elsewhere if _fits(name, pattern)]
        fits = fits or [(self.store, key) for key in self.keys if _fits(key.rpartition("/")[2], pattern)]
        # People who unpack a table often keep the packed one.
        plain = [one for one in fits if not one[1].endswith(".gz")]
        fits = plain or fits
        if len(fits) > 1:
            names = ", ".join(f"{store.uri}/{key}" for store, key in fits[:3])
            raise UsageError(f"{len(fits)} tables are called {pattern}: {names}; keep one, or name it in source.tables")
        return fits[0] if fits else None

    def read(self, pattern: str) -> tuple[str, Table] | None:
        """The place and the content of the table of a name."""
        found = self.find(pattern)
        return None if found is None else (f"{found[0].uri}/{found[1]}", read_table(*found))

    def need(self, pattern: str) -> tuple[str, Table]:
        """As `read`. Raises NotFoundError where there is none."""
        found = self.read(pattern)
        if found is None:
            raise NotFoundError(f"{self.store.uri} has no {pattern} (or .gz); add it, or name it in source.tables")
        return found


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.gz")


def need_columns(table: Table, names: list[str], where: str) -> None:
    """Raises UsageError for headers that a table lacks."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise UsageError(f"{where} has no column {', '.join(missing)}; it has {', '.join(map(str, table.columns[:20]))}")


def join(left: Table, right: Table, on: dict[str, str], where: str, required: bool, notes: Notes) -> Table:
    """The rows of the left table with what the right one says of them; `on` maps headers of the left to those of the right.

    A header that both have keeps the values of the left. Where the right table is required, rows that it lacks are left
    out, since nothing is known of them. Raises UsageError where it has two rows for one key.
    """
    need_columns(right, list(on.values()), where)
    keys = list(on)
    right = right.rename(columns={theirs: ours for ours, theirs in on.items()})
    right = right[[name for name in right.columns if name in keys or name not in left.columns]].drop_duplicates()
    for key in keys:
        right[key] = right[key].map(plain_number)
    twice = right.duplicated(keys)
    if twice.any():
        example = " ".join(right.loc[twice, keys].iloc[0])
        raise UsageError(f"{where} has several rows for {', '.join(on.values())} {example}; leave one")
    known = left.assign(**{key: left[key].map(plain_number) for key in keys})
    joined = known.merge(right, how="left", on=keys, indicator="source:joined")
    lacking = (joined["source:joined"] == "left_only").to_numpy()
    joined = joined.drop(columns="source:joined").fillna("")
    if not required:
        notes.count(f"without a row in {where} (kept)", int(lacking.sum()))
        return joined
    notes.leave_out(f"no row in {where}", int(lacking.sum()))
    if lacking.all():
        raise UsageError(f"no row of the images has one in {where} by {', '.join(on.values())}; correct one of the two")
    return joined[~lacking].reset_index(drop=True)


def plain_number(text: str) -> str:
    """`10000032.0` as `10000032`: tables that went through a spreadsheet write keys so."""
    text = text.strip()
    return text[:-2] if text.endswith(".0") and text[:-2].isdigit() else text
