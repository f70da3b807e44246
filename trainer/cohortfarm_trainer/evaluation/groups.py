"""Rates of error by subgroup and intersection, and how far apart they are (Seyyed-Kalantari et al. 2021).

Underdiagnosis is P(no-finding predicted | a finding is present, subgroup): the false positive rate of no-finding. For one
finding it is its false negative rate.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas
from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate

from ..data.records import NO_FINDING, UNKNOWN, Records, age_bins
from .bootstrap import Statistic
from .scores import auroc, enough

LEAST = 20  # images that could be an error, for a cell to count in the gap
AXES = ("sex", "age", "race")
OUTSIDE = "outside"  # of all age bins


def axes_of(records: Records, bins: list[str]) -> pandas.DataFrame:
    """A column for each axis, a row for each image."""
    return pandas.DataFrame({"sex": records.sex, "age": age_bins(records.age, bins), "race": records.race})


def groupings(axes: pandas.DataFrame) -> tuple[list[tuple[str, ...]], list[str]]:
    """Every axis, pair and triple of axes, the finest last; and the axes that nothing is known of, which are left out."""
    blank = [axis for axis in AXES if (axes[axis] == UNKNOWN).all()]
    known = [axis for axis in AXES if axis not in blank]
    return [chosen for size in range(1, len(known) + 1) for chosen in combinations(known, size)], blank


@dataclass(frozen=True)
class Errors:
    """Of one label: which images could be an error, and which are one; bool [n] each."""

    label: str
    of: np.ndarray
    wrong: np.ndarray

    @property
    def rate(self) -> str:
        return "FalsePositiveRate" if self.label == NO_FINDING else "FalseNegativeRate"


def errors_of(label: str, truth: np.ndarray, predicted: np.ndarray) -> Errors:
    """truth float [n] of 0, 1 or NaN; predicted bool [n]."""
    if label == NO_FINDING:
        return Errors(label, truth == 0, (truth == 0) & predicted)
    return Errors(label, truth == 1, (truth == 1) & ~predicted)


@dataclass(frozen=True)
class Disparity:
    """The cells of one label and grouping, and what makes the gap of them in a resample."""

    grouping: tuple[str, ...]
    errors: Errors
    cells: list[dict[str, Any]]
    member: np.ndarray  # float32 [n, counted cells]

    def smoothed(self, weights: np.ndarray) -> np.ndarray:
        """float64 [b, counted cells]: (errors + 0.5) / (of + 1) in each resample."""
        wrong = weights @ (self.member * self.errors.wrong[:, None])
        of = weights @ (self.member * self.errors.of[:, None])
        return (wrong.astype(np.float64) + 0.5) / (of.astype(np.float64) + 1)

    @property
    def measurable(self) -> bool:
        return self.member.shape[1] >= 2

    def statistics(self) -> dict[str, Statistic]:
        """The gap and the robust gap."""
        return {"gap": lambda weights: gap(self.smoothed(weights)), "robust": lambda weights: robust_gap(self.smoothed(weights))}

    def values(self) -> dict[str, float]:
        rates = np.array([[cell["smoothed"] for cell in self.cells if cell["counted"]]])
        return {"gap": float(gap(rates)[0]), "robust": float(robust_gap(rates)[0])}


def gap(rates: np.ndarray) -> np.ndarray:
    """Largest minus smallest rate, float [b, cells] -> [b]."""
    return rates.max(1) - rates.min(1)


def robust_gap(rates: np.ndarray) -> np.ndarray:
    """90th minus 10th percentile of the rates (linear between cells)."""
    high, low = np.percentile(rates, [90, 10], axis=1)
    return high - low


def disparity(grouping: tuple[str, ...], errors: Errors, truth: np.ndarray, scores: np.ndarray, axes: pandas.DataFrame, patients: np.ndarray) -> Disparity:
    """The cells of a label by a grouping; truth float [n] of 0, 1 or NaN, scores float [n]."""
    known = np.isfinite(truth)
    features = axes.loc[known, list(grouping)]
    frame = _frame(errors, truth, known, features)
    keys = [tuple(row) for row in axes[list(grouping)].itertuples(index=False)]
    present = sorted(set(keys))
    cells, member = [], []
    for key in present:
        inside = np.array([other == key for other in keys]) & known
        if inside.any():
            cell = _cell(dict(zip(grouping, key)), inside, errors, truth, scores, patients, frame)
            cells.append(cell)
            if cell["counted"]:
                member.append(inside.astype(np.float32))
    return Disparity(grouping, errors, cells, np.stack(member, 1) if member else np.empty((len(truth), 0), np.float32))


def _frame(errors: Errors, truth: np.ndarray, known: np.ndarray, features: pandas.DataFrame) -> pandas.Series:
    """Fairlearn's rate in each cell."""
    predicted = np.where(errors.of, errors.wrong == (errors.label == NO_FINDING), truth == 1)
    metric = false_positive_rate if errors.label == NO_FINDING else false_negative_rate
    return MetricFrame(
        metrics=lambda y_true, y_pred: metric(y_true, y_pred, pos_label=1),
        y_true=truth[known].astype(int),
        y_pred=predicted[known].astype(int),
        sensitive_features=features,
    ).by_group


def _cell(names: dict[str, str], inside: np.ndarray, errors: Errors, truth: np.ndarray, scores: np.ndarray, patients: np.ndarray, frame: pandas.Series) -> dict[str, Any]:
    of, wrong = int((errors.of & inside).sum()), int((errors.wrong & inside).sum())
    key = tuple(names.values())
    positives = int((truth[inside] == 1).sum())
    return {
        "cell": names,
        "images": int(inside.sum()),
        "patients": len(np.unique(patients[inside])),
        "positives": positives,
        "negatives": int(inside.sum()) - positives,
        "errors": wrong,
        "of": of,
        "rate": float(frame[key if len(key) > 1 else key[0]]) if of else None,
        "smoothed": (wrong + 0.5) / (of + 1),
        "auroc": auroc(truth[inside], scores[inside]) if enough(truth[inside]) else None,
        "counted": of >= LEAST and not {UNKNOWN, OUTSIDE} & set(names.values()),
    }
