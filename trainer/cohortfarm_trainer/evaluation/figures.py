"""Points of the figures of one label: ROC, precision over recall, and reliability."""

from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from .scores import bins_of, enough

POINTS = 101  # of a curve at most: a page shows no more


def curves_of(truth: np.ndarray, scores: np.ndarray) -> dict[str, Any] | None:
    """From truth float [n] of 0, 1 or NaN and scores float [n] in 0..1; None where an AUROC would mean nothing."""
    known = np.isfinite(truth)
    t, s = truth[known], scores[known]
    if not enough(t):
        return None
    false, true, _ = roc_curve(t, s)
    precision, recall, _ = precision_recall_curve(t, s)
    return {
        "roc": thinned(false, true),
        "precisionRecall": thinned(recall[::-1], precision[::-1]),
        "reliability": reliability(t, s),
    }


def thinned(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """At most POINTS points of a curve, evenly spread along it, the ends among them."""
    along = np.r_[0, np.cumsum(np.hypot(np.diff(x), np.diff(y)))]
    places = np.searchsorted(along, np.linspace(0, along[-1], POINTS)) if len(x) > POINTS else np.arange(len(x))
    return [[round(float(x[i]), 4), round(float(y[i]), 4)] for i in np.unique(np.minimum(places, len(x) - 1))]


def reliability(truth: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Bins of the calibration error that have images: mean probability, share of positives, images."""
    place = bins_of(scores)
    return [
        {"probability": float(scores[place == bin_].mean()), "positives": float(truth[place == bin_].mean()), "images": int((place == bin_).sum())}
        for bin_ in np.unique(place)
    ]
