"""Models on sites: scores, findings, subgroups, and what is left out."""

from collections import Counter
from html import escape
from typing import Any

from .curves import chart
from .heat import NOTE, heat_map
from .parts import cell, number, row, scale_of, section, sites_of, table

MACRO = (
    ("AUROC, mean over the findings", lambda one: one["macro"]["auroc"]),
    ("Accuracy", lambda one: one["macro"]["accuracy"]),
    ("Calibration error", lambda one: one["macro"]["calibrationError"]),
    ("Underdiagnosis", lambda one: one["underdiagnosis"]),
    ("Overdiagnosis", lambda one: one["overdiagnosis"]),
    ("Standard deviation of underdiagnosis between the finest groups", lambda one: _finest(one, "betweenSd")),
    ("Gap of underdiagnosis, finest groups", lambda one: _finest(one, "gap")),
    ("The same, 90th minus 10th percentile", lambda one: _finest(one, "robustGap")),
)


COLOURS = 7  # of the style sheet

SCORES = {
    "auprc": "AUPRC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "brier": "Brier score",
    "calibrationError": "Calibration error",
}


def evaluation_sections(evaluations: list[dict[str, Any]]) -> list[str]:
    if not evaluations:
        return []
    models = list(dict.fromkeys(one["model"] for one in evaluations))
    sections = [section("By site", "With 95 % intervals.", "".join(site_table(evaluations, model, len(models) > 1) for model in models))]
    for model in models:
        last = [one for one in evaluations if one["model"] == model][-1]
        sections.append(model_section(model, last))
    return sections


def site_table(evaluations: list[dict[str, Any]], model: str, named: bool) -> str:
    chosen = {one["site"]: one for one in evaluations if one["model"] == model}
    sites = sites_of(list(chosen.values()))
    rows = []
    for name, read in MACRO:
        found = [read(chosen[site]) for site in sites]
        rows.append(row(name, "", [cell(one, scale_of(found)) for one in found]))
    counts = [f"<td><b>{chosen[site]['images']}</b><small>of {chosen[site]['patients']} patients</small></td>" for site in sites]
    title = f"<h3>{escape(model)}</h3>" if named else ""
    return title + table(["", *sites], [row("Images", "", counts), *rows])


def model_section(model: str, evaluation: dict[str, Any]) -> str:
    """Findings and subgroups of one model on the last site, which is all together where there are several."""
    rows = []
    scale = scale_of([label["auroc"] for label in evaluation["labels"]])
    for label in evaluation["labels"]:
        counts = f"<td><b>{label['positives']}</b><small>and {label['negatives']} without</small></td><td><b>{label['threshold']:.3f}</b></td>"
        cells = [cell(label["auroc"], scale), *(cell(label[name]) for name in SCORES)]
        rows.append(row(label["label"], "", [counts, *cells]))
    findings = table(["Label", "Images", "Threshold", "AUROC", *SCORES.values()], rows)
    of_none = no_finding_disparities(evaluation, *UNDERDIAGNOSIS)
    groups = heat_map(of_none[-1]["cells"]) if of_none else ""
    noise = table(DISPARITY_HEAD, [disparity_row(one) for one in evaluation["disparities"] if one["label"] == "no-finding"])
    gaps = table(DISPARITY_HEAD, [disparity_row(one) for one in evaluation["disparities"] if one["label"] != "no-finding"])
    body = (
        f"{findings}{figures(evaluation['labels'])}<h3>Who is underdiagnosed</h3>{groups}<p class='note'>{NOTE}</p>"
        f"<h3>Groups against noise</h3><p class='note'>{NOISE}</p>{noise}"
        f"<details><summary>The same for each finding</summary>{gaps}</details>{odds_table(evaluation['equalisedOdds'])}{left_out(evaluation['leftOut'])}"
    )
    return section(f"{model} on {evaluation['site']}", f"{evaluation['images']} images of {evaluation['patients']} patients.", body)


def figures(labels: list[dict[str, Any]]) -> str:
    """ROC, precision over recall and reliability of all labels that have enough images of both kinds."""
    drawn = [(label["label"], f"var(--c{i % COLOURS})", label["curves"]) for i, label in enumerate(labels) if label.get("curves")]
    charts = [
        chart("ROC: sensitivity over 1 minus specificity", [(name, colour, one["roc"]) for name, colour, one in drawn], "1 minus specificity", unit=True, diagonal=True),
        chart("Precision over recall", [(name, colour, one["precisionRecall"]) for name, colour, one in drawn], "recall", unit=True),
        chart(
            "Reliability: share of positives over mean probability",
            [(name, colour, [(bin_["probability"], bin_["positives"]) for bin_ in one["reliability"]]) for name, colour, one in drawn],
            "mean probability",
            unit=True,
            diagonal=True,
        ),
    ]
    return f"<h3>Curves</h3><div class='charts'>{''.join(charts)}</div>" if drawn else ""


NOISE = (
    "Expected: the gap when patients swap their groups within site and finding, so that groups make no difference; excess: the gap minus that. "
    "Deviation: of the true rates between all known cells, noise, site and finding taken out. Worst: rates drawn to their mean as far as they are noise."
)
DISPARITY_HEAD = ["Error", "Groups", "Cells", "Gap", "Expected", "Excess", "Deviation", "Worst"]
KINDS = {
    ("no-finding", "FalsePositiveRate"): "underdiagnosis",
    ("no-finding", "FalseNegativeRate"): "overdiagnosis",
}


def disparity_row(one: dict[str, Any]) -> str:
    """A gap with what says how much of it is noise."""
    plain = "missed" if one["rate"] == "FalseNegativeRate" else "false alarms"
    name = KINDS.get((one["label"], one["rate"]), f"{one['label']}, {plain}")
    point = "80 % sensitivity" if one["operatingPoint"] == "MatchedSensitivity" else ""
    worst = one["worst"]
    shown = (
        f"<td><b>{number(worst['rate'])}</b><small>{escape(', '.join(worst['cell'].values()))}: {worst['ofPatients']} patients</small></td>"
        if worst
        else cell(None)
    )
    chance = f"<small>p {number(one['pValue'])}</small>" if one["pValue"] is not None else ""
    cells = [
        f"<td>{escape(' x '.join(one['grouping']))}</td><td><b>{one['countedCells']}</b><small>of {len(one['cells'])}</small></td>",
        cell(one["gap"]),
        f"<td><b>{number(one['expectedGap'])}</b></td><td><b>{number(one['excess'], signed=True)}</b>{chance}</td>",
        cell(one["betweenSd"]),
        shown,
    ]
    return row(name, point, cells)


def odds_table(entries: list[dict[str, Any]]) -> str:
    """Equalised odds of all labels and groupings."""
    rows = [
        f"<tr><th scope=row>{escape(one['label'])}</th><td>{escape(' x '.join(one['grouping']))}</td><td><b>{number(one['difference'])}</b></td></tr>"
        for one in entries
    ]
    return f"<details><summary>Equalised odds</summary>{table(['Label', 'Groups', 'Difference'], rows)}</details>" if rows else ""


def left_out(entries: list[dict[str, Any]]) -> str:
    """How much is not measured, and what."""
    if not entries:
        return ""
    counts = Counter((one["what"], one["reason"]) for one in entries)
    summary = "; ".join(f"{what}: {n} times, {reason}" for (what, reason), n in counts.items())
    rows = [
        f"<tr><td>{escape(one['what'])}</td><td>{escape(one.get('label', ''))}</td>"
        f"<td>{escape(', '.join(one.get('cell', {}).values()))}</td><td>{escape(one['reason'])}</td></tr>"
        for one in entries
    ]
    return f"<details><summary>Left out ({escape(summary)})</summary>{table(['What', 'Label', 'Cell', 'Why'], rows)}</details>"


def _finest(evaluation: dict[str, Any], kind: str) -> dict[str, Any] | None:
    found = [one for one in no_finding_disparities(evaluation, *UNDERDIAGNOSIS) if one["gap"] is not None]
    return found[-1][kind] if found else None


UNDERDIAGNOSIS = ("FalsePositiveRate", "Validation")


def no_finding_disparities(evaluation: dict[str, Any], rate: str, point: str) -> list[dict[str, Any]]:
    """Disparities of no-finding, the finest last."""
    return [one for one in evaluation["disparities"] if (one["label"], one["rate"], one["operatingPoint"]) == ("no-finding", rate, point)]
