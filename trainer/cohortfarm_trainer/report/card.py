"""The model card of a trained stage (Mitchell et al. 2019), as README.md: made of its config and its metrics."""

import re
from typing import Any

from .evaluations import UNDERDIAGNOSIS, no_finding_disparities
from .parts import Estimate, number, with_interval

LIMITS = """For research on classifiers and their fairness. It is no medical device, and nothing here says how well it does in another hospital:
measure it on that hospital's own images first (`cohortfarm train` with `evaluation.sites`, or `cohortfarm audit`). Thresholds are those
of the best F1 on the validation images, whatever missing a finding costs. A label that the training data does not name is unknown to it."""


def model_card(metrics: dict[str, Any], config: dict[str, Any], learning_rate: float) -> str:
    """Markdown. `metrics` are those of a Pretrain or Finetune stage."""
    name, model, training = metrics["stage"]["name"], metrics["model"], metrics["training"]
    hyper, labels = config["train"]["hyperparameters"], plain(", ".join(model["labels"]))
    (validation,) = metrics["evaluations"]
    size = model["imageSize"]
    facts = {
        "Network": f"{model['architecture']}, {training['parameters']:,} parameters",
        "Input": f"grey images of {size} x {size} pixels",
        "Output": f"a probability for each of {labels}",
        "Trained on": f"{training['train']['images']:,} images of {training['train']['patients']:,} people ({', '.join(map(last_name, config['train']['data']))})",
        "Begins with": last_name(config["weights"]) if "weights" in config else "random weights",
        "Steps": f"{training['steps']:,} of {training['plannedSteps']:,}, {hyper['batchSize']} images each; the weights are those of step {training['bestStep']:,}",
        "Learning rate": f"{learning_rate:g}, AdamW, weight decay {hyper['weightDecay']:g}",
        "Seed": str(config["seed"]),
        **({"Has seen": plain(", ".join(model["trainedOn"]))} if "trainedOn" in model else {}),
    }
    return "\n".join(
        [
            f"# {plain(name)}",
            "",
            f"A {metrics['stage']['type']} stage of CohortFarm; config digest `{metrics['configDigest']}`.",
            "",
            *table(["", ""], [[what, text] for what, text in facts.items()]),
            "## On its validation images",
            "",
            f"{validation['images']:,} images of {validation['patients']:,} people, with 95 % intervals. All that is measured: `metrics.json`, `report.html`.",
            "",
            *table(
                ["label", "positives", "negatives", "threshold", "AUROC", "sensitivity", "specificity"],
                [
                    [plain(one["label"]), f"{one['positives']:,}", f"{one['negatives']:,}", number(one["threshold"]), *(estimate(one[kind]) for kind in ("auroc", "sensitivity", "specificity"))]
                    for one in validation["labels"]
                ],
            ),
            f"Underdiagnosis, the share of images with a finding that it calls no-finding: {estimate(validation['underdiagnosis'])}. {worst_of(validation)}",
            "",
            "## Use and limits",
            "",
            LIMITS,
            "",
            "## Files",
            "",
            "`model.pt` for a next stage, `model.onnx` with `gate.json` for a quality gate or any ONNX runtime (logits), `predictions.parquet` for an audit.",
            "",
        ]
    )


def last_name(uri: str) -> str:
    """The last part of a path or URI: what lies before it is of no use elsewhere, and may say more than it should."""
    parts = uri.rstrip("/").split("/")
    return plain(parts[-2] if parts[-1] == "model.pt" and len(parts) > 1 else parts[-1])


def plain(text: str) -> str:
    """Text from data or a spec as Markdown that shows it as it is, in one line."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", re.sub(r"\s+", " ", text).strip())


def estimate(found: Estimate | None) -> str:
    return "too few images" if found is None else with_interval(found)


def worst_of(evaluation: dict[str, Any]) -> str:
    """The group of the finest grouping that is underdiagnosed most, once noise is taken out."""
    found = [one["worst"] for one in no_finding_disparities(evaluation, *UNDERDIAGNOSIS) if one["worst"]]
    if not found:
        return "There are too few images to say so by group."
    return f"Worst, once noise is taken out: {number(found[-1]['rate'])} of {plain(', '.join(found[-1]['cell'].values()))}."


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(row)} |" for row in cells), ""]
