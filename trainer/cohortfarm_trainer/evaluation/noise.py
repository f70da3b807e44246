"""What metrics.json says beside a gap: how much of it is noise, how far the groups really lie apart, and which is worst off."""

from typing import Any

import numpy as np

from .excess import Spread, permuted, spread, weighted_spread
from .groups import Disparity, gap, smooth


def strata_of(labels: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """int [n]: site and rarest finding of each image. labels float [n, labels], no-finding first; origins str [n]."""
    shown = labels[:, 1:] == 1
    rank = np.argsort(np.argsort(shown.sum(0), kind="stable"))
    rarest = np.where(shown, rank, len(rank)).min(1, initial=len(rank))
    sites = np.unique(origins, return_inverse=True)[1]
    return sites * (len(rank) + 1) + rarest


class Noise:
    """A disparity against its null."""

    def __init__(self, one: Disparity, patients: np.ndarray, strata: np.ndarray, draws: int, seed: list[int]):
        self.one = one
        self.people = one.people(patients, strata)
        self.spread: Spread | None = spread(self.people)
        self.rates = self._rates(strata)
        self.null = self._null(draws, np.random.default_rng(seed)) if one.measurable else None

    def _rates(self, strata: np.ndarray) -> np.ndarray:
        """float [n]: the rate of error that each image's stratum has."""
        of = np.bincount(strata, self.one.errors.of)
        return (np.bincount(strata, self.one.errors.wrong) / np.maximum(of, 1))[strata]

    def _null(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Gaps when groups make no difference, float [draws]."""
        errors, of = permuted(self.people, draws, rng)
        counted = self.one.counted
        return gap(smooth(errors[:, counted], of[:, counted]))

    def sd(self, weights: np.ndarray) -> np.ndarray:
        """The standard deviation between cells in each resample, float [b]."""
        errors = self.one.errors
        above = self.one.sums(weights, (errors.wrong - self.rates) * errors.of)
        within = self.spread.within if self.spread else np.nan
        return weighted_spread(above, self.one.sums(weights, errors.of), within)

    def described(self) -> dict[str, Any]:
        one = self.one
        found: dict[str, Any] = {"countedCells": len(one.counted), "expectedGap": None, "excess": None, "pValue": None, "betweenSd": None, "worst": None}
        if self.null is not None:
            value = one.values()["gap"]
            expected = float(self.null.mean())
            at_least = int((self.null >= value - 1e-12).sum())
            found |= {"expectedGap": expected, "excess": value - expected, "pValue": (1 + at_least) / (1 + len(self.null))}
        if self.spread is not None:
            found["betweenSd"] = {"value": self.spread.sd, "low": self.spread.low, "high": self.spread.high}
            worst = int(np.nanargmax(self.spread.shrunk))
            found["worst"] = {name: one.cells[worst][name] for name in ("cell", "of", "ofPatients")} | {"rate": float(self.spread.shrunk[worst])}
        return found
