"""Models on sites: scores, findings, subgroups, and what is left out."""

from collections import Counter
from html import escape
from typing import Any

from .heat import NOTE, heat_map
from .parts import cell, row, scale_of, section, sites_of, table

MACRO = (
    ("AUROC, mean over the findings", lambda one: one["macro"]["auroc"]),
    ("Accuracy", lambda one: one["macro"]["accuracy"]),
    ("Calibration error", lambda one: one["macro"]["calibrationError"]),
    ("Underdiagnosis", lambda one: one["underdiagnosis"]),
    ("Gap of underdiagnosis, finest groups", lambda one: _finest(one, "gap")),
    ("The same, 90th minus 10th percentile", lambda one: _finest(one, "robustGap")),
)


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
        cells = [cell(label["auroc"], scale), cell(label["accuracy"]), cell(label["calibrationError"])]
        rows.append(row(label["label"], "", [counts, *cells]))
    findings = table(["Label", "Images", "Threshold", "AUROC", "Accuracy", "Calibration error"], rows)
    of_none = [one for one in evaluation["disparities"] if one["label"] == "no-finding"]
    groups = heat_map(of_none[-1]["cells"]) if of_none else ""
    gaps = table(
        ["Label", "Rate", "Groups", "Gap", "90th minus 10th percentile"],
        [
            f"<tr><th scope=row>{escape(one['label'])}</th><td>{'false positives' if one['rate'] == 'FalsePositiveRate' else 'false negatives'}</td>"
            f"<td>{escape(' x '.join(one['grouping']))}</td>{cell(one['gap'])}{cell(one['robustGap'])}</tr>"
            for one in evaluation["disparities"]
        ],
    )
    body = (
        f"{findings}<h3>Who is underdiagnosed</h3>{groups}<p class='note'>{NOTE}</p>"
        f"<details><summary>Gaps of all labels and groups</summary>{gaps}</details>{left_out(evaluation['leftOut'])}"
    )
    return section(f"{model} on {evaluation['site']}", f"{evaluation['images']} images of {evaluation['patients']} patients.", body)


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
    found = [one for one in evaluation["disparities"] if one["label"] == "no-finding" and one["gap"] is not None]
    return found[-1][kind] if found else None
