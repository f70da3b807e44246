"""Public sets as their authors publish them: one table with known headers, made from theirs as presets/NAME.json says."""

import json
import re
from importlib import resources
from typing import Any

import numpy as np
import pandas

from ..errors import Faults, UsageError
from .findings import FLAGS
from .notes import Notes
from .tables import Shelf, Table, join, need_columns

MARK = "source:"  # before the headers of columns that a preset makes


def read_preset(name: str) -> dict[str, Any]:
    """The description of a public set."""
    return json.loads(resources.files(__package__).joinpath(f"presets/{name}.json").read_text())


def with_preset(how: dict[str, Any]) -> dict[str, Any]:
    """The `source` of a config, completed by its preset; what the config says itself goes first."""
    if "preset" not in how:
        return how
    preset = read_preset(how["preset"])
    own = {role: {"name": MARK + role, **_separator(column)} for role, column in preset["columns"].items()}
    return {
        "site": preset["site"],
        "unsaid": preset.get("unsaid", []),
        "header": preset.get("header", {}),
        **how,
        "columns": {**own, **how.get("columns", {})},
        "findings": {**preset.get("findings", {}), **how.get("findings", {})},
    }


def _separator(column: dict[str, Any]) -> dict[str, str]:
    return {"separator": column["separator"]} if "separator" in column else {}


def compose(shelf: Shelf, name: str, notes: Notes) -> tuple[str, Table]:
    """The place and the content of the one table of a public set. Raises UsageError with all that is missing of it."""
    preset = read_preset(name)
    where, table = _rows(shelf, preset)
    table = _with_lists(table, preset, shelf)
    notes.rows = len(table)
    columns = dict(preset["columns"])
    faults = Faults()
    for one in preset.get("joins", []):
        found = faults.of(lambda: shelf.read(one["table"]) if one.get("optional") else shelf.need(one["table"]))
        if found is not None:
            place, right = found
            joined = faults.of(lambda: _join(table, right, one, place, columns, notes))
            table = table if joined is None else joined
        elif one.get("optional"):
            notes.count(one["optional"], len(table))
    faults.end()
    for role, column in columns.items():
        if MARK + role not in table:
            table[MARK + role] = _read(table, column, role, where, notes)
    return where, table


def _rows(shelf: Shelf, preset: dict[str, Any]) -> tuple[str, Table]:
    """The tables that have a row for each image, one below the other."""
    parts, places = [], []
    for one in preset["rows"]:
        found = shelf.read(one["table"])
        if found is None:
            continue
        place, table = found
        table = table.rename(columns=preset.get("rename", {}))
        table = _voted(table, one["votes"], place) if "votes" in one else table
        parts.append(table.assign(split=one["split"]) if "split" in one else table)
        places.append(place)
    if not parts:
        shelf.need(preset["rows"][0]["table"])
    return " and ".join(places), pandas.concat(parts, ignore_index=True).fillna("")


def _voted(table: Table, votes: dict[str, Any], where: str) -> Table:
    """One row for each image: a finding is there when at least half of its readers mark it."""
    need_columns(table, [votes["by"]], where)
    flags = table.drop(columns=[votes["by"], *votes["of"]], errors="ignore").apply(lambda column: column.str.strip().str.lower().map(FLAGS))
    wrong = [name for name in flags if flags[name].isna().any()]
    if wrong:
        raise UsageError(f"{where}: {wrong[0]} has values other than 0 and 1; restore the table")
    mean = flags.groupby(table[votes["by"]]).mean()
    return mean.ge(0.5).astype(int).astype(str).reset_index()


def _with_lists(table: Table, preset: dict[str, Any], shelf: Shelf) -> Table:
    """The split by lists of image names, where the set has them."""
    lists = {part: shelf.find(name) for name, part in preset.get("lists", {}).items()}
    known = {part: found for part, found in lists.items() if found is not None}
    if not preset.get("lists"):
        return table
    names = table[preset["columns"]["image"]["names"][0]].str.strip()
    split = pandas.Series("", table.index)
    for part, (store, key) in known.items():
        split[names.isin(store.get(key).decode("utf-8", "replace").split())] = part
    return table.assign(split=split)


def _join(table: Table, right: Table, one: dict[str, Any], where: str, columns: dict[str, Any], notes: Notes) -> Table:
    on = dict(one["on"])
    need_columns(right, list(on.values()), where)
    if "extract" in one:
        ours, theirs = next(iter(on.items()))
        table = table.assign(**{f"{MARK}key": table[ours].str.extract(one["extract"])[0].fillna("")})
        on = {f"{MARK}key": theirs}
    if "agree" in one:
        right = _agreed(right, list(on.values()), one["agree"], columns[one["agree"]], where, notes)
    if "take" in one:
        need_columns(right, one["take"], where)
        right = right[[*on.values(), *one["take"]]]
    return join(table, right, on, where, one.get("required", False), notes)


def _agreed(right: Table, keys: list[str], role: str, column: dict[str, Any], where: str, notes: Notes) -> Table:
    """One row for each key: the value of a role that all its rows agree on, as far as they say any."""
    values = _read(right, column, role, where, notes)
    said = right[keys].assign(value=values)[values != ""].drop_duplicates()
    several = said.duplicated(keys, keep=False)
    notes.count(f"people whose rows in {where} differ in {role}: it counts as unknown", said[several][keys].drop_duplicates().shape[0])
    return said[~several].rename(columns={"value": MARK + role})


def _read(table: Table, column: dict[str, Any], role: str, where: str, notes: Notes) -> pandas.Series:
    """The column of a role; empty texts where the set does not say."""
    if "constant" in column:
        return pandas.Series(column["constant"], table.index)
    if "sum" in column:
        return _years(table, column["sum"])
    names = [name for name in column["names"] if name in table]
    if not names:
        return pandas.Series("", table.index)
    text = table[names[0]].str.strip()
    for name in names[1:]:
        text = text + "|" + table[name].str.strip()
    if "extract" in column:
        text = text.str.extract(column["extract"])[0].fillna("")
    if "patterns" not in column:
        return text
    result, taken = text.copy() if role == "view" else pandas.Series("", table.index), pandas.Series(False, table.index)
    for value, pattern in column["patterns"].items():
        fitting = [one for one in text.unique() if re.search(pattern, one, re.IGNORECASE)]
        fits = ~taken & text.isin(fitting)
        result[fits], taken = value, taken | fits
    if role != "view":
        notes.misread(f"{where}: {', '.join(names)}", text[~taken & (text.str.strip("|") != "")])
    return result


def _years(table: Table, terms: list[str]) -> pandas.Series:
    """The sum of columns of numbers, of dates (YYYYMMDD) the year; empty where one is missing or the sum is not an age."""
    total = pandas.Series(0.0, table.index)
    for term in terms:
        name = term.removeprefix("-")
        if name not in table:
            return pandas.Series("", table.index)
        number = pandas.to_numeric(table[name].str.strip(), errors="coerce")
        number = number.where(number < 1e7, number // 1e4)
        total += -number if term.startswith("-") else number
    return pandas.Series(np.where(total.between(0, 120), total.fillna(0).astype(int).astype(str), ""), table.index)
