"""Check: what training and evaluation would read of real data, counted, and all that is wrong with it."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data.cohort import read_declared
from ..data.memory import Memory, Seen, check_unseen
from ..data.notes import Notes
from ..data.records import Declared, Records, age_bins, concat
from ..data.source import read_source, read_sources
from ..data.split import split_training, test_part
from ..errors import Faults, UsageError
from .context import Context

DATA = "data.json"
TRAINING = "Training"


def check_stage(context: Context) -> dict[str, Any]:
    """Reads each source as its stage or site would, and writes data.json. Raises UsageError with all faults of all sources."""
    faults: list[str] = []
    sources, used = [], {}
    for one in context.config["checks"]:
        notes: list[Notes] = []
        found = faults_of(one["name"], faults, lambda: read(context, one, notes))
        if found is not None:
            records, part = found
            sources.append(described(context, one, records, part, notes))
            used[one["name"]] = (one["use"], Seen(part, one.get("source")))
    declared = faults_of("trainedOn", faults, lambda: read_declared(context.config.get("trainedOn", []), context.config["s3"])) or Declared()
    faults += overlaps(used, Memory(patients=declared.patients, datasets=declared.datasets))
    report = {"apiVersion": "cohortfarm.dev/data/v1", "sources": sources, "faults": faults}
    context.store.put(DATA, (json.dumps(report, indent=1) + "\n").encode())
    if faults:
        raise UsageError("\n".join(faults))
    return {"headline": {"images": sum(one["images"] for one in sources)}}


def faults_of(name: str, faults: list[str], action: Callable[[], Any]) -> Any:
    """The result of an action; None when it raises a UsageError, whose lines are kept with the name of the source."""
    own = Faults()
    result = own.of(action)
    faults += [f"{name}: {line}" for error in own.found for line in str(error).split("\n")]
    return result


def read(context: Context, one: dict[str, Any], notes: list[Notes]) -> tuple[Records, Records]:
    """All images of a source, and those that it is used for."""
    s3 = context.config["s3"]
    if one["use"] == TRAINING:
        records = read_sources(one, context.labels, s3, notes)
        own, held = split_training(records, one["validationShare"], context.config["seed"])
        return records, concat([own, held])
    records = read_source(one["data"][0], context.labels, s3, one.get("source"), notes)
    return records, test_part(records)


def overlaps(used: dict[str, tuple[str, Seen]], generator: Memory) -> list[str]:
    """Faults of patients that are measured, and that a stage or the generator was trained on."""
    faults: list[str] = []
    for name, (use, site) in used.items():
        if use != TRAINING:
            faults_of(name, faults, lambda: check_unseen(name, site, generator, "the generator or a gate"))
        for other, (kind, trained) in used.items():
            if use != TRAINING and kind == TRAINING:
                faults_of(name, faults, lambda: check_unseen(name, site, trained.people, f"a model of {other}"))
    return faults


def described(context: Context, one: dict[str, Any], records: Records, part: Records, notes: list[Notes]) -> dict[str, Any]:
    """One source as data.json has it."""
    return {
        "name": one["name"],
        "use": one["use"],
        "images": len(part),
        "patients": part.patient_count(),
        "labels": [
            {"label": label, "present": int((column == 1).sum()), "absent": int((column == 0).sum()), "unknown": int(np.isnan(column).sum())}
            for label, column in zip(context.labels, part.labels.T)
        ],
        "groups": {
            "sex": counted(part.sex),
            "age": counted(age_bins(part.age, context.config["ageBins"])),
            "race": counted(part.race),
        },
        "splits": counted(np.where(records.part == "", "none", records.part)),
        "sites": counted(np.where(part.site == "", "not named", part.site)),
        "folders": [note.described() for note in notes],
    }


def counted(values: np.ndarray) -> dict[str, int]:
    return dict(Counter(values.tolist()).most_common())
