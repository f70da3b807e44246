"""Compare: the stages against the baselines, with the same network and batches of one size."""

import json
import os
from functools import reduce
from operator import or_
from typing import Any

from ..data.predictions import PREDICTIONS
from ..errors import NotFoundError
from ..evaluation.comparison import (
    MIXED,
    PRETRAIN_FINETUNE,
    REAL_ONLY,
    REPLAY,
    SYNTHETIC_ONLY,
    Key,
    Runs,
    arm_of,
    contrasts_of,
    headline_of,
    measured,
    with_macro,
)
from ..progress import say
from ..training.job import Job, Weights
from ..training.loop import train
from ..training.product import MODEL, Product, read_product, write_product
from ..weights import write_torch
from .arms import REPLAY_SHARE, Arm, Data, arms_of, equal_compute_steps, first_job, job_of, mixed_share, read_data, share_of
from .context import Context
from .evaluate import check_sites, measure_sites, predictions_on_sites, read_sites, score_sites, seen_of

DONE = "done.json"


def compare_stage(context: Context) -> dict[str, Any]:
    """Trains every arm with every seed, measures each on the sites, and takes the mean over the seeds.

    With `shares` in the config it trains a share of the runs, and measures nothing.
    """
    done = context.finished()
    if done is not None:
        return context.again(done)
    data, sites = read_data(context), read_sites(context)
    seen = seen_of(context, sites)
    if "weights" in context.config:
        given = Weights(context.read(context.config["weights"]), context.config["weights"])
        check_sites(context, seen, given.memory, "the model of the given weights")
    check_sites(context, seen, lambda: reduce(or_, (one.all for one in data.seen)), "a run of the comparison")
    remembered = reduce(or_, (one.people for one in data.seen))
    if "shares" in context.config["compare"]:
        for arm in share_of(context, os.environ):
            run_arm(context, arm, data)
        return {"headline": {}}
    runs: dict[Key, Runs] = {}
    curves = []
    for arm in arms_of(context):
        product = run_arm(context, arm, data)
        curves.append(curve_of(context, arm))
        check_sites(context, seen, lambda: product.memory, "the model")
        scored = score_sites(product, sites, context.team)
        if context.team.leads:
            context.runs.put(f"runs/{arm.name}/{PREDICTIONS}", predictions_on_sites(arm.name, scored, product))
            for one in measure_sites(context, scored, product.thresholds, finest_only=True):
                key = Key(arm.arm, arm.synthetic, arm.initialisation, one.site.name)
                runs.setdefault(key, []).append((arm.seed, measured(one)))
    metrics: dict[str, Any] = {}
    if context.team.leads:
        comparison = comparison_of(context, runs, data, curves)
        metrics = context.metrics(headline_of(comparison["arms"]), [], remembered, comparison=comparison)
        context.keep_old_result()
        context.finish(metrics)
    return context.team.from_leader(metrics)


def run_arm(context: Context, arm: Arm, data: Data) -> Product:
    """The model of one arm; a run that is done already is read."""
    before, first = None, first_job(context, arm, data)
    if first is not None:
        product = run_job(context, first)
        before = Weights(write_torch({"state": product.model.state_dict(), **product.memory.stored()}), "the weights of the first run")
    return run_job(context, job_of(context, arm, data, before))


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
    history = json.loads(context.runs.get(f"runs/{arm.name}/{DONE}"))["history"]
    points = [{name: one[name] for name in ("step", "validationLoss", "validationAuroc")} for one in history]
    cohort = {} if arm.synthetic is None else {"synthetic": arm.synthetic}
    return {"arm": arm.arm, **cohort, "initialisation": arm.initialisation, "seed": arm.seed, "points": points}


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


def comparison_of(context: Context, runs: dict[Key, Runs], data: Data, curves: list[dict[str, Any]]) -> dict[str, Any]:
    compare = context.config["compare"]
    runs = with_macro(runs)
    primary = primary_of(compare, "weights" in context.config)
    return {
        "realSteps": data.real.steps,
        "syntheticSteps": data.synthetic_steps,
        "equalComputeSteps": equal_compute_steps(context, data),
        "mixedShare": mixed_share(context, data),
        **({"replayShare": compare.get("replayShare", REPLAY_SHARE)} if REPLAY in compare["baselines"] else {}),
        "batchSize": compare["finetune"]["hyperparameters"]["batchSize"],
        "arms": [arm_of(key, seeds) for key, seeds in runs.items()],
        "primary": primary,
        "contrasts": contrasts_of(runs, primary, context.config["seed"]),
        "curves": curves,
    }


def primary_of(compare: dict[str, Any], weights: bool) -> dict[str, str]:
    """The end point that was declared before the run: PretrainFinetune minus the first baseline that it is contrasted with."""
    named = compare.get("primary", {})
    baselines = compare["baselines"]
    rivals = [name for name in (MIXED, REAL_ONLY, *baselines) if name in baselines and name != SYNTHETIC_ONLY]
    minus = named.get("minus") or [*rivals, *baselines][0]
    start = named.get("initialisation") or ("Weights" if weights else "Scratch")
    cohorts = [one["name"] for one in compare.get("synthetic", [])]
    cohort = {"synthetic": named.get("synthetic", cohorts[0])} if cohorts else {}
    return {"arm": PRETRAIN_FINETUNE, **cohort, "minus": minus, "initialisation": start, "endpoint": named.get("endpoint", "auroc")}
