"""The `comparison` of metrics.json: every arm on every site, and the contrasts that were declared before."""

from typing import Any, NamedTuple

import numpy as np

from .bootstrap import estimate
from .contrast import contrast, holm
from .groups import FALSE_POSITIVES, MATCHED, VALIDATION
from .measure import POOLED, Measurement

MACRO = "macro"  # the mean over the sites
REWEIGHTED, GROUP_DRO = "RealOnlyReweighted", "RealOnlyGroupDRO"
REAL_ONLY, EQUAL_COMPUTE = "RealOnly", "RealOnlyEqualCompute"
MIXED, MIXED_FINETUNE, SYNTHETIC_ONLY, PRETRAIN_FINETUNE = "Mixed", "MixedFinetune", "SyntheticOnly", "PretrainFinetune"
REPLAY, BALANCED = "PretrainFinetuneReplay", "PretrainFinetuneBalanced"
# Names in the measurement, and in metrics.json.
MEASURED = {
    "auroc": "macro/auroc",
    "accuracy": "macro/accuracy",
    "calibrationError": "macro/calibration",
    "underdiagnosis": "underdiagnosis",
    "overdiagnosis": "overdiagnosis",
}
# The same of the finest grouping, at an operating point.
FINEST = {
    "gap": ("gap", VALIDATION),
    "robustGap": ("robust", VALIDATION),
    "betweenSd": ("sd", VALIDATION),
    "matchedBetweenSd": ("sd", MATCHED),
}
NAMES = (*MEASURED, *FINEST)
# Metrics of the contrasts. A gap is not an end point: it grows with the overall miss rate, whichever group is missed.
ENDPOINTS = ("auroc", "underdiagnosis", "betweenSd", "matchedBetweenSd")
HEADLINE = 16  # numbers of a headline, at most


class Key(NamedTuple):
    """Whose runs, and where they are measured."""

    arm: str
    synthetic: str | None  # cohort; None for an arm without synthetic images, or where no cohorts are named
    initialisation: str
    site: str

    def named(self) -> dict[str, str]:
        """As metrics.json has it."""
        return {name: value for name, value in self._asdict().items() if value is not None}


Runs = list[tuple[int, "Measured"]]  # seed and what was measured


class Measured:
    """What a comparison keeps of a measurement: values, and what they are in each resample."""

    def __init__(self, values: dict[str, float | None], replicates: dict[str, np.ndarray], cells: list[dict[str, Any]], noise: dict[str, Any] | None):
        self.values, self.replicates, self.cells, self.noise = values, replicates, cells, noise


def measured(of: Measurement) -> Measured:
    """The measures of one run on one site; None for what was too little to measure."""
    names = MEASURED | {short: of.finest(kind, FALSE_POSITIVES, point) for short, (kind, point) in FINEST.items()}
    known = {short: name for short, name in names.items() if name in of.values}
    finest = [noise for noise in of.noise if (noise.one.errors.rate, noise.one.errors.point) == (FALSE_POSITIVES, VALIDATION)][-1:]
    return Measured(
        {short: of.values[known[short]] if short in known else None for short in NAMES},
        {short: of.replicates[name] for short, name in known.items()},
        finest[0].one.cells if finest else [],
        finest[0].described() if finest else None,
    )


def with_macro(runs: dict[Key, Runs]) -> dict[Key, Runs]:
    """The runs with the mean over the sites, which comes first where there are several; all images together come last.

    A measure is averaged over the sites where every arm and seed has it, so that all arms are measured on the same.
    """
    sites = [site for site in dict.fromkeys(key.site for key in runs) if site != POOLED]
    if len(sites) < 2:
        return runs
    shared = {
        name: [site for site in sites if all(one.values[name] is not None for key, seeds in runs.items() if key.site == site for _, one in seeds)]
        for name in NAMES
    }
    found: dict[Key, Runs] = {}
    for first in dict.fromkeys(key._replace(site=MACRO) for key in runs):
        own = {site: runs[first._replace(site=site)] for site in sites}
        seeds = [seed for seed, _ in own[sites[0]]]
        found[first] = [(seed, mean_of_sites({name: [own[site][i][1] for site in shared[name]] for name in NAMES})) for i, seed in enumerate(seeds)]
        found |= {key: value for key, value in runs.items() if key._replace(site=MACRO) == first}
    return found


def mean_of_sites(parts: dict[str, list[Measured]]) -> Measured:
    """The mean of each measure over the sites that have it."""
    known = {name: ones for name, ones in parts.items() if ones}
    return Measured(
        {name: float(np.mean(known_values(known[name], name))) if name in known else None for name in NAMES},
        {name: np.mean([one.replicates[name] for one in ones], 0) for name, ones in known.items()},
        [],
        None,
    )


def arm_of(key: Key, seeds: Runs) -> dict[str, Any]:
    """An arm on a site: means over the seeds, with the interval of resampled patients and the runs as they are."""
    noise = [one.noise for _, one in seeds if one.noise]
    mean = lambda name: float(np.mean([one[name] for one in noise])) if noise and all(one[name] is not None for one in noise) else None
    return {
        **key.named(),
        "seeds": [{"seed": seed, **{name: one.values[name] for name in ("auroc", "gap")}} for seed, one in seeds],
        **{name: mean_of(seeds, name) for name in NAMES},
        "countedCells": noise[0]["countedCells"] if noise else None,
        "expectedGap": mean("expectedGap"),
        "excess": mean("excess"),
        "cells": mean_cells([one for _, one in seeds]),
    }


def mean_cells(runs: list[Measured]) -> list[dict[str, Any]]:
    """Underdiagnosis in each cell of the finest grouping, mean over the seeds."""
    tables = [one.cells for one in runs if one.cells]
    if not tables:
        return []
    means = np.mean([[cell["smoothed"] for cell in table] for table in tables], 0)
    return [
        {"cell": cell["cell"], "of": cell["of"], "smoothed": float(mean), "counted": cell["counted"]}
        for cell, mean in zip(tables[0], means)
    ]


def values_of(seeds: Runs, name: str) -> list[float] | None:
    """A measure of each run; None where one does not have it."""
    values = known_values([one for _, one in seeds], name)
    return values if len(values) == len(seeds) else None


def known_values(ones: list[Measured], name: str) -> list[float]:
    return [value for one in ones if (value := one.values[name]) is not None]


def mean_of(seeds: Runs, name: str) -> dict[str, float | None] | None:
    values = values_of(seeds, name)
    if values is None:
        return None
    return estimate(float(np.mean(values)), np.mean([one.replicates[name] for _, one in seeds], 0))


def contrasts_of(runs: dict[Key, Runs], primary: dict[str, str], seed: int) -> list[dict[str, Any]]:
    """Each arm minus those of `rivals`, by initialisation and site.

    The family is that of the first site, which is the mean over the sites where there are several: the primary end point is
    tested alone, all others there with Holm's correction. Elsewhere no p-value is given.
    """
    declared = next(iter(runs)).site
    found: list[dict[str, Any]] = []
    cohorts = list(dict.fromkeys(key.synthetic for key in runs if key.synthetic is not None))
    for key, own in runs.items():
        for minus in rivals(key, cohorts[:1]):
            other = runs.get(minus)
            if other is None or key == minus:
                continue
            for endpoint in ENDPOINTS:
                difference = difference_of(own, other, endpoint, seed)
                if difference is not None:
                    kind = described(key, minus, endpoint)
                    found.append({**kind, **difference, "primary": key.site == declared and all(kind.get(name) == value for name, value in primary.items())})
    family = [one for one in found if one["site"] == declared and not one["primary"]]
    for one, adjusted in zip(family, holm([one["p"] for one in family])):
        one["pAdjusted"] = adjusted
    for one in found:
        p = one.pop("p")
        one.setdefault("pAdjusted", p if one["primary"] else None)
    return found


def rivals(key: Key, first: list[str]) -> list[Key]:
    """What an arm is compared with: real images alone, also at equal compute; for PretrainFinetune also the other ways to use
    the same images; and for a later one of several synthetic cohorts the same arm with the first."""
    if key.arm == REAL_ONLY:
        return []
    others = [key._replace(arm=arm, synthetic=None) for arm in (REAL_ONLY, EQUAL_COMPUTE)]
    if key.arm == PRETRAIN_FINETUNE:
        others += [key._replace(arm=arm) for arm in (MIXED, MIXED_FINETUNE, REPLAY, BALANCED)]
        others += [key._replace(arm=arm, synthetic=None) for arm in (REWEIGHTED, GROUP_DRO)]
    return others + [key._replace(synthetic=cohort) for cohort in first if key.synthetic not in (None, cohort)]


def described(key: Key, minus: Key, endpoint: str) -> dict[str, str]:
    cohorts = {name: one.synthetic for name, one in (("synthetic", key), ("minusSynthetic", minus)) if one.synthetic is not None}
    return {"arm": key.arm, "minus": minus.arm, **cohorts, "initialisation": key.initialisation, "site": key.site, "endpoint": endpoint}


def difference_of(arm: Runs, other: Runs, name: str, seed: int) -> dict[str, float] | None:
    """A measure of an arm minus that of another, seed by seed on the same resamples; None where one does not have it."""
    own, base = values_of(arm, name), values_of(other, name)
    if own is None or base is None:
        return None
    values = np.array([one - two for one, two in zip(own, base)])
    replicates = np.stack([one.replicates[name] - base.replicates[name] for (_, one), (_, base) in zip(arm, other)])
    found = contrast(values, replicates, [seed, len(values)])
    return None if found is None else dict(vars(found))


def headline_of(arms: list[dict[str, Any]]) -> dict[str, float]:
    """Of the mean over the sites (or the only one), from scratch, with the first synthetic cohort: macro AUROC, deviation between
    groups and underdiagnosis of each arm; of many arms only as many of the three as there is room for."""
    cohort = next((arm["synthetic"] for arm in arms if "synthetic" in arm), None)
    shown = [
        arm for arm in arms if (arm["site"], arm["initialisation"]) == (arms[0]["site"], "Scratch") and arm.get("synthetic", cohort) == cohort
    ]
    kinds = (("auroc", "Auroc"), ("betweenSd", "BetweenSd"), ("underdiagnosis", "Underdiagnosis"))
    for count in range(len(kinds), 0, -1):
        headline = {
            arm["arm"][0].lower() + arm["arm"][1:] + suffix: arm[kind]["value"] for arm in shown for kind, suffix in kinds[:count] if arm[kind] is not None
        }
        if len(headline) <= HEADLINE:
            break
    return headline
