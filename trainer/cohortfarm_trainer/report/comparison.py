"""The arms of a comparison side by side."""

from typing import Any

from .curves import chart
from .heat import NOTE, heat_map
from .parts import ARM_NAMES, STARTS, cell, row, scale_of, section, sites_of, table

COLOURS = {"RealOnly": "var(--c0)", "Mixed": "var(--c1)", "SyntheticOnly": "var(--c2)", "PretrainFinetune": "var(--c3)"}


def comparison_sections(comparison: dict[str, Any]) -> list[str]:
    arms = comparison["arms"]
    seeds = len(arms[0]["seeds"])
    lede = (
        f"{_means(seeds)} Arms that see real images take {comparison['realSteps']} steps of {comparison['batchSize']} real "
        f"images each; pretraining takes {comparison['syntheticSteps']} steps on synthetic ones, and Mixed sees as many within its steps. "
    )
    return [
        section("AUROC", lede + "Mean over the findings; higher is better.", arm_table(arms, "auroc")),
        section(
            "Gap of underdiagnosis",
            "Between the most and the least underdiagnosed of the intersections of sex, age and race; lower is better.",
            arm_table(arms, "gap") + '<h3>90th minus 10th percentile of the cells</h3>' + arm_table(arms, "robustGap"),
        ),
        section("Underdiagnosis", "Share of images with a finding that are called no-finding; lower is better.", arm_table(arms, "underdiagnosis")),
        difference_section(comparison["differences"]),
        heat_section(arms),
        curve_section(comparison["curves"]),
    ]


def arm_table(arms: list[dict[str, Any]], measure: str) -> str:
    """A row for each arm and initialisation, a column for each site."""
    sites = sites_of(arms)
    scale = scale_of([arm[measure] for arm in arms])
    by_place = {(arm["arm"], arm["initialisation"], arm["site"]): arm for arm in arms}
    rows = [
        row(ARM_NAMES[arm], STARTS[start], [cell(by_place[arm, start, site][measure], scale) for site in sites])
        for arm, start in _rows(arms)
    ]
    return table(["Arm", *sites], rows)


def _rows(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    pairs = list(dict.fromkeys((entry["arm"], entry["initialisation"]) for entry in entries))
    return sorted(pairs, key=lambda pair: list(STARTS).index(pair[1]))


def difference_section(differences: list[dict[str, Any]]) -> str:
    """Each arm minus RealOnly."""
    if not differences:
        return ""
    sites = sites_of(differences)
    by_place = {(one["arm"], one["initialisation"], one["site"]): one for one in differences}
    blocks = []
    for measure, name, better in (("auroc", "AUROC", 1), ("gap", "Gap of underdiagnosis", -1)):
        rows = [
            row(ARM_NAMES[arm], STARTS[start], [cell(by_place[arm, start, site][measure], None, better) for site in sites])
            for arm, start in _rows(differences)
        ]
        blocks.append(f"<h3>{name}</h3>{table(['Arm', *sites], rows)}")
    lede = "Minus real only, on the same resamples of patients. Coloured where the interval does not hold 0: green for better, red for worse."
    return section("Against real only", lede, "".join(blocks))


def heat_section(arms: list[dict[str, Any]]) -> str:
    """Underdiagnosis by cell, of all sites together, of the arms from random weights."""
    last = arms[-1]["site"]
    maps = [
        f"<div><h3>{ARM_NAMES[arm['arm']]}</h3>{heat_map(arm['cells'])}</div>"
        for arm in arms
        if arm["site"] == last and arm["initialisation"] == "Scratch"
    ]
    lede = f"Underdiagnosis by sex, age and race, {last}, from random weights. {NOTE}"
    return section("Who is underdiagnosed", lede, f'<div class="maps">{"".join(maps)}</div>')


def curve_section(curves: list[dict[str, Any]]) -> str:
    """Validation over the steps; SyntheticOnly is validated on synthetic images."""
    charts = []
    for start, name in STARTS.items():
        chosen = [curve for curve in curves if curve["initialisation"] == start]
        for measure, title in (("validationLoss", "Validation loss"), ("validationAuroc", "Validation AUROC")):
            lines = [
                (ARM_NAMES[curve["arm"]], COLOURS[curve["arm"]], [(point["step"], point[measure]) for point in curve["points"] if point[measure] is not None])
                for curve in chosen
            ]
            charts.append(chart(f"{title}, {name}", lines))
    lede = "A line for each seed. Synthetic only is validated on synthetic images, the others on real ones; finetuning is shown without what went before."
    return section("Curves", lede, f'<div class="charts">{"".join(charts)}</div>')


def _means(seeds: int) -> str:
    return "One seed." if seeds == 1 else f"Means over {seeds} seeds."
