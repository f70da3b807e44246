"""Deficit minus Balanced, from the predictions of the last round: means over seeds, by the statistics of a comparison.

    python loop.py FOLDER [--tables FILE]
FOLDER/SEED/ARM-ROUND/training/evaluate/predictions.parquet are those of `loop.ts`.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cohortfarm_trainer.data.predictions import read_predictions  # noqa: E402
from cohortfarm_trainer.evaluation.comparison import ENDPOINTS, MACRO, Key, Runs, difference_of, mean_of, measured, with_macro  # noqa: E402
from cohortfarm_trainer.evaluation.contrast import holm  # noqa: E402
from cohortfarm_trainer.evaluation.measure import Measurement, Rules, Site, pooled  # noqa: E402
from cohortfarm_trainer.report.parts import number, with_interval  # noqa: E402

ARMS = ("Balanced", "Deficit")
LAST = 2
AGES = ["18-39", "40-59", "60-79", "80-90"]
BOOTSTRAPS = 1000
NAMES = {
    "auroc": "AUROC, mean over the findings",
    "underdiagnosis": "Underdiagnosis",
    "betweenSd": "Standard deviation of underdiagnosis between groups",
    "matchedBetweenSd": "The same where 80 % of the ill are recognised",
}


def measure(folder: Path, seed: int) -> list[Measurement]:
    """One model on every site, and on all together."""
    path = folder / "training/evaluate/predictions.parquet"
    found = read_predictions(path.read_bytes(), str(path))
    (thresholds,) = found.thresholds.values()
    sites = found.table["site"].to_numpy(str)
    scored = [Site(site, *found.take(sites == site)) for site in sorted(set(sites))]
    rules = Rules(found.labels, [thresholds[label] for label in found.labels], AGES, BOOTSTRAPS, seed)
    return [Measurement(site, rules, finest_only=True) for site in [*scored, pooled(scored)]]


def images_of(folder: Path) -> dict[str, int]:
    """The cells of a round that got images, and how many they got at least and at most."""
    cells = [cell for cell in json.loads((folder / "dataset.json").read_text())["cells"] if cell["accepted"] > 0]
    return {"cells": len(cells), "most": max(cell["accepted"] for cell in cells), "least": min(cell["accepted"] for cell in cells)}


def estimate(runs: Runs, name: str) -> str:
    found = mean_of(runs, name)
    return "–" if found is None or found["value"] is None else with_interval(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", type=Path)
    args = parser.parse_args()
    seeds = sorted(int(path.name) for path in args.folder.iterdir() if path.name.isdigit())
    runs: dict[Key, Runs] = {}
    for arm in ARMS:
        for seed in seeds:
            for one in measure(args.folder / str(seed) / f"{arm}-{LAST}", seeds[0]):
                runs.setdefault(Key(arm, None, "Scratch", one.site.name), []).append((seed, measured(one)))
    runs = with_macro(runs)
    rows = ["| measure, mean over the sites | Balanced | Deficit | Deficit minus Balanced | p |", "| --- | --- | --- | --- | --- |"]
    balanced, deficit = (runs[Key(arm, None, "Scratch", MACRO)] for arm in ARMS)
    found = {name: difference_of(deficit, balanced, name, LAST) for name in ENDPOINTS}
    others = [name for name in ENDPOINTS[1:] if found[name]]
    adjusted = dict(zip(others, holm([apart["p"] for name in others if (apart := found[name])])))
    for name, apart in found.items():
        minus = "–" if apart is None else with_interval(dict(apart))
        p = "–" if apart is None else number(adjusted.get(name, apart["p"]))
        rows.append(f"| {NAMES[name]} | {estimate(balanced, name)} | {estimate(deficit, name)} | {minus} | {p} |")
    lines = [f"{len(seeds)} seeds", "", *rows, "", "| round | cells | images in a cell, least to most |", "| --- | --- | --- |"]
    for seed in seeds:
        for step in range(1, LAST + 1):
            grown = images_of(args.folder / str(seed) / f"Deficit-{step}")
            lines.append(f"| seed {seed}, round {step} of Deficit | {grown['cells']} | {grown['least']} to {grown['most']} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if args.tables:
        args.tables.write_text(text)


if __name__ == "__main__":
    main()
