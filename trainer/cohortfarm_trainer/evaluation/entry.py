"""The entry of `evaluations` in metrics.json."""

from typing import Any

from .figures import curves_of
from .groups import VALIDATION, Disparity, equalised_odds
from .measure import Measurement, gap_name
from .noise import Noise


def evaluation_of(measured: Measurement, model: str) -> dict[str, Any]:
    """What is measured of a model on a site."""
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
        "overdiagnosis": measured.estimate("overdiagnosis"),
        "disparities": [_disparity(measured, one, noise) for one, noise in zip(measured.disparities, measured.noise)],
        "equalisedOdds": _equalised_odds(measured.disparities),
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
        "auprc": measured.estimate(f"auprc/{label}"),
        "sensitivity": measured.estimate(f"sensitivity/{label}"),
        "specificity": measured.estimate(f"specificity/{label}"),
        "brier": measured.estimate(f"brier/{label}"),
        "accuracy": measured.estimate(f"accuracy/{label}"),
        "calibrationError": measured.estimate(f"calibration/{label}"),
        "curves": curves_of(truth, measured.site.scores[:, column]),
    }


def _disparity(measured: Measurement, one: Disparity, noise: Noise) -> dict[str, Any]:
    return {
        "label": one.errors.label,
        "rate": one.errors.rate,
        "operatingPoint": one.errors.point,
        "grouping": list(one.grouping),
        "cells": one.cells,
        "gap": measured.estimate(gap_name("gap", one)),
        "robustGap": measured.estimate(gap_name("robust", one)),
        **noise.described(),
    }


def _equalised_odds(disparities: list[Disparity]) -> list[dict[str, Any]]:
    """For each label and grouping, where both kinds of error are there."""
    pairs: dict[tuple[str, tuple[str, ...]], list[Disparity]] = {}
    for one in disparities:
        if one.errors.point == VALIDATION:
            pairs.setdefault((one.errors.label, one.grouping), []).append(one)
    return [
        {"label": label, "grouping": list(grouping), "difference": equalised_odds((pair[0], pair[1]))}
        for (label, grouping), pair in pairs.items()
    ]
