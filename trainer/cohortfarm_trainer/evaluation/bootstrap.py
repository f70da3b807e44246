"""Resampling patients: whole patients are drawn, so that their images stay together."""

from collections.abc import Callable, Iterator

import numpy as np

BYTES = 64 << 20  # of one block of weights
LEAST = 0.5  # share of resamples that must have a value for an interval

# float [b, n] weights of n images in b resamples -> float [b]; NaN where a resample has no value.
Statistic = Callable[[np.ndarray], np.ndarray]


def resamples(patients: np.ndarray, count: int, seed: int | list[int]) -> Iterator[np.ndarray]:
    """How often each image is drawn, in blocks of float32 [b, n]; together `count` rows."""
    names, index = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    rows = max(1, min(count, BYTES // (4 * len(patients))))
    for start in range(0, count, rows):
        block = min(rows, count - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=block)
        yield drawn[:, index].astype(np.float32)


def bootstrap(patients: np.ndarray, statistics: dict[str, Statistic], count: int, seed: int | list[int]) -> dict[str, np.ndarray]:
    """Each statistic in every resample, float64 [count]."""
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    for weights in resamples(patients, count, seed):
        for name, statistic in statistics.items():
            blocks[name].append(np.asarray(statistic(weights), np.float64))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def estimate(value: float, replicates: np.ndarray) -> dict[str, float | None]:
    """A value with its 95 % percentile interval."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < LEAST * len(replicates):
        return {"value": float(value), "low": None, "high": None}
    low, high = np.percentile(finite, [2.5, 97.5])
    return {"value": float(value), "low": float(low), "high": float(high)}
