"""Evaluate: the models of the stages on real test sets, by site and pooled."""

from collections.abc import Callable
from typing import Any

import pandas
import torch

from ..cpus import loader_workers
from ..data.memory import Memory, Seen, check_unseen
from ..data.predictions import PREDICTIONS, predictions_of, write_predictions
from ..data.source import read_source
from ..data.split import test_part
from ..distributed import Team
from ..errors import UsageError
from ..evaluation.entry import evaluation_of
from ..evaluation.measure import POOLED, Measurement, Rules, Site, pooled
from ..training.predict import Predictor, probabilities
from ..training.product import Product, read_product
from .context import Context
from .train import headline_of


def evaluate_stage(context: Context) -> dict[str, Any]:
    """All models on all sites."""
    done = context.finished()
    if done is not None:
        return context.again(done)
    sites = read_sites(context)
    seen = seen_of(context, sites)
    evaluations, tables, thresholds = [], [], {}
    remembered = Memory()
    for model in context.config["models"]:
        product = read_product(context.read(model["uri"]), model["uri"])
        check_fit(context, product, model["uri"])
        check_sites(context, seen, lambda: product.memory, "the model")
        remembered |= product.memory
        scored = score_sites(product, sites, context.team)
        if context.team.leads:
            tables += site_tables(model["name"], scored, product)
            thresholds[model["name"]] = dict(zip(product.labels, product.thresholds))
            evaluations += [evaluation_of(one, model["name"]) for one in measure_sites(context, scored, product.thresholds)]
            context.say(f"{model['name']} is measured on {len(sites)} sites")
    metrics: dict[str, Any] = {}
    if context.team.leads:
        headline = headline_of(evaluations[-1])
        metrics = context.metrics(headline, evaluations, remembered)
        context.keep_old_result()
        context.store.put(PREDICTIONS, write_predictions(tables, thresholds))
        context.finish(metrics)
    return context.team.from_leader(metrics)


def check_fit(context: Context, product: Product, uri: str) -> None:
    if product.labels != context.labels:
        raise UsageError(f"{uri} answers {', '.join(product.labels)}, not {', '.join(context.labels)}; correct labels")
    if product.size != context.config["imageSize"]:
        raise UsageError(f"{uri} takes images of {product.size} pixels, not {context.config['imageSize']}; correct imageSize")
    if product.fit != context.fit:
        raise UsageError(f"{uri} takes images by {product.fit}, not {context.fit}; correct imageFit")


def read_sites(context: Context) -> dict[str, Predictor]:
    """The test images of each site, ready to be asked about by one model after another."""
    config, team = context.config, context.team
    if not config["sites"]:
        raise UsageError("sites: is empty; name at least one")
    return {
        site["name"]: Predictor(
            test_part(read_source(site["uri"], context.labels, config["s3"], site.get("source"))), config["imageSize"], team, loader_workers(), context.fit
        )
        for site in config["sites"]
    }


def seen_of(context: Context, sites: dict[str, Predictor]) -> dict[str, Seen]:
    """Who and what each site holds."""
    return {site["name"]: Seen(sites[site["name"]].records, site.get("source")) for site in context.config["sites"]}


def check_sites(context: Context, seen: dict[str, Seen], memory: Callable[[], Memory], what: str) -> None:
    """Raises UsageError, in every process, when a site holds someone, or an image, that `what` was trained on."""
    fault: str | None = None
    if context.team.leads:
        try:
            remembered = memory()
            for name, site in seen.items():
                check_unseen(name, site, remembered, what)
        except UsageError as error:
            fault = str(error)
    fault = context.team.from_leader(fault)
    if fault is not None:
        raise UsageError(fault)


def score_sites(product: Product, sites: dict[str, Predictor], team: Team) -> list[Site]:
    """What a model says of each site, and of all together."""
    model = product.model.to(team.device)
    scored = [
        Site(name, site.records, probabilities(site.logits(model, torch.float32))) for name, site in sites.items()
    ]
    return [*scored, pooled(scored)] if len(scored) > 1 else scored


def site_tables(model: str, scored: list[Site], product: Product) -> list[pandas.DataFrame]:
    """Predictions on each site; those on all together are the same."""
    return [predictions_of(model, site.name, site.records, site.scores, product.labels) for site in scored if site.name != POOLED]


def predictions_on_sites(model: str, scored: list[Site], product: Product) -> bytes:
    return write_predictions(site_tables(model, scored, product), {model: dict(zip(product.labels, product.thresholds))})


def measure_sites(context: Context, scored: list[Site], thresholds: list[float], finest_only: bool = False) -> list[Measurement]:
    config = context.config
    rules = Rules(context.labels, thresholds, config["ageBins"], config["bootstraps"], config["seed"])
    return [Measurement(site, rules, finest_only) for site in scored]
