"""Compare: the stages against the baselines, with the same network and the same number of steps on real images."""

import json
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from ..data.memory import Seen
from ..data.records import NO_FINDING
from ..errors import NotFoundError
from ..evaluation.bootstrap import estimate
from ..evaluation.measure import Measurement
from ..progress import say
from ..training.job import Job, Weights
from ..training.loop import train
from ..training.product import MODEL, Product, read_product, write_product
from ..weights import write_torch
from .arms import PRETRAIN_FINETUNE, Arm, Data, arms_of, job_of, pretrain_job, read_data
from .context import Context
from .evaluate import check_sites, measure_sites, read_sites, score_sites

DONE = "done.json"
# Of each run and site: names in the measurement, and in metrics.json.
MEASURED = {
    "auroc": "macro/auroc",
    "accuracy": "macro/accuracy",
    "calibrationError": "macro/calibration",
    "underdiagnosis": "underdiagnosis",
}
Key = tuple[str, str, str]  # arm, initialisation, site
Runs = list[tuple[int, "Measured"]]  # seed and what was measured


def compare_stage(context: Context) -> dict[str, Any]:
    """Trains every arm with every seed, measures each on the sites, and takes the mean over the seeds."""
    done = context.finished()
    if done is not None:
        return context.again(done)
    data, sites = read_data(context), read_sites(context)
    seen = {name: Seen(site.records) for name, site in sites.items()}
    if "weights" in context.config:
        given = Weights(context.read(context.config["weights"]), context.config["weights"])
        check_sites(context, seen, given.memory, "the model of the given weights")
    own = (*data.synthetic_seen, *data.real_seen)
    check_sites(context, seen, lambda: reduce(or_, (one.all for one in own)), "a run of the comparison")
    runs: dict[Key, Runs] = {}
    curves = []
    for arm in arms_of(context):
        product = run_arm(context, arm, data)
        curves.append(curve_of(context, arm))
        check_sites(context, seen, lambda: product.memory, "the model")
        scored = score_sites(product, sites, context.team)
        if context.team.leads:
            for measured in measure_sites(context, scored, product.thresholds, finest_only=True):
                key = (arm.arm, arm.initialisation, measured.site.name)
                runs.setdefault(key, []).append((arm.seed, Measured(measured)))
    metrics: dict[str, Any] = {}
    if context.team.leads:
        batch = context.config["compare"]["finetune"]["hyperparameters"]["batchSize"]
        comparison = comparison_of(runs, data, batch, curves)
        metrics = context.metrics(headline_of(comparison), [], comparison=comparison)
        context.keep_old_result()
        context.finish(metrics)
    return context.team.from_leader(metrics)


def run_arm(context: Context, arm: Arm, data: Data) -> Product:
    """The model of one arm; a run that is done already is read."""
    pretrained = None
    if arm.arm == PRETRAIN_FINETUNE:
        first = run_job(context, pretrain_job(context, arm, data))
        stored = {"state": first.model.state_dict(), **first.memory.stored()}
        pretrained = Weights(write_torch(stored), "the pretrained weights")
    return run_job(context, job_of(context, arm, data, pretrained))


def run_job(context: Context, job: Job) -> Product:
    if is_done(context, job):
        return read_product(job.store.get(job.prefix + MODEL), job.prefix + MODEL)
    trained = train(job, context.team, context.stopping)
    product: Product | None = None
    if context.team.leads:
        product = write_product(job, trained)
        standing = trained.standing
        note = {"digest": job.digest, **vars(standing)}
        job.store.put(job.prefix + DONE, json.dumps(note).encode())
    # The others read what the leader has written, once it has.
    context.team.any(False)
    return product or read_product(job.store.get(job.prefix + MODEL), job.prefix + MODEL)


def curve_of(context: Context, arm: Arm) -> dict[str, Any]:
    """How the last run of an arm went."""
    history = json.loads(context.store.get(f"runs/{arm.name}/{DONE}"))["history"]
    points = [{name: one[name] for name in ("step", "validationLoss", "validationAuroc")} for one in history]
    return {"arm": arm.arm, "initialisation": arm.initialisation, "seed": arm.seed, "points": points}


def is_done(context: Context, job: Job) -> bool:
    """The leader's word, so that all do the same."""
    done = False
    if context.team.leads:
        try:
            done = json.loads(job.store.get(job.prefix + DONE))["digest"] == job.digest
        except (NotFoundError, ValueError, KeyError):
            done = False
        if done:
            say(f"{job.name}: is done already")
    return context.team.any(done)


class Measured:
    """What a comparison keeps of a measurement: values, and what they are in each resample."""

    def __init__(self, measurement: Measurement):
        names = MEASURED | {"gap": measurement.finest_gap("gap"), "robustGap": measurement.finest_gap("robust")}
        self.cells = [one.cells for one in measurement.disparities if one.errors.label == NO_FINDING][-1:]
        self.values: dict[str, float | None] = {}
        self.replicates: dict[str, np.ndarray] = {}
        for short, name in names.items():
            self.values[short] = measurement.values.get(name) if name else None
            if self.values[short] is not None:
                self.replicates[short] = measurement.replicates[name]


def comparison_of(runs: dict[Key, Runs], data: Data, batch: int, curves: list[dict[str, Any]]) -> dict[str, Any]:
    names = (*MEASURED, "gap", "robustGap")
    arms = [
        {
            "arm": arm,
            "initialisation": initialisation,
            "site": site,
            "seeds": [{"seed": seed, **{name: one.values[name] for name in ("auroc", "gap")}} for seed, one in seeds],
            **{name: mean_of(seeds, name) for name in names},
            "cells": mean_cells([one for _, one in seeds]),
        }
        for (arm, initialisation, site), seeds in runs.items()
    ]
    differences = [
        {
            "arm": arm,
            "initialisation": initialisation,
            "site": site,
            **{name: difference(seeds, runs[("RealOnly", initialisation, site)], name) for name in ("auroc", "gap")},
        }
        for (arm, initialisation, site), seeds in runs.items()
        if arm != "RealOnly" and ("RealOnly", initialisation, site) in runs
    ]
    return {
        "realSteps": data.real_steps,
        "syntheticSteps": data.synthetic_steps,
        "batchSize": batch,
        "arms": arms,
        "differences": differences,
        "curves": curves,
    }


def mean_cells(runs: list[Measured]) -> list[dict[str, Any]]:
    """Underdiagnosis in each cell of the finest grouping, mean over the seeds."""
    tables = [cells for one in runs for cells in one.cells]
    if not tables:
        return []
    means = np.mean([[cell["smoothed"] for cell in table] for table in tables], 0)
    return [
        {"cell": cell["cell"], "of": cell["of"], "smoothed": float(mean), "counted": cell["counted"]}
        for cell, mean in zip(tables[0], means)
    ]


def mean_of(seeds: Runs, name: str) -> dict[str, float | None] | None:
    """Mean over the seeds; the interval is that of resampled patients, with the runs as they are."""
    if any(one.values[name] is None for _, one in seeds):
        return None
    values = [one.values[name] for _, one in seeds]
    return estimate(float(np.mean(values)), np.mean([one.replicates[name] for _, one in seeds], 0))


def difference(seeds: Runs, base: Runs, name: str) -> dict[str, float | None] | None:
    """An arm's mean minus that of RealOnly, on the same resamples of the patients."""
    if any(one.values[name] is None for _, one in [*seeds, *base]):
        return None
    mean = lambda runs: np.mean([one.values[name] for _, one in runs])
    replicates = lambda runs: np.mean([one.replicates[name] for _, one in runs], 0)
    return estimate(float(mean(seeds) - mean(base)), replicates(seeds) - replicates(base))


def headline_of(comparison: dict[str, Any]) -> dict[str, float]:
    """Of all sites together (or the only one), from scratch: macro AUROC and gap of each arm."""
    last = comparison["arms"][-1]["site"]
    chosen = [arm for arm in comparison["arms"] if arm["site"] == last and arm["initialisation"] == "Scratch"]
    headline: dict[str, float] = {}
    for arm in chosen:
        name = arm["arm"][0].lower() + arm["arm"][1:]
        for kind, suffix in (("auroc", "Auroc"), ("gap", "Gap")):
            if arm[kind] is not None:
                headline[name + suffix] = arm[kind]["value"]
    return headline
