"""Images in a folder with tables that describe them: a public set as it is published, or a plain metadata.csv."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas

from ..errors import Faults, UsageError
from ..store import Store
from .dicom import read_headers
from .findings import labels_of
from .locate import IMAGE_NAME, locate
from .notes import Notes
from .presets import compose
from .records import PARTS, UNKNOWN, Blob, Records, age_of, race_of, sex_of
from .tables import Shelf, Table, join, need_columns, read_table

# Headers that name the same thing, in lower case.
HEADERS = {
    "image": ("file_name", "image index", "path", "image", "filename", "image_path", "dicom_id"),
    "patient": ("patient_id", "patient id", "subject_id", "patientid", "patient"),
    "sex": ("sex", "patient gender", "gender", "patient sex", "patientsex"),
    "age": ("age", "patient age", "anchor_age", "age_years", "patientage"),
    "race": ("race", "race_ethnicity", "race/ethnicity", "ethnicity"),
    "findings": ("findings", "finding labels", "labels", "finding", "label"),
    "part": ("split", "part", "fold"),
    "site": ("site", "hospital", "institution"),
    "view": ("ap/pa", "view position", "view_position", "viewposition", "view", "projection", "frontal/lateral"),
}
CSV_NAME = re.compile(r"^[^/]+\.csv(\.gz)?$")
PART_NAMES = {"val": "validation", "valid": "validation", "validate": "validation", "dev": "validation", "training": "train", "testing": "test"}


def find_csv(keys: list[str]) -> str | None:
    """The CSV that describes a folder: metadata.csv, the NIH one, or the only one."""
    names = [key for key in keys if CSV_NAME.match(key)]
    for wanted in ("metadata.csv", "metadata.csv.gz"):
        if wanted in names:
            return wanted
    entries = [name for name in names if name.startswith("Data_Entry")]
    return entries[0] if entries else names[0] if len(names) == 1 else None


def read_folder(store: Store, keys: list[str], labels: list[str], how: dict[str, Any], s3: dict[str, Any], notes: Notes) -> Records:
    """Every image that the tables name, as the `source` of the config says that it is to be read.

    Raises UsageError with all that is wrong: headers that are missing, images that are not there, splits that are none.
    """
    shelf = Shelf(store, keys, how.get("tables", []), s3)
    where, table = compose(shelf, how["preset"], notes) if "preset" in how else plain_table(shelf, notes)
    notes.where = where
    faults = Faults()
    named = {"part" if role == "split" else role: column for role, column in how.get("columns", {}).items()}
    faults.of(lambda: need_columns(table, [column["name"] for column in named.values()], f"source.columns: {where}"))
    faults.end()
    table = with_values(table, named)
    columns = {role: header_of(table, role, named.get(role)) for role in HEADERS}
    matrix = faults.of(lambda: labels_of(table, columns, labels, how, where, notes))
    parts = faults.of(lambda: parts_of(text_of(table, columns["part"]), where))
    patients = faults.of(lambda: patients_of(table, columns, store, where))
    files = faults.of(lambda: files_of(table, columns, keys, how, store, where, notes))
    faults.end()
    assert matrix is not None and parts is not None and patients is not None and files is not None
    kept = np.array([file is not None for file in files], bool)
    table, own = table[kept], [file for file in files if file is not None]
    names = sorted(set(own))
    place = {file: i for i, file in enumerate(names)}
    headers = read_headers(store, own, how["header"]) if how.get("header") else {}
    people = {role: headers.get(role) or text_of(table, columns[role]) for role in ("sex", "age", "race")}
    records = Records(
        patients=patients[kept],
        labels=matrix[kept],
        sex=np.array([sex_of(value) for value in people["sex"]]),
        race=np.array([race_of(value) for value in people["race"]]),
        age=np.array([age_of(value) for value in people["age"]], np.float32),
        part=parts[kept],
        site=np.array([value.strip() for value in text_of(table, columns["site"])]),
        blob=np.array([place[file] for file in own], np.int32),
        offset=np.zeros(len(own), np.int64),
        size=np.full(len(own), -1, np.int64),
        blobs=tuple(Blob(store, file) for file in names),
    )
    notes.misread("sex", pandas.Series(people["sex"], dtype=str)[records.sex == UNKNOWN])
    notes.misread("age", pandas.Series(people["age"], dtype=str)[np.isnan(records.age)])
    return records


def plain_table(shelf: Shelf, notes: Notes) -> tuple[str, Table]:
    """The CSV of a folder, with the tables that the config joins to it."""
    name = find_csv(shelf.keys)
    assert name is not None
    where, table = f"{shelf.store.uri}/{name}", read_table(shelf.store, name)
    notes.rows = len(table)
    faults = Faults()
    for one in shelf.named:
        on = {header: header for header in one.get("on", [])}
        if not on:
            raise UsageError(f"source.tables: {one['uri']} names no headers to join by; add on, such as [patient_id]")
        faults.of(lambda: need_columns(table, list(on), where))
        found = faults.of(lambda: shelf.need(one["uri"].rpartition("/")[2]))
        if found is not None and not faults.found:
            joined = faults.of(lambda: join(table, found[1], on, found[0], False, notes))
            table = table if joined is None else joined
    faults.end()
    return where, table


def header_of(table: Table, role: str, named: dict[str, Any] | None) -> str | None:
    """The header for a role: the one that the config names, else the first that is known."""
    if named is not None:
        return named["name"]
    headers = {header.strip().lower(): header for header in table.columns}
    return next((headers[name] for name in HEADERS[role] if name in headers), None)


def text_of(table: Table, header: str | None) -> list[str]:
    """The texts of a column; empty ones where there is none."""
    return [""] * len(table) if header is None else table[header].tolist()


def with_values(table: Table, named: dict[str, dict[str, Any]]) -> Table:
    """The table with the values of its columns as the config translates them."""
    changed = {column["name"]: column["values"] for column in named.values() if "values" in column}
    return table.assign(**{name: table[name].str.strip().replace(values) for name, values in changed.items()})


def parts_of(texts: list[str], where: str) -> np.ndarray:
    """The parts of the split. Raises UsageError for a name that is none."""
    parts = [PART_NAMES.get(text.strip().lower(), text.strip().lower()) for text in texts]
    wrong = sorted(set(parts) - {"", *PARTS})
    if wrong:
        raise UsageError(f"{where}: the split {', '.join(map(repr, wrong))} is none of {', '.join(PARTS)}; rename it in source.columns.split.values")
    return np.array(parts)


def files_of(
    table: Table, columns: dict[str, str | None], keys: list[str], how: dict[str, Any], store: Store, where: str, notes: Notes
) -> list[str | None]:
    """The key of the image of each row; None for rows that the config leaves out."""
    if columns["image"] is None:
        raise UsageError(f"{where} has no column for the image; name one of {', '.join(HEADERS['image'])}")
    kept = rows_of_views(table, columns["view"], how.get("filter", {}), where, notes)
    names = table.loc[kept, columns["image"]].tolist()
    found = locate(names, keys, store.uri, where, how.get("partial", False))
    notes.leave_out("the image is not there (partial)", found.count(None))
    notes.unnamed = len({key for key in keys if IMAGE_NAME.search(key)} - set(found))
    files: list[str | None] = [None] * len(table)
    for i, file in zip(np.flatnonzero(kept), found):
        files[i] = file
    return files


def rows_of_views(table: Table, header: str | None, wanted: dict[str, list[str]], where: str, notes: Notes) -> np.ndarray:
    """Which rows are of a view that is wanted. Raises UsageError where the CSV does not say, or none is left."""
    views = None if header is None else table[header].str.strip().str.upper()
    notes.views = Counter() if views is None else Counter(views.tolist())
    if "view" not in wanted:
        return np.ones(len(table), bool)
    if views is None:
        raise UsageError(f"source.filter.view: {where} has no column for the view; name it in source.columns.view")
    kept = views.isin([view.upper() for view in wanted["view"]]).to_numpy()
    if not kept.any():
        there = ", ".join(sorted(set(views))[:10])
        raise UsageError(f"source.filter.view: no image of {where} is {' or '.join(wanted['view'])}; {header} has {there}")
    notes.leave_out(f"view other than {', '.join(wanted['view'])}", int((~kept).sum()))
    return kept


def patients_of(table: pandas.DataFrame, columns: dict[str, str | None], store: Store, where: str) -> np.ndarray:
    """Patients by site: the column of that name, else this folder, since two hospitals may use the same numbers."""
    if columns["patient"] is not None:
        patients = table[columns["patient"]].str.strip().tolist()
    else:
        matches = [re.search(r"(?:^|/)(patient\d+|p\d{5,})(?:/|$)", path) for path in table[columns["image"]]]
        if not all(matches):
            raise UsageError(f"{where} has no column for the patient; name one of {', '.join(HEADERS['patient'])}")
        patients = [match[1] for match in matches if match]
    empty = patients.count("")
    if empty:
        raise UsageError(f"{where}: {empty} rows name no patient; splits need one in each row")
    sites = [store.uri] * len(table) if columns["site"] is None else table[columns["site"]].str.strip().tolist()
    return np.array([f"{site}#{patient}" for site, patient in zip(sites, patients)])
