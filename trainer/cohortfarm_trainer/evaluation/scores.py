"""AUROC, accuracy and calibration of one label: by scikit-learn on the images, and over many resamples at once."""

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, roc_auc_score

BINS = 15  # of the calibration error
LEAST = 10  # positives, and negatives, for an AUROC


def enough(truth: np.ndarray) -> bool:
    """Whether an AUROC means something: truth is 0 or 1."""
    positives = int((truth == 1).sum())
    return positives >= LEAST and len(truth) - positives >= LEAST


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    return float(roc_auc_score(truth, scores))


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(accuracy_score(truth, predicted))


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """The area under the precision-recall curve, in steps."""
    return float(average_precision_score(truth, scores))


def brier(truth: np.ndarray, scores: np.ndarray) -> float:
    return float(brier_score_loss(truth, scores))


def bins_of(scores: np.ndarray) -> np.ndarray:
    """int [n]: the bin of the calibration error of each score in 0..1."""
    return np.minimum((scores * BINS).astype(int), BINS - 1)


def calibration_error(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean distance of predicted from observed frequency over 15 bins of equal width, weighed by their images."""
    return float(weighted_calibration_error(np.ones((1, len(truth)), np.float32), truth, scores)[0])


def weighted_auroc(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """float64 [b]: roc_auc_score(truth, scores, sample_weight=row) of each row of float32 [b, n]; NaN without both kinds.

    The share of pairs of a positive and a negative in which the positive scores higher; a tie counts half.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sorted_weights = weights[:, order].astype(np.float64)
    shown = truth[order] == 1
    positive = np.add.reduceat(sorted_weights * shown, starts, axis=1)
    negative = np.add.reduceat(sorted_weights * ~shown, starts, axis=1)
    below = np.cumsum(negative, axis=1) - 0.5 * negative
    pairs = positive.sum(1) * negative.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, (positive * below).sum(1) / pairs, np.nan)


def weighted_average_precision(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """float64 [b]: average_precision_score of each row of float32 [b, n]; NaN without a positive."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sorted_weights = weights[:, order].astype(np.float64)
    positive = np.add.reduceat(sorted_weights * (truth[order] == 1), starts, axis=1)
    hits, called = np.cumsum(positive, axis=1), np.cumsum(np.add.reduceat(sorted_weights, starts, axis=1), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(called > 0, hits / called, 0)
        return np.where(hits[:, -1] > 0, (precision * positive).sum(1) / hits[:, -1], np.nan)


def weighted_mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """float64 [b] of values float [n]."""
    return (weights @ values.astype(np.float32)).astype(np.float64) / weights.sum(1)


def weighted_accuracy(weights: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float64 [b]; right is bool [n]."""
    return weighted_rate(weights, right, np.ones(len(right), bool))


def weighted_rate(weights: np.ndarray, hit: np.ndarray, of: np.ndarray) -> np.ndarray:
    """float64 [b]: weight of `hit` within that of `of`, bool [n] each; NaN where that is 0."""
    total = weights @ of.astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (weights @ (hit & of).astype(np.float32)) / total, np.nan)


def weighted_calibration_error(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """float64 [b]; see calibration_error."""
    place = bins_of(scores)
    member = np.eye(BINS, dtype=np.float32)[place]
    distance = (weights @ (member * (scores - truth)[:, None].astype(np.float32))).astype(np.float64)
    return np.abs(distance).sum(1) / weights.sum(1)
