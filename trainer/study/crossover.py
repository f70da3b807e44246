"""Tables and figure of the crossover study, from the predictions of its runs, by the statistics of a comparison.

    python crossover.py FOLDER [--tables FILE] [--figure FILE] [--processes 2]
FOLDER/SETTING/compare/runs/ARM-COHORT-scratch-SEED/predictions.parquet are those of `crossover.ts`.

Declared before any run, for the setting `base`: PretrainFinetune minus Mixed, in AUROC as a mean over findings and sites, at the
largest gap, minus the same without a gap. That is the primary end point; the prediction is that it is above 0. All others
are corrected by Holm's method: the same for noise; and PretrainFinetune minus Mixed with each cohort, in AUROC and in the
deviation of underdiagnosis between groups where 80 % of the ill are recognised. Other settings are a family each.
"""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cohortfarm_trainer.data.predictions import read_predictions  # noqa: E402
from cohortfarm_trainer.evaluation.comparison import (  # noqa: E402
    EQUAL_COMPUTE,
    MACRO,
    MIXED,
    PRETRAIN_FINETUNE,
    REAL_ONLY,
    Key,
    Measured,
    Runs,
    mean_of,
    measured,
    values_of,
    with_macro,
)
from cohortfarm_trainer.evaluation.contrast import Contrast, contrast, holm  # noqa: E402
from cohortfarm_trainer.evaluation.measure import Measurement, Rules, Site  # noqa: E402
from cohortfarm_trainer.report.parts import number, with_interval  # noqa: E402

AUROC, DEVIATION = "auroc", "matchedBetweenSd"
DIALS = ("gap", "noise")
PLAIN = "gap-0"  # the generator as it is: no gap, no noise
START = "Scratch"


def measure(path: Path, ages: list[str], bootstraps: int, seed: int) -> dict[str, Measured]:
    """One run, by site."""
    found = read_predictions(path.read_bytes(), str(path))
    (thresholds,) = found.thresholds.values()
    sites = found.table["site"].to_numpy(str)
    rules = Rules(found.labels, [thresholds[label] for label in found.labels], ages, bootstraps, seed)
    return {site: measured(Measurement(Site(site, *found.take(sites == site)), rules, finest_only=True)) for site in sorted(set(sites))}


def read_runs(folder: Path, pool: Executor) -> dict[Key, Runs]:
    """The mean over the sites of all runs of a setting."""
    config = json.loads((folder.parent / "compare.json").read_text())
    cohorts = [one["name"] for one in config["compare"]["synthetic"]]
    seeds = range(config["seed"], config["seed"] + config["compare"]["seeds"])
    arms = [(arm, cohort) for arm in (MIXED, PRETRAIN_FINETUNE) for cohort in cohorts]
    named = [(arm, cohort, seed) for arm, cohort in [(REAL_ONLY, None), (EQUAL_COMPUTE, None), *arms] for seed in seeds]
    parts = [[str(part) for part in (arm, cohort, START, seed) if part is not None] for arm, cohort, seed in named]
    paths = [folder / "runs" / "-".join(part).lower() / "predictions.parquet" for part in parts]
    how = (repeat(config["ageBins"]), repeat(config["bootstraps"]), repeat(config["seed"]))
    runs: dict[Key, Runs] = {}
    for (arm, cohort, seed), found in zip(named, pool.map(measure, paths, *how)):
        for site, one in found.items():
            runs.setdefault(Key(arm, cohort, START, site), []).append((seed, one))
    return {key: value for key, value in with_macro(runs).items() if key.site == MACRO}


class Setting:
    """What was measured in one setting."""

    def __init__(self, name: str, runs: dict[Key, Runs]):
        self.name, self.runs = name, runs
        self.cohorts = list(dict.fromkeys(key.synthetic for key in runs if key.synthetic is not None))
        self.seeds = len(next(iter(runs.values())))

    def of(self, arm: str, cohort: str | None) -> Runs:
        return self.runs[Key(arm, cohort, START, MACRO)]

    def combined(self, terms: list[tuple[int, str, str | None]], name: str) -> Contrast | None:
        """A sum of arms with signs, seed by seed on the same resamples."""
        parts = [(sign, self.of(arm, cohort)) for sign, arm, cohort in terms]
        known = [(sign, found) for sign, runs in parts if (found := values_of(runs, name)) is not None]
        if len(known) < len(parts):
            return None
        values = np.sum([sign * np.array(found) for sign, found in known], 0)
        replicates = np.sum([sign * np.stack([one.replicates[name] for _, one in runs]) for sign, runs in parts], 0)
        return contrast(values, replicates, [2026, self.seeds])

    def alone(self, arm: str, cohort: str) -> Contrast | None:
        return self.combined([(1, arm, cohort)], AUROC)

    def finetuned_minus_mixed(self, cohort: str, name: str = AUROC) -> Contrast | None:
        return self.combined([(1, PRETRAIN_FINETUNE, cohort), (-1, MIXED, cohort)], name)

    def change(self, cohort: str, name: str = AUROC) -> Contrast | None:
        """PretrainFinetune minus Mixed with a cohort, minus the same with the plain one."""
        return self.combined([(1, PRETRAIN_FINETUNE, cohort), (-1, MIXED, cohort), (-1, PRETRAIN_FINETUNE, PLAIN), (1, MIXED, PLAIN)], name)

    def largest(self, dial: str) -> str:
        return max((one for one in self.cohorts if one.startswith(f"{dial}-")), key=level)


def level(cohort: str) -> int:
    return int(cohort.rsplit("-", 1)[1])


def declared(setting: Setting) -> tuple[Contrast | None, list[tuple[str, Contrast | None, float | None]]]:
    """The primary end point, and the others of the family with their adjusted p-values."""
    others: list[tuple[str, Contrast | None]] = [("change by noise, AUROC", setting.change(setting.largest("noise")))]
    for name, words in ((AUROC, "AUROC"), (DEVIATION, "deviation")):
        others += [(f"{cohort}, {words}", setting.finetuned_minus_mixed(cohort, name)) for cohort in setting.cohorts]
    adjusted = iter(holm([found.p for _, found in others if found is not None]))
    return setting.change(setting.largest("gap")), [(name, found, None if found is None else next(adjusted)) for name, found in others]


def shown(found: Contrast | None) -> str:
    return "–" if found is None else with_interval(dict(vars(found)))


def estimate(runs: Runs, name: str = AUROC) -> str:
    found = mean_of(runs, name)
    return "–" if found is None else with_interval(found)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def p_value(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else number(p)


def tables_of(setting: Setting) -> str:
    primary, others = declared(setting)
    adjusted = {name: p for name, _, p in others}
    rows = [
        [
            cohort,
            estimate(setting.of(MIXED, cohort)),
            estimate(setting.of(PRETRAIN_FINETUNE, cohort)),
            shown(setting.finetuned_minus_mixed(cohort)),
            p_value(adjusted[f"{cohort}, AUROC"]),
        ]
        for cohort in setting.cohorts
    ]
    real = [[name, estimate(setting.of(arm, None)), estimate(setting.of(arm, None), DEVIATION)] for arm, name in ((REAL_ONLY, "RealOnly"), (EQUAL_COMPUTE, "RealOnlyEqualCompute"))]
    spread = [
        [
            cohort,
            estimate(setting.of(MIXED, cohort), DEVIATION),
            estimate(setting.of(PRETRAIN_FINETUNE, cohort), DEVIATION),
            shown(setting.finetuned_minus_mixed(cohort, DEVIATION)),
            p_value(adjusted[f"{cohort}, deviation"]),
        ]
        for cohort in setting.cohorts
    ]
    against = [
        [cohort, *(shown(setting.combined([(1, arm, cohort), (-1, EQUAL_COMPUTE, None)], AUROC)) for arm in (MIXED, PRETRAIN_FINETUNE))]
        for cohort in setting.cohorts
    ]
    noise, noise_p = others[0][1:]
    ends = [
        [f"gap (primary): {setting.largest('gap')} minus {PLAIN}", shown(primary), p_value(None if primary is None else primary.p)],
        [f"noise: {setting.largest('noise')} minus {PLAIN}", shown(noise), p_value(noise_p)],
    ]
    columns = ["cohort", "Mixed", "PretrainFinetune", "PretrainFinetune minus Mixed", "p, Holm"]
    parts = [
        (f"Setting {setting.name}, {setting.seeds} seeds: change of PretrainFinetune minus Mixed, AUROC", table(["dial", "change", "p"], ends)),
        ("AUROC, mean over findings and sites", table(columns, rows)),
        ("Deviation of underdiagnosis between groups where 80 % of the ill are recognised", table(columns, spread)),
        ("Real images alone", table(["arm", "AUROC", "deviation"], real)),
        ("AUROC minus that of RealOnlyEqualCompute", table(["cohort", "Mixed", "PretrainFinetune"], against)),
    ]
    return "\n\n".join(f"**{title}**\n\n{rows}" for title, rows in parts) + "\n"


WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 380, 300, 64, 34, 46
GREEN, VIOLET, GREY = "#0f766e", "#7c3aed", "#6b7280"


def panel(x: int, title: str, dial: str, lines: list[tuple[str, str, list[tuple[int, Contrast]]]], zero: bool) -> str:
    """One figure: points with their intervals over the levels of a dial."""
    ends = [end for _, _, points in lines for _, one in points for end in (one.low, one.high)] + [0.0] * zero
    low, high = min(ends), max(ends)
    low, high = low - (high - low) * 0.06, high + (high - low) * 0.06
    right = max(one for _, _, points in lines for one, _ in points)
    at_x = lambda value: x + LEFT + 14 + (WIDTH - LEFT - 40) * value / right
    at_y = lambda value: TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)
    parts = [f'<text x="{x + LEFT}" y="20" font-weight="600">{title}</text>']
    for value in np.linspace(low, high, 5):
        parts.append(f'<line x1="{x + LEFT}" x2="{x + WIDTH - 12}" y1="{at_y(value):.1f}" y2="{at_y(value):.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{x + LEFT - 8}" y="{at_y(value) + 4:.1f}" text-anchor="end" fill="{GREY}">{number(float(value))}</text>')
    if zero:
        parts.append(f'<line x1="{x + LEFT}" x2="{x + WIDTH - 12}" y1="{at_y(0):.1f}" y2="{at_y(0):.1f}" stroke="#374151" stroke-dasharray="5 4"/>')
    for value in sorted({value for _, _, points in lines for value, _ in points}):
        parts.append(f'<text x="{at_x(value):.1f}" y="{HEIGHT - 26}" text-anchor="middle" fill="{GREY}">{value} %</text>')
    parts.append(f'<text x="{x + (LEFT + WIDTH) / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle" fill="{GREY}">{dial}</text>')
    for shift, (name, colour, points) in enumerate(lines):
        places = [(at_x(value) + 5 * shift - 2.5 * (len(lines) - 1), one) for value, one in points]
        way = " ".join(f"{place:.1f},{at_y(one.value):.1f}" for place, one in places)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for place, one in places:
            parts.append(f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{at_y(one.low):.1f}" y2="{at_y(one.high):.1f}" stroke="{colour}" stroke-width="1.5"/>')
            parts.append(f'<circle cx="{place:.1f}" cy="{at_y(one.value):.1f}" r="4" fill="{colour}"/>')
        if name:
            parts.append(f'<text x="{x + LEFT + 8}" y="{HEIGHT - BOTTOM - 8 - 16 * (len(lines) - 1 - shift)}" fill="{colour}">{name}</text>')
    return "".join(parts)


def figure_of(setting: Setting) -> str:
    """Above the two arms, below their difference, over gap and noise."""

    def over(dial: str, value: Callable[[str], Contrast | None]) -> list[tuple[int, Contrast]]:
        cohorts = sorted({PLAIN, *(one for one in setting.cohorts if one.startswith(f"{dial}-"))}, key=level)
        return [(level(one), found) for one in cohorts if (found := value(one)) is not None]

    rows = []
    for i, dial in enumerate(DIALS):
        arms = [(arm, colour, over(dial, partial(setting.alone, arm))) for arm, colour in ((PRETRAIN_FINETUNE, GREEN), (MIXED, VIOLET))]
        rows.append((0, panel(i * WIDTH, "AUROC", f"{dial} of the synthetic images", arms, zero=False)))
        apart = [("", GREEN, over(dial, setting.finetuned_minus_mixed))]
        rows.append((HEIGHT, panel(i * WIDTH, "PretrainFinetune minus Mixed", f"{dial} of the synthetic images", apart, zero=True)))
    body = "".join(f'<g transform="translate(0 {y})">{part}</g>' for y, part in rows)
    size = (2 * WIDTH, 2 * HEIGHT)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>{body}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    done = sorted(args.folder.glob("*/compare/metrics.json"), key=lambda path: path.stat().st_mtime)
    with ProcessPoolExecutor(args.processes) as pool:
        settings = [Setting(path.parents[1].name, read_runs(path.parent, pool)) for path in done]
    text = "\n".join(map(tables_of, settings))
    print(text)
    if args.tables:
        args.tables.write_text(text)
    if args.figure:
        args.figure.write_text(figure_of(next(one for one in settings if one.name == "base")))


if __name__ == "__main__":
    main()
