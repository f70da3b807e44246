"""One arm minus another, with what seeds and patients leave open, and p-values that hold for a whole family of them."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from .bootstrap import LEAST

LEVEL = 0.95


@dataclass(frozen=True)
class Contrast:
    """The difference of two means over seeds."""

    value: float
    low: float
    high: float
    p: float


def contrast(values: np.ndarray, replicates: np.ndarray, seed: list[int]) -> Contrast | None:
    """From differences of two arms by seed, float [seeds], and the same in each resample of the patients, float [seeds, b].

    Two levels: each of the b resamples of the patients draws seeds, too. A mean over few seeds that are drawn from
    themselves varies too little, by (seeds - 1) / seeds, which is taken back. The interval is that of Student's t with the
    degrees of freedom of the two parts together (Satterthwaite 1946): few seeds are known to be few. With one seed it is
    that of the patients alone. None where too few resamples have a value, or none differs from another: then nothing is
    known of the error.
    """
    value, seeds = float(values.mean()), len(values)
    chosen = np.isfinite(replicates).all(0)
    if chosen.mean() < LEAST:
        return None
    replicates = replicates[:, chosen]
    mean = replicates.mean(0)
    if seeds > 1:
        rng = np.random.default_rng(seed)
        drawn = rng.integers(seeds, size=(replicates.shape[1], seeds))
        resampled = replicates[drawn.T, np.arange(replicates.shape[1])].mean(0)
        both = mean + np.sqrt(seeds / (seeds - 1)) * (resampled - mean)
        spread = float(both.var(ddof=1))
        of_seeds = float(values.var(ddof=1) / seeds)
        freedom = (seeds - 1) * (max(spread, of_seeds) / of_seeds) ** 2 if of_seeds > 0 else np.inf
    else:
        spread, freedom = float(mean.var(ddof=1)), np.inf
    error = np.sqrt(spread)
    if error == 0:
        return Contrast(0.0, 0.0, 0.0, 1.0) if value == 0 else None
    half = float(student.ppf((1 + LEVEL) / 2, freedom)) * error
    return Contrast(value, value - half, value + half, float(2 * student.sf(abs(value) / error, freedom)))


def holm(p: list[float]) -> list[float]:
    """Adjusted p-values of a family (Holm 1979), in the order given."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(np.argsort(p, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted
