"""How much of a gap is more than noise: what it would be if groups made no difference, and how far cells really differ.

The null: within each stratum (site and finding) the patients keep their errors and swap their groups. A gap of many small
cells is large under it, too; what it is above that is the excess.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

LEVEL = 0.95


@dataclass(frozen=True)
class Patients:
    """Patients with an image that could be an error: one row for each cell (of age) in which a patient has one."""

    cell: np.ndarray  # int [p]: position of the cell
    stratum: np.ndarray  # int [p]: site and finding
    errors: np.ndarray  # int [p]
    of: np.ndarray  # int [p]: images that could be an error

    @property
    def cells(self) -> int:
        return int(self.cell.max()) + 1 if len(self.cell) else 0


def count(cell: np.ndarray, stratum: np.ndarray, patients: np.ndarray, wrong: np.ndarray) -> Patients:
    """The patients of some images; in a cell, one with images in several strata counts in that of the first.

    Every image counts in its own cell, as it does in the gap. The images of a patient in two cells are two rows: swapped
    apart they may differ more than they do, so the null is, if anything, too wide.
    """
    people = np.unique(patients, return_inverse=True)[1]
    _, first, index = np.unique(np.stack([people, cell]), axis=1, return_index=True, return_inverse=True)
    return Patients(cell[first], stratum[first], np.bincount(index, wrong).astype(int), np.bincount(index))


def permuted(found: Patients, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Errors and images of each cell when the groups are swapped within the strata: int64 [draws, cells] each.

    Patients of one stratum with equal counts are alike, so that how many of them each cell gets is hypergeometric.
    """
    errors, of = (np.zeros((draws, found.cells), np.int64) for _ in range(2))
    for stratum in np.unique(found.stratum):
        inside = found.stratum == stratum
        room = np.tile(np.bincount(found.cell[inside], minlength=found.cells), (draws, 1))
        kinds, counts = np.unique(np.stack([found.errors[inside], found.of[inside]], 1), axis=0, return_counts=True)
        for (wrong, images), people in zip(kinds, counts):
            taken = _deal(room, int(people), rng)
            room -= taken
            errors += taken * wrong
            of += taken * images
    return errors, of


def _deal(room: np.ndarray, people: int, rng: np.random.Generator) -> np.ndarray:
    """How many of some alike patients fall into each cell, where all places are equally likely: int64 like room."""
    taken = np.zeros_like(room)
    left, places = np.full(len(room), people), room.sum(1)
    for cell in range(room.shape[1]):
        own = room[:, cell]
        if not own.any():
            continue
        places = places - own
        drawn = np.where(left > 0, rng.hypergeometric(own, places, left), 0)
        taken[:, cell] = drawn
        left = left - drawn
    return taken


@dataclass(frozen=True)
class Spread:
    """How far the true rates of the cells lie apart: of all cells that are known, whatever their size."""

    sd: float
    low: float
    high: float
    within: float  # variance of one image's error, as the patients of a cell differ
    shrunk: np.ndarray  # float [cells]: the rates, drawn towards their mean as far as they are noise; NaN for empty cells


def spread(found: Patients) -> Spread | None:
    """Random effects by the method of moments (one-way analysis of variance); None with fewer than two cells or no error.

    Errors are taken relative to the rate of their stratum, so that a group that is mostly seen at a hard site, or with a hard
    finding, is not for that reason another group. Images of one patient are not independent: the noise of a cell is that
    of its patients. The interval is that of the Q profile (Viechtbauer 2007).
    """
    rates = np.bincount(found.stratum, found.errors) / np.maximum(np.bincount(found.stratum, found.of), 1)
    above = found.errors - rates[found.stratum] * found.of
    of = np.bincount(found.cell, found.of, found.cells)
    present = np.flatnonzero(of > 0)
    people, total = len(found.cell), of.sum()
    k = len(present)
    if k < 2 or people <= k or not 0 < found.errors.sum() < total:
        return None
    mean = np.bincount(found.cell, above, found.cells)[present] / of[present]
    own = np.full(found.cells, np.nan)
    own[present] = mean
    within = ((above - own[found.cell] * found.of) ** 2).sum() / total * people / (people - k)
    sizes = of[present]
    between = (sizes * mean**2).sum() / (k - 1)
    typical = (total - (sizes**2).sum() / total) / (k - 1)
    variance = (between - within) / typical
    noise = np.maximum(within, 1e-12) / sizes
    low, high = (_profile(mean, noise, chi2.ppf(level, k - 1)) for level in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    overall = found.errors.sum() / total
    true = max(0.0, variance)
    weights = 1 / (noise + true)
    centre = (weights * mean).sum() / weights.sum()
    shrunk = np.full(found.cells, np.nan)
    shrunk[present] = np.clip(overall + centre + true / (true + noise) * (mean - centre), 0, 1)
    return Spread(float(np.sqrt(true)), float(np.sqrt(low)), float(np.sqrt(high)), float(within), shrunk)


def weighted_spread(above: np.ndarray, of: np.ndarray, within: float) -> np.ndarray:
    """The standard deviation in resamples, float [b]: errors above their strata's rates, and images, float [b, cells] each.

    A resample has the noise of the data and that of drawing, so that it is taken off twice.
    """
    present = of > 0
    total, k = of.sum(1), present.sum(1)
    mean = np.where(present, above / np.maximum(of, 1e-9), 0) - (above.sum(1) / np.maximum(total, 1e-9))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (of * mean**2).sum(1) / (k - 1)
        typical = (total - (of**2).sum(1) / total) / (k - 1)
        return np.where(k > 1, np.sqrt(np.maximum(0, (between - 2 * within) / typical)), np.nan)


def _profile(mean: np.ndarray, noise: np.ndarray, wanted: float) -> float:
    """The variance at which Cochran's Q is as wanted; 0 where it is less without any."""

    def q(variance: float) -> float:
        weights = 1 / (noise + variance)
        centre = (weights * mean).sum() / weights.sum()
        return float((weights * (mean - centre) ** 2).sum())

    low, high = 0.0, 1.0
    if q(low) <= wanted:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if q(middle) > wanted else (low, middle)
    return (low + high) / 2
