"""Audit: the report of an evaluation from a table of predictions of any model."""

import hashlib
from typing import Any

import numpy as np

from ..data.memory import Memory
from ..data.predictions import Predictions, read_predictions
from ..errors import UsageError
from ..evaluation.entry import evaluation_of
from ..evaluation.measure import Measurement, Rules, Site, pooled
from ..evaluation.thresholds import best_thresholds
from .context import Context
from .train import headline_of

VALIDATION = ("validation", "val", "valid", "validate", "dev")
DEFAULT_THRESHOLD = 0.5


def audit_stage(context: Context) -> dict[str, Any]:
    """All models of a table, on each of its sites and on all together."""
    uri = context.config["predictions"]
    data = context.read(uri)
    # A table may be rewritten under its name.
    context.digest = hashlib.sha256(context.digest.encode() + data).hexdigest()
    done = context.finished()
    if done is not None:
        return context.again(done)
    found = read_predictions(data, uri)
    models = list(dict.fromkeys(found.table["model"]))
    evaluations = [entry for model in models for entry in evaluate_model(context, found, model)]
    metrics = context.metrics(headline_of(evaluations[-1]), evaluations, Memory(), labels=found.labels)
    context.keep_old_result()
    context.finish(metrics)
    context.say(f"{len(found.table)} predictions of {len(models)} models are audited")
    return metrics


def evaluate_model(context: Context, found: Predictions, model: str) -> list[dict[str, Any]]:
    """Rows of the validation split give the thresholds and are not measured."""
    own = (found.table["model"] == model).to_numpy()
    held = own & found.table["split"].str.lower().isin(VALIDATION).to_numpy()
    tested = own & (found.table["split"].str.lower() == "test").to_numpy()
    if not tested.any():
        raise UsageError(f"the predictions of {model} have no rows of the split test; call the rows to measure so, or leave the column out")
    thresholds, reason = thresholds_of(found, model, held)
    config = context.config
    rules = Rules(found.labels, thresholds, config["ageBins"], config["bootstraps"], config["seed"])
    names = list(dict.fromkeys(found.table["site"][tested]))
    sites = [Site(name, *found.take(tested & (found.table["site"] == name).to_numpy())) for name in names]
    entries = [evaluation_of(Measurement(site, rules), model) for site in ([*sites, pooled(sites)] if len(sites) > 1 else sites)]
    if reason:
        for entry in entries:
            entry["leftOut"].append({"what": "threshold", "reason": reason})
    return entries


def thresholds_of(found: Predictions, model: str, held: np.ndarray) -> tuple[list[float], str | None]:
    """Those in the file, else the best on its validation rows, else 0.5, with what is to be said of that."""
    stored = found.thresholds.get(model, {})
    if all(label in stored for label in found.labels):
        return [stored[label] for label in found.labels], None
    if held.any():
        return best_thresholds(found.truth[held], found.scores[held]), None
    reason = f"neither thresholds nor rows of the split validation: {DEFAULT_THRESHOLD} is taken for all labels"
    return [DEFAULT_THRESHOLD] * len(found.labels), reason
