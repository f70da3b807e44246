"""report.html: what metrics.json says, for people. One file that needs nothing else."""

from html import escape
from typing import Any

from .comparison import comparison_sections
from .curves import chart
from .evaluations import evaluation_sections
from .parts import number, section, tiles
from .style import STYLE

LEDES = {
    "Pretrain": "A network trained on the synthetic cohort, measured on images of it that were held out.",
    "Finetune": "A network that went on from an earlier stage on real images, measured on patients that were held out.",
    "Evaluate": "The networks of the stages, measured on each site and on all together.",
    "Audit": "Predictions that were given as a table, measured on each site and on all together.",
    "Compare": "The stages against the baselines: one network, and batches of one size.",
}
HEADLINES = {
    "auroc": "AUROC, mean over the findings",
    "accuracy": "Accuracy",
    "underdiagnosis": "Underdiagnosis",
    "underdiagnosisGap": "Gap of underdiagnosis",
    "underdiagnosisExcess": "Gap above chance",
    "overdiagnosis": "Overdiagnosis",
    "steps": "Optimizer steps",
}


def render_report(metrics: dict[str, Any]) -> str:
    """The whole page."""
    stage, model = metrics["stage"], metrics["model"]
    network = f"{escape(model['architecture'])}, {model['imageSize']} pixels. " if "architecture" in model else ""
    body = [
        "<header>",
        f'<p class="eyebrow">CohortFarm training, {escape(stage["type"])}</p><h1>{escape(stage["name"])}</h1>',
        f'<p class="lede">{LEDES[stage["type"]]} {network}Labels: {escape(", ".join(model["labels"]))}.</p>',
        declared(model),
        headline(metrics),
        "</header>",
    ]
    if "comparison" in metrics:
        body += comparison_sections(metrics["comparison"])
    body += evaluation_sections(metrics["evaluations"])
    if "training" in metrics:
        body.append(training_section(metrics["training"]))
    body.append(
        '<section><p class="note">Intervals are 95 % percentiles of bootstraps that draw patients. Underdiagnosis is the share of '
        "images with a finding that the network calls no-finding (Seyyed-Kalantari et al. 2021); the gap is the largest minus "
        "the smallest smoothed rate of the cells with at least 20 such images. One threshold for each label and all groups, "
        f"F1-optimal on validation data. No medical device. Config {metrics['configDigest'][:12]}.</p></section>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(stage['name'])}: {escape(stage['type'])}</title><style>{STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def declared(model: dict[str, Any]) -> str:
    """The data sets that the generator saw, where its makers say so."""
    if "trainedOn" not in model:
        return ""
    sets = escape(", ".join(model["trainedOn"]))
    return f'<p class="note">The generator of the synthetic images, or a gate, was trained on {sets}. No site below holds what it saw.</p>'


def headline(metrics: dict[str, Any]) -> str:
    chosen = [(HEADLINES[name], value, name) for name, value in metrics["headline"].items() if name in HEADLINES]
    return tiles([(label, str(int(value)) if name == "steps" else number(value)) for label, value, name in chosen]) if chosen else ""


def training_section(training: dict[str, Any]) -> str:
    history = training["history"]
    points = lambda name: [(one["step"], one[name]) for one in history if one[name] is not None]
    loss = chart(
        "Loss",
        [("training", "var(--c0)", points("trainLoss")), ("validation", "var(--c3)", points("validationLoss"))],
    )
    auroc = chart("AUROC on validation images", [("mean over the labels", "var(--c3)", points("validationAuroc"))])
    own, held = training["train"], training["validation"]
    ended = "stopped early" if training["stoppedEarly"] else f"of {training['plannedSteps']}"
    best = "highest validation AUROC" if training.get("selectBy") == "Auroc" else "lowest validation loss"
    lede = (
        f"{training['steps']} optimizer steps ({ended}) in {training['seconds']:.0f} s by {training['processes']} "
        f"process{'es' if training['processes'] > 1 else ''}; the result is step {training['bestStep']}, of the {best}. "
        f"{own['images']} images of {own['patients']} patients to train on, {held['images']} of {held['patients']} to validate on. "
        f"{training['parameters']:,} parameters. Gone on from a checkpoint {training['resumed']} times."
    )
    return section("Training", lede, f'<div class="charts">{loss}{auroc}</div>')
