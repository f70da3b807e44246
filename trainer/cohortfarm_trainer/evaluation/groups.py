"""Rates of error by subgroup and intersection, and how far apart they are (Seyyed-Kalantari et al. 2021).

Underdiagnosis is P(no-finding predicted | a finding is present, subgroup), the false positive rate of no-finding, and
overdiagnosis the other side: its false negative rate. For one finding the two change places.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas
from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate

from ..data.records import UNKNOWN, Records, age_bins
from .bootstrap import Statistic
from .excess import Patients, count
from .scores import auroc, brier, calibration_error, enough

LEAST = 20  # images that could be an error, for a cell to count in the gap
LEAST_PATIENTS = 10  # whose images these are
FALSE_POSITIVES, FALSE_NEGATIVES = "FalsePositiveRate", "FalseNegativeRate"
VALIDATION, MATCHED = "Validation", "MatchedSensitivity"
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
    """Of one label and kind of error: which images could be one, and which are; bool [n] each."""

    label: str
    rate: str  # FALSE_POSITIVES or FALSE_NEGATIVES
    of: np.ndarray
    wrong: np.ndarray
    point: str = VALIDATION  # where the threshold comes from


def errors_of(label: str, rate: str, truth: np.ndarray, predicted: np.ndarray, point: str = VALIDATION) -> Errors:
    """truth float [n] of 0, 1 or NaN; predicted bool [n]."""
    of = truth == (0 if rate == FALSE_POSITIVES else 1)
    return Errors(label, rate, of, of & (predicted == (rate == FALSE_POSITIVES)), point)


@dataclass(frozen=True)
class Disparity:
    """The cells of one kind of error and grouping, and what makes the gap of them in a resample."""

    grouping: tuple[str, ...]
    errors: Errors
    cells: list[dict[str, Any]]
    place: np.ndarray  # int [n]: the cell of each image; -1 for images of unknown label or group

    @cached_property
    def counted(self) -> np.ndarray:
        """Positions of the cells that the gap counts."""
        return np.flatnonzero([cell["counted"] for cell in self.cells])

    def sums(self, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        """float64 [b, cells]: the sums of values float [n] over the images of each cell in each resample."""
        member = (self.place[:, None] == np.arange(len(self.cells))).astype(np.float32)
        return (weights @ (member * values[:, None].astype(np.float32))).astype(np.float64)

    def smoothed(self, weights: np.ndarray) -> np.ndarray:
        """float64 [b, counted cells]: (errors + 0.5) / (of + 1) in each resample."""
        wrong, of = (self.sums(weights, values)[:, self.counted] for values in (self.errors.wrong, self.errors.of))
        return smooth(wrong, of)

    @property
    def measurable(self) -> bool:
        return len(self.counted) >= 2

    def statistics(self) -> dict[str, Statistic]:
        """The gap and the robust gap."""
        rates = Shared(self.smoothed)
        return {"gap": lambda weights: gap(rates(weights)), "robust": lambda weights: robust_gap(rates(weights))}

    def values(self) -> dict[str, float]:
        rates = np.array([[cell["smoothed"] for cell in self.cells if cell["counted"]]])
        return {"gap": float(gap(rates)[0]), "robust": float(robust_gap(rates)[0])}

    def people(self, patients: np.ndarray, strata: np.ndarray) -> Patients:
        """Those with an image that could be an error, in cells of known groups."""
        chosen = self.errors.of & (self.place >= 0)
        return count(self.place[chosen], strata[chosen], patients[chosen], self.errors.wrong[chosen])


class Shared:
    """A function of resamples that several statistics take: computed once for each block of them."""

    def __init__(self, make: Statistic):
        self.make = make
        self.weights: np.ndarray | None = None
        self.value: np.ndarray | None = None

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        if self.weights is not weights or self.value is None:
            self.weights, self.value = weights, self.make(weights)
        return self.value


def smooth(wrong: np.ndarray, of: np.ndarray) -> np.ndarray:
    return (wrong + 0.5) / (of + 1)


def gap(rates: np.ndarray) -> np.ndarray:
    """Largest minus smallest rate, float [b, cells] -> [b]."""
    return rates.max(1) - rates.min(1)


def robust_gap(rates: np.ndarray) -> np.ndarray:
    """90th minus 10th percentile of the rates (linear between cells)."""
    high, low = np.percentile(rates, [90, 10], axis=1)
    return high - low


def disparity(grouping: tuple[str, ...], errors: Errors, truth: np.ndarray, scores: np.ndarray, axes: pandas.DataFrame, patients: np.ndarray) -> Disparity:
    """The cells of a kind of error by a grouping; truth float [n] of 0, 1 or NaN, scores float [n]."""
    known = np.isfinite(truth)
    frame = _frame(errors, truth, known, axes.loc[known, list(grouping)])
    keys, place = np.unique(np.stack([axes[axis].to_numpy(str) for axis in grouping], 1), axis=0, return_inverse=True)
    cells: list[dict[str, Any]] = []
    order = np.full(len(keys), -1)
    for i, key in enumerate(keys.tolist()):
        inside = (place == i) & known
        if inside.any():
            cell = _cell(dict(zip(grouping, key)), inside, errors, truth, scores, patients, frame)
            if not {UNKNOWN, OUTSIDE} & set(key):
                order[i] = len(cells)
            cells.append(cell)
    return Disparity(grouping, errors, cells, np.where(known, order[place], -1))


def _frame(errors: Errors, truth: np.ndarray, known: np.ndarray, features: pandas.DataFrame) -> pandas.Series:
    """Fairlearn's rate in each cell."""
    predicted = np.where(errors.of, errors.wrong == (errors.rate == FALSE_POSITIVES), truth == 1)
    metric = false_positive_rate if errors.rate == FALSE_POSITIVES else false_negative_rate
    return MetricFrame(
        metrics=lambda y_true, y_pred: metric(y_true, y_pred, pos_label=1),
        y_true=truth[known].astype(int),
        y_pred=predicted[known].astype(int),
        sensitive_features=features,
    ).by_group


def _cell(names: dict[str, str], inside: np.ndarray, errors: Errors, truth: np.ndarray, scores: np.ndarray, patients: np.ndarray, frame: pandas.Series) -> dict[str, Any]:
    could = errors.of & inside
    of, wrong = int(could.sum()), int((errors.wrong & inside).sum())
    key = tuple(names.values())
    positives, people = int((truth[inside] == 1).sum()), len(np.unique(patients[could]))
    t, s = truth[inside], scores[inside]
    return {
        "cell": names,
        "images": int(inside.sum()),
        "patients": len(np.unique(patients[inside])),
        "positives": positives,
        "negatives": int(inside.sum()) - positives,
        "errors": wrong,
        "of": of,
        "ofPatients": people,
        "rate": float(frame[key if len(key) > 1 else key[0]]) if of else None,
        "smoothed": (wrong + 0.5) / (of + 1),
        "auroc": auroc(t, s) if enough(t) else None,
        "brier": brier(t, s) if enough(t) else None,
        "calibrationError": calibration_error(t, s) if enough(t) else None,
        "counted": of >= LEAST and people >= LEAST_PATIENTS and not {UNKNOWN, OUTSIDE} & set(names.values()),
    }


def equalised_odds(pair: tuple[Disparity, Disparity]) -> float | None:
    """The larger of the differences between groups of the true and of the false positive rate, over cells that count for both."""
    counted = [{tuple(cell["cell"].values()): cell["rate"] for cell in one.cells if cell["counted"]} for one in pair]
    both = [key for key in counted[0] if key in counted[1]]
    if len(both) < 2:
        return None
    return max(max(rates[key] for key in both) - min(rates[key] for key in both) for rates in counted)
