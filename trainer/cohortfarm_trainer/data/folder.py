"""Images in a folder with a CSV beside them: NIH ChestX-ray14 as it comes, CheXpert's columns, or a plain metadata.csv."""

import gzip
import io
import re
from typing import Any

import numpy as np
import pandas

from ..errors import UsageError
from ..store import Store
from .locate import locate
from .records import NO_FINDING, PARTS, Blob, Records, age_of, label_matrix, label_name, race_of, sex_of
from .vocabulary import FINDINGS

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
PART_NAMES = {"val": "validation", "valid": "validation", "dev": "validation", "training": "train", "testing": "test"}


def find_csv(keys: list[str]) -> str | None:
    """The CSV that describes a folder: metadata.csv, the NIH one, or the only one."""
    names = [key for key in keys if CSV_NAME.match(key)]
    for wanted in ("metadata.csv", "metadata.csv.gz"):
        if wanted in names:
            return wanted
    entries = [name for name in names if name.startswith("Data_Entry")]
    return entries[0] if entries else names[0] if len(names) == 1 else None


def read_folder(store: Store, name: str, keys: list[str], labels: list[str], how: dict[str, Any]) -> Records:
    """Every image that the CSV names, as the `source` of the config says that it is to be read.

    Raises UsageError that says which headers are missing, or which images.
    """
    table = read_table(store, name)
    where = f"{store.uri}/{name}"
    named = {"part" if role == "split" else role: column for role, column in how.get("columns", {}).items()}
    columns = {role: header_of(table, role, named.get(role), where) for role in HEADERS}
    table = filtered(with_values(table, named), columns, how.get("filter", {}), where)
    if columns["image"] is None:
        raise UsageError(f"{where} has no column for the image; name one of {', '.join(HEADERS['image'])}")
    files = locate(table[columns["image"]].tolist(), keys, store.uri, where)
    matrix = labels_of(table, columns, labels, how, where)
    n = len(table)

    def text(role: str) -> list[str]:
        return [""] * n if columns[role] is None else table[columns[role]].tolist()

    parts = [PART_NAMES.get(part.strip().lower(), part.strip().lower()) for part in text("part")]
    wrong = sorted(set(parts) - {"", *PARTS})
    if wrong:
        raise UsageError(f"{where}: the split {wrong[0]!r} is none of {', '.join(PARTS)}; rename it")
    names = sorted(set(files))
    place = {file: i for i, file in enumerate(names)}
    return Records(
        patients=patients_of(table, columns, store, where),
        labels=matrix,
        sex=np.array([sex_of(value) for value in text("sex")]),
        race=np.array([race_of(value) for value in text("race")]),
        age=np.array([age_of(value) for value in text("age")], np.float32),
        part=np.array(parts),
        site=np.array([value.strip() for value in text("site")]),
        blob=np.array([place[file] for file in files], np.int32),
        offset=np.zeros(n, np.int64),
        size=np.full(n, -1, np.int64),
        blobs=tuple(Blob(store, file) for file in names),
    )


def read_table(store: Store, name: str) -> pandas.DataFrame:
    """The CSV as text; empty fields are empty texts."""
    data = store.get(name)
    try:
        text = gzip.decompress(data) if name.endswith(".gz") else data
        table = pandas.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UsageError(f"{store.uri}/{name} is not a CSV file in UTF-8: {error}") from error
    if table.empty:
        raise UsageError(f"{store.uri}/{name} has no rows; write one for each image")
    return table


def header_of(table: pandas.DataFrame, role: str, named: dict[str, Any] | None, where: str) -> str | None:
    """The header for a role: the one that the config names, else the first that is known. Raises UsageError for one that is not there."""
    if named is not None and named["name"] not in table.columns:
        raise UsageError(f"source.columns: {where} has no column {named['name']}; it has {', '.join(map(str, table.columns[:20]))}")
    if named is not None:
        return named["name"]
    headers = {header.strip().lower(): header for header in table.columns}
    return next((headers[name] for name in HEADERS[role] if name in headers), None)


def with_values(table: pandas.DataFrame, named: dict[str, dict[str, Any]]) -> pandas.DataFrame:
    """The table with the values of its columns as the config translates them."""
    changed = {column["name"]: column["values"] for column in named.values() if "values" in column}
    return table.assign(**{name: table[name].str.strip().replace(values) for name, values in changed.items()})


def filtered(table: pandas.DataFrame, columns: dict[str, str | None], wanted: dict[str, list[str]], where: str) -> pandas.DataFrame:
    """The rows of the views that are wanted. Raises UsageError where the CSV does not say, or none is left."""
    if "view" not in wanted:
        return table
    if columns["view"] is None:
        raise UsageError(f"source.filter.view: {where} has no column for the view; name it in source.columns.view")
    views = table[columns["view"]].str.strip().str.upper()
    kept = table[views.isin([view.upper() for view in wanted["view"]])].reset_index(drop=True)
    if kept.empty:
        there = ", ".join(sorted(set(views))[:10])
        raise UsageError(f"source.filter.view: no image of {where} is {' or '.join(wanted['view'])}; {columns['view']} has {there}")
    return kept


def labels_of(table: pandas.DataFrame, columns: dict[str, str | None], labels: list[str], how: dict[str, Any], where: str) -> np.ndarray:
    """float32 [n, labels], from one column with `|` between names, or from one column of flags for each finding.

    An empty text says nothing. An empty flag says that there is no such finding; -1 (uncertain) what the config makes of it,
    and without that nothing.
    """
    if columns["findings"] is not None:
        texts = table[columns["findings"]]
        separator = how.get("columns", {}).get("findings", {}).get("separator")
        parts = re.escape(separator) if separator else r"[|;]"
        found = [frozenset(label_name(part) for part in re.split(parts, text) if part.strip()) for text in texts]
        matrix = label_matrix(found, frozenset().union(*found), labels)
        matrix[[not names for names in found]] = np.nan
        return matrix
    taken = {header for header in columns.values() if header is not None}
    flags = {label_name(header): flags_of(table[header]) for header in table.columns if header not in taken}
    # A column of 0 and 1 may be anything, such as whether the film was taken in bed.
    found = {name: values for name, values in flags.items() if values is not None and name in FINDINGS | set(labels)}
    found = decided(found, how.get("uncertain", {}), where)
    if not found:
        others = sorted(name for name, values in flags.items() if values is not None)
        raise UsageError(
            f"{where} has no findings: write a column findings ({NO_FINDING}, or names with | between), or a column of 0 and 1 for each"
            + (f"; {', '.join(others[:5])} are neither labels nor known as findings" if others else "")
        )
    return flag_matrix(found, labels, how.get("complete", False))


FLAGS = {"": 0.0, "nan": 0.0, "0": 0.0, "0.0": 0.0, "false": 0.0, "1": 1.0, "1.0": 1.0, "true": 1.0, "-1": -1.0, "-1.0": -1.0}


def flags_of(column: pandas.Series) -> np.ndarray | None:
    """float [n] of 0, 1 and -1 (uncertain); None for a column of anything else, or of nothing."""
    texts = column.str.strip().str.lower()
    if not texts.isin(FLAGS).all() or texts.isin({"", "nan"}).all():
        return None
    return texts.map(FLAGS).to_numpy(float)


UNCERTAIN = {"ignore": -1.0, "ones": 1.0, "zeros": 0.0}


def decided(flags: dict[str, np.ndarray], uncertain: dict[str, str], where: str) -> dict[str, np.ndarray]:
    """The flags with what the config makes of uncertain ones. Raises UsageError for a label that there is no column of."""
    wrong = sorted(set(uncertain) - {"default"} - set(flags))
    if flags and wrong:
        raise UsageError(f"source.uncertain: {where} has no column for {', '.join(wrong)}; it has {', '.join(flags)}")
    choice = {name: uncertain.get(name, "ignore" if name == NO_FINDING else uncertain.get("default", "ignore")) for name in flags}
    return {name: np.where(values == -1, UNCERTAIN[choice[name]], values) for name, values in flags.items()}


def flag_matrix(flags: dict[str, np.ndarray], labels: list[str], complete: bool) -> np.ndarray:
    """float32 [n, labels], from flags by name.

    Whether there is no finding at all says its own column. Without one it is known of images with a finding only, unless
    the columns are `complete`: whether they are all that was looked for, such a file does not say.
    """
    n = len(next(iter(flags.values())))
    unknown, others = np.full(n, -1.0), [values for name, values in flags.items() if name != NO_FINDING]
    ill, unsure = (np.any([values == kind for values in others], axis=0) & np.ones(n, bool) for kind in (1, -1))
    flags = {NO_FINDING: np.where(ill, 0.0, np.where(unsure | (not complete), -1.0, 1.0)), **flags}
    values = np.stack([flags.get(label, unknown) for label in labels], 1)
    return np.where(values == -1, np.nan, values == 1).astype(np.float32)


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
