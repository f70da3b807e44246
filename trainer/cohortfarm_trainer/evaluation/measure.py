"""All that is measured of one model on one site, as metrics.json has it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.records import NO_FINDING, Records
from .bootstrap import Statistic, bootstrap, estimate
from .groups import Disparity, axes_of, disparity, errors_of, groupings
from .scores import (
    accuracy,
    auroc,
    calibration_error,
    enough,
    weighted_accuracy,
    weighted_auroc,
    weighted_calibration_error,
    weighted_rate,
)

POOLED = "pooled"


@dataclass(frozen=True)
class Site:
    """Images of a site with what a model says of them: scores float64 [n, labels] in 0..1."""

    name: str
    records: Records
    scores: np.ndarray


@dataclass(frozen=True)
class Rules:
    """How all sites are measured."""

    labels: list[str]
    thresholds: list[float]
    bins: list[str]
    bootstraps: int
    seed: int


def pooled(sites: list[Site]) -> Site:
    """All sites together."""
    from ..data.records import concat

    return Site(POOLED, concat([site.records for site in sites]), np.concatenate([site.scores for site in sites]))


class Measurement:
    """One model on one site: what is measured once, and what in every resample."""

    def __init__(self, site: Site, rules: Rules, finest_only: bool = False):
        self.site, self.rules = site, rules
        self.left_out: list[dict[str, Any]] = []
        self.statistics: dict[str, Statistic] = {}
        self.values: dict[str, float] = {}
        for column, label in enumerate(rules.labels):
            self._add_label(column, label)
        self._add_macro()
        self.disparities = self._disparities(finest_only)
        self.replicates = bootstrap(site.records.patients, self.statistics, rules.bootstraps, rules.seed)

    def truth(self, column: int) -> np.ndarray:
        return self.site.records.labels[:, column]

    def predicted(self, column: int) -> np.ndarray:
        return self.site.scores[:, column] >= self.rules.thresholds[column]

    def _add(self, name: str, value: float, statistic: Statistic) -> None:
        self.values[name], self.statistics[name] = value, statistic

    def _add_label(self, column: int, label: str) -> None:
        truth, scores, predicted = self.truth(column), self.site.scores[:, column], self.predicted(column)
        known = np.isfinite(truth)
        if not known.any():
            self._leave_out("label", "the site does not say", label)
            return
        t, s, right = truth[known], scores[known], (predicted == (truth == 1))[known]
        if enough(t):
            self._add(f"auroc/{label}", auroc(t, s), lambda w: weighted_auroc(w[:, known], t, s))
        else:
            self._leave_out("auroc", "fewer than 10 positives or 10 negatives", label)
        self._add(f"accuracy/{label}", accuracy(t == 1, predicted[known]), lambda w: weighted_accuracy(w[:, known], right))
        error = calibration_error(t, s)
        self._add(f"calibration/{label}", error, lambda w: weighted_calibration_error(w[:, known], t, s))

    def _add_macro(self) -> None:
        """Means over the findings; accuracy and calibration over no-finding, too."""
        for kind in ("auroc", "accuracy", "calibration"):
            names = [f"{kind}/{label}" for label in self.rules.labels if kind != "auroc" or label != NO_FINDING]
            chosen = [name for name in names if name in self.values]
            if chosen:
                parts = [self.statistics[name] for name in chosen]
                value = float(np.mean([self.values[name] for name in chosen]))
                self._add(f"macro/{kind}", value, lambda w, parts=parts: np.mean([part(w) for part in parts], 0))

    def _disparities(self, finest_only: bool) -> list[Disparity]:
        records, rules = self.site.records, self.rules
        axes = axes_of(records, rules.bins)
        chosen, blank = groupings(axes)
        for axis in blank:
            self._leave_out("axis", "unknown for all images", cell={"axis": axis})
        found = []
        for column, label in enumerate(rules.labels):
            truth = self.truth(column)
            if not np.isfinite(truth).any() or (finest_only and label != NO_FINDING):
                continue
            errors = errors_of(label, truth, self.predicted(column))
            if label == NO_FINDING and errors.of.any():
                value = errors.wrong.sum() / errors.of.sum()
                self._add("underdiagnosis", float(value), lambda w, e=errors: weighted_rate(w, e.wrong, e.of))
            for grouping in chosen[-1:] if finest_only else chosen:
                one = disparity(grouping, errors, truth, self.site.scores[:, column], axes, records.patients)
                found.append(one)
                self._list_cells(one)
                if one.measurable:
                    for kind, statistic in one.statistics().items():
                        self._add(gap_name(kind, label, grouping), one.values()[kind], statistic)
                else:
                    self._leave_out("gap", "fewer than two cells count", label, {"grouping": ",".join(grouping)})
        return found

    def _list_cells(self, one: Disparity) -> None:
        label = one.errors.label
        for cell in one.cells:
            if not cell["counted"]:
                self._leave_out("gap", "unknown" if cell["of"] >= 20 else "fewer than 20 images that could be an error", label, cell["cell"])
            if cell["auroc"] is None:
                self._leave_out("auroc", "fewer than 10 positives or 10 negatives", label, cell["cell"])

    def _leave_out(self, what: str, reason: str, label: str | None = None, cell: dict[str, str] | None = None) -> None:
        entry: dict[str, Any] = {"what": what, "reason": reason}
        self.left_out.append(entry | ({"label": label} if label else {}) | ({"cell": cell} if cell else {}))

    def estimate(self, name: str) -> dict[str, float | None] | None:
        """A value with its interval; None where it is not measured."""
        return estimate(self.values[name], self.replicates[name]) if name in self.values else None

    def finest_gap(self, kind: str = "gap") -> str | None:
        """The name of the gap of underdiagnosis over the finest grouping that has one."""
        of_none = [one for one in self.disparities if one.errors.label == NO_FINDING and one.measurable]
        return gap_name(kind, NO_FINDING, of_none[-1].grouping) if of_none else None


def gap_name(kind: str, label: str, grouping: tuple[str, ...]) -> str:
    return f"{kind}/{label}/{','.join(grouping)}"


def evaluation_of(measured: Measurement, model: str) -> dict[str, Any]:
    """The entry of `evaluations` in metrics.json."""
    site, rules = measured.site, measured.rules
    return {
        "model": model,
        "site": site.name,
        "images": len(site.records),
        "patients": site.records.patient_count(),
        "labels": [_label(measured, column, label) for column, label in enumerate(rules.labels) if f"accuracy/{label}" in measured.values],
        "macro": {
            "auroc": measured.estimate("macro/auroc"),
            "accuracy": measured.estimate("macro/accuracy"),
            "calibrationError": measured.estimate("macro/calibration"),
        },
        "underdiagnosis": measured.estimate("underdiagnosis"),
        "disparities": [_disparity(measured, one) for one in measured.disparities],
        "leftOut": measured.left_out,
    }


def _label(measured: Measurement, column: int, label: str) -> dict[str, Any]:
    truth = measured.truth(column)
    return {
        "label": label,
        "positives": int((truth == 1).sum()),
        "negatives": int((truth == 0).sum()),
        "threshold": measured.rules.thresholds[column],
        "auroc": measured.estimate(f"auroc/{label}"),
        "accuracy": measured.estimate(f"accuracy/{label}"),
        "calibrationError": measured.estimate(f"calibration/{label}"),
    }


def _disparity(measured: Measurement, one: Disparity) -> dict[str, Any]:
    label = one.errors.label
    return {
        "label": label,
        "rate": one.errors.rate,
        "grouping": list(one.grouping),
        "cells": one.cells,
        "gap": measured.estimate(gap_name("gap", label, one.grouping)),
        "robustGap": measured.estimate(gap_name("robust", label, one.grouping)),
    }
