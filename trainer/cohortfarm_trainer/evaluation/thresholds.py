"""One threshold for each label, the same for all groups: the one with the best F1 on validation data."""

import numpy as np
from sklearn.metrics import precision_recall_curve


def best_thresholds(labels: np.ndarray, scores: np.ndarray) -> list[float]:
    """A threshold for each label; 0.5 where validation knows no positive or no negative.

    labels float32 [n, labels] with NaN for unknown, scores float64 [n, labels] in 0..1. What scores at least as much is
    taken for positive.
    """
    return [best_threshold(truth, column) for truth, column in zip(labels.T, scores.T)]


def best_threshold(truth: np.ndarray, scores: np.ndarray) -> float:
    known = np.isfinite(truth)
    if len(np.unique(truth[known])) < 2:
        return 0.5
    precision, recall, thresholds = precision_recall_curve(truth[known], scores[known])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1[:-1]))
    # Halfway to the next lower score, so that a rounding error does not flip the image that sits on it.
    lower = scores[known][scores[known] < thresholds[best]]
    return float((thresholds[best] + lower.max()) / 2) if len(lower) else float(thresholds[best])
