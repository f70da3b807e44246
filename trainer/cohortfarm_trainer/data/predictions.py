"""predictions.parquet: what models say of images, so that anybody can judge them; and the reading of such tables of others."""

import io
import json
import re
from dataclasses import dataclass

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet as parquet

from ..errors import UsageError
from .memory import digest
from .records import NO_FINDING, Records, age_of, race_of, sex_of

PREDICTIONS = "predictions.parquet"
THRESHOLDS = b"cohortfarm.thresholds"  # JSON: model -> label -> probability
COLUMN = re.compile(r"^(label|logit|score)[:_](.+)$")
NEEDED = ("patient",)


def predictions_of(model: str, site: str, records: Records, scores: np.ndarray, labels: list[str]) -> pandas.DataFrame:
    """A row for each image. Patients are hashed as a model remembers them; scores are float [n, labels] in 0..1."""
    places = zip(records.blob, records.offset, records.size)
    names = [records.blobs[blob].key + (f"#{offset}" if size >= 0 else "") for blob, offset, size in places]
    clipped = np.clip(scores, 1e-12, 1 - 1e-12)
    logits = np.log(clipped / (1 - clipped))
    return pandas.DataFrame(
        {
            "model": model,
            "site": site,
            "split": np.where(records.part == "", "test" if site != "validation" else "validation", records.part),
            "image": names,
            "patient": [digest(patient) for patient in records.patients.tolist()],
            "sex": records.sex,
            "age": records.age,
            "race": records.race,
            **{f"label:{label}": records.labels[:, i] for i, label in enumerate(labels)},
            **{f"logit:{label}": logits[:, i] for i, label in enumerate(labels)},
        }
    )


def write_predictions(tables: list[pandas.DataFrame], thresholds: dict[str, dict[str, float]]) -> bytes:
    table = pyarrow.Table.from_pandas(pandas.concat(tables, ignore_index=True), preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), THRESHOLDS: json.dumps(thresholds).encode()})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


@dataclass(frozen=True)
class Predictions:
    """A table that was checked: one row for each image and model."""

    table: pandas.DataFrame  # model, site, split, patient, sex, age, race as this package has them
    labels: list[str]  # no-finding first
    truth: np.ndarray  # float32 [n, labels], NaN where unknown
    scores: np.ndarray  # float64 [n, labels] in 0..1
    thresholds: dict[str, dict[str, float]]
    has_sites: bool

    def take(self, mask: np.ndarray) -> tuple[Records, np.ndarray]:
        """The rows where a mask is true, as records without bytes, and their scores."""
        rows = self.table[mask]
        n = len(rows)
        zero = np.zeros(n, np.int64)
        records = Records(
            patients=rows["patient"].to_numpy(str),
            labels=self.truth[mask],
            sex=rows["sex"].to_numpy(str),
            race=rows["race"].to_numpy(str),
            age=rows["age"].to_numpy(np.float32),
            part=np.full(n, "test"),
            site=rows["site"].to_numpy(str),
            blob=zero.astype(np.int32),
            offset=zero,
            size=zero,
            blobs=(),
        )
        return records, self.scores[mask]


def read_predictions(data: bytes, name: str) -> Predictions:
    """A table in Parquet or CSV, of this package or of any other.

    Needed are `patient`, and for each label `label:NAME` (1, 0, or empty where unknown) with `score:NAME` (a probability)
    or `logit:NAME`. `model`, `site`, `split`, `sex`, `age` and `race` may be there. Raises UsageError that lists all that is wrong.
    """
    table, thresholds = _read_table(data, name)
    columns: dict[str, dict[str, str]] = {kind: {} for kind in ("label", "logit", "score")}
    for header in table.columns:
        if match := COLUMN.match(str(header)):
            columns[match[1]][match[2]] = header
    said = {**columns["score"], **columns["logit"]}
    labels = [label for label in columns["label"] if label in said]
    wrong = [f"there is no column {column}" for column in NEEDED if column not in table.columns]
    wrong += [f"label:{label} has neither score:{label} nor logit:{label}" for label in columns["label"] if label not in said]
    wrong += [f"{header} has no label:{label}" for label, header in said.items() if label not in columns["label"]]
    if not columns["label"]:
        wrong.append("there is no column label:NAME with a score:NAME beside it")
    values: dict[str, np.ndarray] = {}
    for header in [columns["label"][label] for label in labels] + [said[label] for label in labels]:
        values[header] = pandas.to_numeric(table[header].replace({"": np.nan, "True": 1, "False": 0}), errors="coerce").to_numpy(float)
        lost = int((np.isnan(values[header]) & ~table[header].isna() & (table[header].astype(str).str.strip() != "")).sum())
        if lost:
            wrong.append(f"{header} has {lost} values that are not numbers")
    for label in labels:
        truth, called = values[columns["label"][label]], values[said[label]]
        if not np.isin(truth[np.isfinite(truth)], (0, 1)).all():
            wrong.append(f"label:{label} has values other than 0 and 1; leave uncertain ones empty")
        if np.isnan(called).any():
            wrong.append(f"{said[label]} is empty in {int(np.isnan(called).sum())} rows")
        elif label in columns["score"] and label not in columns["logit"] and ((called < 0) | (called > 1)).any():
            wrong.append(f"score:{label} is not in 0..1; call the column logit:{label} if these are logits")
    if "patient" in table.columns and (table["patient"].isna() | (table["patient"].astype(str).str.strip() == "")).any():
        wrong.append("patient is empty in some rows; intervals need one in each")
    if wrong:
        raise UsageError(f"{name} cannot be audited:\n" + "\n".join(wrong))
    ordered = [NO_FINDING] * (NO_FINDING in labels) + [label for label in labels if label != NO_FINDING]
    scores = np.stack([_probability(values[said[label]], label in columns["logit"]) for label in ordered], 1)
    truth = np.stack([values[columns["label"][label]] for label in ordered], 1).astype(np.float32)
    return Predictions(_described(table), ordered, truth, scores, thresholds, "site" in table.columns)


def _read_table(data: bytes, name: str) -> tuple[pandas.DataFrame, dict[str, dict[str, float]]]:
    try:
        if data[:4] != b"PAR1":
            return pandas.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, encoding="utf-8-sig"), {}
        table = parquet.read_table(io.BytesIO(data))
        return table.to_pandas(), json.loads((table.schema.metadata or {}).get(THRESHOLDS, b"{}"))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UsageError(f"{name} is neither Parquet nor CSV in UTF-8: {error}") from error


def _described(table: pandas.DataFrame) -> pandas.DataFrame:
    """Who is on the images, as this package calls it."""

    def text(column: str, default: str) -> list[str]:
        if column not in table.columns:
            return [default] * len(table)
        return [default if value is None or value != value or str(value).strip() == "" else str(value).strip() for value in table[column]]

    sites = text("site", "all")
    return pandas.DataFrame(
        {
            "model": text("model", "model"),
            "site": sites,
            "split": text("split", "test"),
            # Numbers of two sites are two people, as everywhere here.
            "patient": [f"{site}#{patient}" for site, patient in zip(sites, text("patient", ""))],
            "sex": [sex_of(value) for value in text("sex", "")],
            "age": [age_of(value) for value in text("age", "")],
            "race": [race_of(value) for value in text("race", "")],
        }
    )


def _probability(values: np.ndarray, logits: bool) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -700, 700))) if logits else values
