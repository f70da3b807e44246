"""The arms of a comparison side by side."""

from html import escape
from typing import Any

from .curves import chart
from .heat import NOTE, heat_map
from .parts import STARTS, arm_name, cell, interval, number, row, scale_of, section, sites_of, table

COLOURS = {
    "RealOnly": "var(--c0)",
    "Mixed": "var(--c1)",
    "SyntheticOnly": "var(--c2)",
    "PretrainFinetune": "var(--c3)",
    "RealOnlyEqualCompute": "var(--c4)",
    "RealOnlyReweighted": "var(--c5)",
    "RealOnlyGroupDRO": "var(--c6)",
    "MixedFinetune": "var(--c7)",
    "PretrainFinetuneReplay": "var(--c8)",
    "PretrainFinetuneBalanced": "var(--c9)",
}


def comparison_sections(comparison: dict[str, Any]) -> list[str]:
    arms = comparison["arms"]
    seeds = len(arms[0]["seeds"])
    lede = f"{_means(seeds)} {_steps(comparison)} "
    return [
        primary_section(comparison),
        section("AUROC", lede + "Mean over the findings; higher is better.", arm_table(arms, "auroc")),
        section(
            "Who is missed more often than others",
            "Standard deviation of underdiagnosis between the intersections of sex, age and race, noise, site and finding taken out; lower is better.",
            arm_table(arms, "betweenSd") + "<h3>At 80 % sensitivity</h3>" + arm_table(arms, "matchedBetweenSd"),
        ),
        section(
            "Gap of underdiagnosis",
            "Between the most and the least underdiagnosed cell. A gap of many small cells is large without any effect of groups, and "
            "larger the more is missed of all: the second table has what is above that.",
            arm_table(arms, "gap") + "<h3>Above chance</h3>" + noise_table(arms) + "<h3>90th minus 10th percentile of the cells</h3>" + arm_table(arms, "robustGap"),
        ),
        section("Overdiagnosis", "Share of images without a finding that are not called no-finding; lower is better.", arm_table(arms, "overdiagnosis")),
        section("Underdiagnosis", "Share of images with a finding that are called no-finding; lower is better.", arm_table(arms, "underdiagnosis")),
        contrast_section(comparison["contrasts"]),
        heat_section(arms),
        curve_section(comparison["curves"]),
    ]


def _steps(comparison: dict[str, Any]) -> str:
    """How long the arms were trained, and on what."""
    arms = {arm["arm"] for arm in comparison["arms"]}
    parts = [
        f"Pretraining takes {comparison['syntheticSteps']} steps on synthetic images, finetuning and the arms on real images alone "
        f"{comparison['realSteps']} steps of {comparison['batchSize']} images."
    ]
    equal = [name for arm, name in (("RealOnlyEqualCompute", "real only at equal compute"), ("Mixed", "mixed")) if arm in arms]
    if equal:
        names = " and ".join(equal)
        verb = "take" if len(equal) > 1 else "takes"
        parts.append(f"{names[0].upper()}{names[1:]} {verb} {comparison['equalComputeSteps']} steps, as many images as pretraining and finetuning together.")
    if arms & {"Mixed", "MixedFinetune"}:
        parts.append(f"Of each mixed batch {_percent(comparison['mixedShare'])} is synthetic.")
    if "replayShare" in comparison:
        parts.append(f"With replay, {_percent(comparison['replayShare'])} of each batch of finetuning is synthetic.")
    return " ".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def arm_table(arms: list[dict[str, Any]], measure: str) -> str:
    """A row for each arm and initialisation, a column for each site."""
    sites = sites_of(arms)
    scale = scale_of([arm[measure] for arm in arms])
    by_place = {(*name_of(arm), arm["site"]): arm for arm in arms}
    rows = [
        row(name, STARTS[start], [cell(by_place[name, start, site][measure], scale) for site in sites])
        for name, start in _rows(arms)
    ]
    return table(["Arm", *sites], rows)


def _rows(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    pairs = list(dict.fromkeys(map(name_of, entries)))
    return sorted(pairs, key=lambda pair: list(STARTS).index(pair[1]))


def name_of(entry: dict[str, Any]) -> tuple[str, str]:
    """What an arm is called, and its initialisation."""
    return arm_name(entry["arm"], entry.get("synthetic")), entry["initialisation"]


def contrast_name(one: dict[str, Any]) -> str:
    """`Pretrain, then finetune minus real only`; cohorts are named where there are several, once where both are the same."""
    own, other = one.get("synthetic"), one.get("minusSynthetic")
    minus = arm_name(one["minus"], None if own == other else other)
    return f"{arm_name(one['arm'], own)} minus {minus[0].lower()}{minus[1:]}"


ENDPOINTS = {
    "auroc": ("AUROC", 1),
    "underdiagnosis": ("Underdiagnosis", -1),
    "betweenSd": ("Deviation of underdiagnosis between groups", -1),
    "matchedBetweenSd": ("The same at 80 % sensitivity", -1),
}


def primary_section(comparison: dict[str, Any]) -> str:
    """The one contrast that was declared before the run."""
    declared = comparison["primary"]
    name = f"{contrast_name(declared)}, {ENDPOINTS[declared['endpoint']][0]}, {STARTS[declared['initialisation']]}"
    found = [one for one in comparison["contrasts"] if one["primary"]]
    if not found:
        return section("Primary end point", f"Declared before the run: {name}. It could not be measured.", "")
    one = found[0]
    body = table(["", one["site"]], [row(name, "", [contrast_cell(one)])])
    return section("Primary end point", "Declared before the run, and tested alone.", body)


def contrast_section(contrasts: list[dict[str, Any]]) -> str:
    """Every arm minus another, by site."""
    if not contrasts:
        return ""
    sites = sites_of(contrasts)
    by_place = {(one["endpoint"], contrast_name(one), one["initialisation"], one["site"]): one for one in contrasts}
    blocks = []
    for endpoint, (name, _) in ENDPOINTS.items():
        pairs = dict.fromkeys((contrast_name(one), one["initialisation"]) for one in contrasts if one["endpoint"] == endpoint)
        rows = [row(name, STARTS[start], [contrast_cell(by_place.get((endpoint, name, start, site))) for site in sites]) for name, start in pairs]
        blocks.append(f"<h3>{name}</h3>{table(['Contrast', *sites], rows)}")
    lede = (
        f"Intervals are of seeds and patients together. p-values are those of {sites[0]}, by Holm's correction for all contrasts but the primary one; "
        "coloured where they are below 0.05: green for better, red for worse."
    )
    return section("Contrasts", lede, "".join(blocks))


def contrast_cell(one: dict[str, Any] | None) -> str:
    """Coloured only where the corrected p-value allows it."""
    if one is None:
        return cell(None)
    better = ENDPOINTS[one["endpoint"]][1]
    sure = one["pAdjusted"] is not None and one["pAdjusted"] < 0.05
    kind = (' class="better"' if one["value"] * better > 0 else ' class="worse"') if sure else ""
    chance = "" if one["pAdjusted"] is None else f"<small>p {number(one['pAdjusted'])}</small>"
    return f"<td><b{kind}>{number(one['value'], signed=True)}</b><small>{interval(one, True)}</small>{chance}</td>"


def noise_table(arms: list[dict[str, Any]]) -> str:
    """Beside each gap what it would be without any effect of groups."""
    shown = [arm for arm in arms if arm["countedCells"] is not None]
    sites = sites_of(shown)
    by_place = {(*name_of(arm), arm["site"]): arm for arm in shown}
    rows = [
        row(
            name,
            STARTS[start],
            [
                f"<td><b>{number(one['excess'], signed=True)}</b><small>expected {number(one['expectedGap'])}</small><small>{one['countedCells']} cells</small></td>"
                for one in (by_place[name, start, site] for site in sites)
            ],
        )
        for name, start in _rows(shown)
    ]
    return table(["Arm", *sites], rows)


def heat_section(arms: list[dict[str, Any]]) -> str:
    """Underdiagnosis by cell, of all sites together, of the arms from random weights."""
    last = arms[-1]["site"]
    maps = [
        f"<div><h3>{escape(name_of(arm)[0])}</h3>{heat_map(arm['cells'])}</div>"
        for arm in arms
        if arm["site"] == last and arm["initialisation"] == "Scratch"
    ]
    lede = f"Underdiagnosis by sex, age and race, {last}, from random weights. {NOTE}"
    return section("Who is underdiagnosed", lede, f'<div class="maps">{"".join(maps)}</div>')


def curve_section(curves: list[dict[str, Any]]) -> str:
    """Validation over the steps; SyntheticOnly is validated on synthetic images."""
    charts = []
    cohorts = list(dict.fromkeys(curve["synthetic"] for curve in curves if "synthetic" in curve))
    dashes = {name_of(curve)[0]: dash_of(cohorts.index(curve["synthetic"])) for curve in curves if "synthetic" in curve}
    for start, name in STARTS.items():
        chosen = [curve for curve in curves if curve["initialisation"] == start]
        for measure, title in (("validationLoss", "Validation loss"), ("validationAuroc", "Validation AUROC")):
            lines = [
                (name_of(curve)[0], COLOURS[curve["arm"]], [(point["step"], point[measure]) for point in curve["points"] if point[measure] is not None])
                for curve in chosen
            ]
            charts.append(chart(f"{title}, {name}", lines, dashes=dashes))
    lede = "A line for each seed, dashed by synthetic cohort where there are several. Synthetic only is validated on synthetic images, the others on real ones; finetuning is shown without what went before."
    return section("Curves", lede, f'<div class="charts">{"".join(charts)}</div>')


def dash_of(cohort: int) -> str:
    """Lines of the first cohort are not dashed; of each further one they have one more dot after each dash."""
    return " ".join(["7 3"] + ["1.5 3"] * (cohort - 1)) if cohort else ""


def _means(seeds: int) -> str:
    return "One seed." if seeds == 1 else f"Means over {seeds} seeds."
