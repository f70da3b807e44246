"""Pretrain and Finetune: read, split, train, export, measure on the validation images."""

from typing import Any

from ..data.loader import Group
from ..data.memory import Seen
from ..data.predictions import PREDICTIONS, predictions_of, write_predictions
from ..data.records import NO_FINDING
from ..data.source import read_sources
from ..data.split import split_training
from ..evaluation.entry import evaluation_of
from ..evaluation.groups import FALSE_POSITIVES, VALIDATION
from ..evaluation.measure import Measurement, Rules, Site
from ..report.card import model_card
from ..training.compiler import check_compile
from ..training.job import LEARNING_RATE, Job, Weights, batch_of, steps_of
from ..training.loop import Trained, train
from ..training.predict import probabilities
from ..training.product import Product, write_product
from .context import CARD, Context


def train_stage(context: Context) -> dict[str, Any]:
    """One stage from its config to its metrics."""
    done = context.finished()
    if done is not None:
        return context.again(done)
    job = job_of(context)
    if context.team.leads:
        context.keep_old_result()
    trained = train(job, context.team, context.stopping)
    metrics: dict[str, Any] = {}
    if context.team.leads:
        product = write_product(job, trained)
        metrics = metrics_of(context, job, trained, product)
        context.store.put(PREDICTIONS, predictions_on_validation(context, job, trained, product))
        context.store.put(CARD, model_card(metrics, context.config, job.learning_rate).encode())
        context.finish(metrics)
    return context.team.from_leader(metrics)


def job_of(context: Context) -> Job:
    config, team = context.config, context.team
    hyper = config["train"]["hyperparameters"]
    check_compile(hyper, team.device)
    records = read_sources(config["train"], context.labels, config["s3"])
    own, validation = split_training(records, hyper["validationShare"], config["seed"])
    context.say(
        f"{len(own)} images of {own.patient_count()} patients to train on, "
        f"{len(validation)} of {validation.patient_count()} to validate on"
    )
    weights = Weights(context.read(config["weights"]), config["weights"]) if "weights" in config else None
    return Job(
        name=config["name"],
        store=context.store,
        prefix="",
        digest=context.digest,
        architecture=config["architecture"],
        labels=tuple(context.labels),
        size=config["imageSize"],
        seed=config["seed"],
        groups=(Group(own, batch_of(hyper, team.world)),),
        validation=validation,
        steps=steps_of(hyper, len(own)),
        learning_rate=hyper.get("learningRate", LEARNING_RATE[config["type"]]),
        patience=hyper["patience"],
        hyper=hyper,
        weights=weights,
        fit=context.fit,
        seen=(Seen(own), Seen(validation)),
    )


def predictions_on_validation(context: Context, job: Job, trained: Trained, product: Product) -> bytes:
    name = context.config["name"]
    table = predictions_of(name, "validation", job.validation, probabilities(trained.validation_logits), context.labels)
    return write_predictions([table], {name: dict(zip(context.labels, product.thresholds))})


def metrics_of(context: Context, job: Job, trained: Trained, product: Product) -> dict[str, Any]:
    config, standing = context.config, trained.standing
    site = Site("validation", job.validation, probabilities(trained.validation_logits))
    rules = Rules(context.labels, product.thresholds, config["ageBins"], config["bootstraps"], config["seed"])
    evaluation = evaluation_of(Measurement(site, rules), config["name"])
    return context.metrics(
        headline_of(evaluation) | {"steps": standing.step},
        [evaluation],
        product.memory,
        training={
            "steps": standing.step,
            "bestStep": standing.best_step,
            "selectBy": job.hyper.get("selectBy", "Loss"),
            "plannedSteps": job.steps,
            "stoppedEarly": trained.stopped_early,
            "resumed": standing.resumed,
            "processes": context.team.world,
            "seconds": round(standing.seconds, 3),
            "parameters": sum(parameter.numel() for parameter in trained.model.parameters()),
            "train": _counts([group.records for group in job.groups]),
            "validation": _counts([job.validation]),
            "history": standing.history,
        },
    )


def _counts(parts: list) -> dict[str, int]:
    return {"images": sum(map(len, parts)), "patients": sum(part.patient_count() for part in parts)}


def is_underdiagnosis(disparity: dict[str, Any]) -> bool:
    """Whether an entry of `disparities` is of underdiagnosis at the threshold of validation."""
    kind = (disparity["label"], disparity["rate"], disparity["operatingPoint"])
    return kind == (NO_FINDING, FALSE_POSITIVES, VALIDATION)


def headline_of(evaluation: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of one evaluation that go into the status."""
    finest = [one for one in evaluation["disparities"] if is_underdiagnosis(one) and one["gap"]]
    named = {
        "auroc": evaluation["macro"]["auroc"],
        "accuracy": evaluation["macro"]["accuracy"],
        "underdiagnosis": evaluation["underdiagnosis"],
        "underdiagnosisGap": finest[-1]["gap"] if finest else None,
        "underdiagnosisExcess": {"value": finest[-1]["excess"]} if finest else None,
        "overdiagnosis": evaluation["overdiagnosis"],
    }
    return {prefix + name: found["value"] for name, found in named.items() if found is not None}
