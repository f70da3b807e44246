"""All that is measured of one model on one site, as metrics.json has it."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from ..data.records import NO_FINDING, Records
from .bootstrap import Statistic, bootstrap, estimate
from .groups import FALSE_NEGATIVES, FALSE_POSITIVES, LEAST, LEAST_PATIENTS, MATCHED, VALIDATION, Disparity, Errors, axes_of, disparity, errors_of, groupings
from .noise import Noise, strata_of
from .scores import (
    accuracy,
    auroc,
    average_precision,
    brier,
    calibration_error,
    enough,
    weighted_accuracy,
    weighted_auroc,
    weighted_average_precision,
    weighted_calibration_error,
    weighted_mean,
    weighted_rate,
)

POOLED = "pooled"
SENSITIVITY = 0.8  # of all that are ill, at the matched threshold: not called no-finding
DISPARITIES = {FALSE_POSITIVES: "underdiagnosis", FALSE_NEGATIVES: "overdiagnosis"}  # of no-finding


@dataclass(frozen=True)
class Site:
    """Images of a site with what a model says of them: scores float64 [n, labels] in 0..1."""

    name: str
    records: Records
    scores: np.ndarray
    origins: np.ndarray | None = None  # str [n], where these are the images of several sites

    @property
    def sites(self) -> np.ndarray:
        return np.full(len(self.records), self.name) if self.origins is None else self.origins


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

    records = concat([site.records for site in sites])
    return Site(POOLED, records, np.concatenate([site.scores for site in sites]), np.concatenate([site.sites for site in sites]))


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
        # Sites are drawn from independently, arms of one site alike.
        self.seed = [rules.seed, crc32(site.name.encode())]
        self.strata = strata_of(site.records.labels, site.sites)
        self.noise: list[Noise] = []
        self.disparities = self._disparities(finest_only)
        self.replicates = bootstrap(site.records.patients, self.statistics, rules.bootstraps, self.seed)

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
            self._add(f"auprc/{label}", average_precision(t, s), lambda w: weighted_average_precision(w[:, known], t, s))
        else:
            self._leave_out("auroc", "fewer than 10 positives or 10 negatives", label)
        self._add(f"accuracy/{label}", accuracy(t == 1, predicted[known]), lambda w: weighted_accuracy(w[:, known], right))
        for name, kind in (("sensitivity", 1), ("specificity", 0)):
            of = t == kind
            if of.any():
                self._add(f"{name}/{label}", float(right[of].mean()), _rate_of(known, right, of))
        self._add(f"brier/{label}", brier(t, s), lambda w: weighted_mean(w[:, known], (s - t) ** 2))
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
                self._add(f"macro/{kind}", value, _mean_of(parts))

    def _disparities(self, finest_only: bool) -> list[Disparity]:
        """Of all labels, kinds of error and groupings; `finest_only` leaves those of no-finding by each axis and the finest."""
        records, rules = self.site.records, self.rules
        axes = axes_of(records, rules.bins)
        chosen, blank = groupings(axes)
        for axis in blank:
            self._leave_out("axis", "unknown for all images", cell={"axis": axis})
        if finest_only:
            chosen = [grouping for grouping in chosen if len(grouping) == 1 or grouping == chosen[-1]]
        found = []
        for column, label in enumerate(rules.labels):
            truth, scores = self.truth(column), self.site.scores[:, column]
            if not np.isfinite(truth).any() or (finest_only and label != NO_FINDING):
                continue
            for errors in self._errors(label, column):
                for grouping in chosen:
                    one = disparity(grouping, errors, truth, scores, axes, records.patients)
                    found.append(one)
                    self._add_disparity(one)
        return found

    def _errors(self, label: str, column: int) -> list[Errors]:
        """Both kinds of error at the threshold of validation, and underdiagnosis at that of a matched sensitivity."""
        truth, scores = self.truth(column), self.site.scores[:, column]
        kinds = [errors_of(label, rate, truth, self.predicted(column)) for rate in (FALSE_POSITIVES, FALSE_NEGATIVES)]
        if label != NO_FINDING:
            return kinds[::-1]
        for errors in kinds:
            if errors.of.any():
                value = float(errors.wrong.sum() / errors.of.sum())
                self._add(DISPARITIES[errors.rate], value, _rate_of(slice(None), errors.wrong, errors.of))
        if kinds[0].of.any():
            threshold = np.quantile(scores[kinds[0].of], SENSITIVITY, method="higher")
            kinds.append(errors_of(label, FALSE_POSITIVES, truth, scores > threshold, MATCHED))
        return kinds

    def _add_disparity(self, one: Disparity) -> None:
        label, noise = one.errors.label, Noise(one, self.site.records.patients, self.strata, self.rules.bootstraps, self.seed)
        self.noise.append(noise)
        listed = one.errors.point == VALIDATION and one.errors.rate == (FALSE_POSITIVES if label == NO_FINDING else FALSE_NEGATIVES)
        if listed:
            self._list_cells(one)
        if one.measurable:
            for kind, statistic in one.statistics().items():
                self._add(gap_name(kind, one), one.values()[kind], statistic)
            if label == NO_FINDING and noise.spread is not None:
                self._add(gap_name("sd", one), noise.spread.sd, noise.sd)
        elif listed:
            self._leave_out("gap", "fewer than two cells count", label, {"grouping": ",".join(one.grouping)})

    def _list_cells(self, one: Disparity) -> None:
        label = one.errors.label
        for cell in one.cells:
            if not cell["counted"]:
                self._leave_out("gap", reason_of(cell), label, cell["cell"])
            if cell["auroc"] is None:
                self._leave_out("auroc", "fewer than 10 positives or 10 negatives", label, cell["cell"])

    def _leave_out(self, what: str, reason: str, label: str | None = None, cell: dict[str, str] | None = None) -> None:
        entry: dict[str, Any] = {"what": what, "reason": reason}
        self.left_out.append(entry | ({"label": label} if label else {}) | ({"cell": cell} if cell else {}))

    def estimate(self, name: str) -> dict[str, float | None] | None:
        """A value with its interval; None where it is not measured."""
        return estimate(self.values[name], self.replicates[name]) if name in self.values else None

    def finest(self, kind: str = "gap", rate: str = FALSE_POSITIVES, point: str = VALIDATION) -> str | None:
        """The name of a measure of no-finding over the finest grouping that has a gap."""
        chosen = [one for one in self.disparities if (one.errors.label, one.errors.rate, one.errors.point) == (NO_FINDING, rate, point) and one.measurable]
        name = gap_name(kind, chosen[-1]) if chosen else None
        return name if name in self.values else None


def _rate_of(chosen: np.ndarray | slice, hit: np.ndarray, of: np.ndarray) -> Statistic:
    """The rate of `hit` within `of` among the chosen images."""
    return lambda weights: weighted_rate(weights[:, chosen], hit, of)


def _mean_of(parts: list[Statistic]) -> Statistic:
    return lambda weights: np.mean([part(weights) for part in parts], 0)


def gap_name(kind: str, one: Disparity) -> str:
    return f"{kind}/{one.errors.point}/{one.errors.rate}/{one.errors.label}/{','.join(one.grouping)}"


def reason_of(cell: dict[str, Any]) -> str:
    """Why a gap does not count a cell."""
    if cell["of"] < LEAST:
        return f"fewer than {LEAST} images that could be an error"
    return f"fewer than {LEAST_PATIENTS} patients with such images" if cell["ofPatients"] < LEAST_PATIENTS else "unknown"
