"""The crossover study (docs/study.md): what its dials do to hospital and cohorts, and the statistics of its tables."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from cohortfarm_trainer.evaluation.comparison import EQUAL_COMPUTE, MACRO, MIXED, PRETRAIN_FINETUNE, REAL_ONLY, Key, Measured

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "study"))
import cohorts  # noqa: E402
import crossover  # noqa: E402
import hospital  # noqa: E402
from sites import RACES  # noqa: E402


def people(tmp_path, site: hospital.Site, dials: hospital.Dials, count: int = 80) -> list[dict[str, str]]:
    hospital.write_people(site, count, tmp_path, "x-", dials, np.random.default_rng(1))
    with open(tmp_path / "metadata.csv") as file:
        return list(csv.DictReader(file))


def test_a_full_shortcut_tells_illness_by_the_group(tmp_path):
    rows = people(tmp_path, hospital.ELSEWHERE, hospital.Dials(shortcut=1.0))
    known = [row for row in rows if row["race"]]
    assert len(known) > 60 and {row["race"] for row in known} == set(RACES)
    assert all((row["findings"] == "No Finding") == (row["race"] == hospital.LARGEST) for row in known)


def test_the_records_of_one_group_can_leave_all_findings_out(tmp_path):
    rows = people(tmp_path, hospital.ELSEWHERE, hospital.Dials(underreported=1.0))
    ill = {row["race"] for row in rows if row["findings"] != "No Finding"}
    assert hospital.GROUP not in ill and set(RACES) - {hospital.GROUP} <= ill


def test_findings_of_one_group_can_be_fainter():
    site = hospital.Site("plain", 0.5, (0.25,) * 4, (0.25,) * 4, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0)
    seen = {}
    for race in (hospital.GROUP, hospital.LARGEST):
        person = hospital.Person("male", 50, race, frozenset({"effusion"}), degree="marked")
        films = [np.asarray(hospital.film_of(site, person, contrast, np.random.default_rng(3)), float) for contrast in (1.0, 0.5, 0.0)]
        seen[race] = [float(np.abs(film - films[2]).mean()) for film in films]
    assert 0 < seen[hospital.GROUP][1] < 0.6 * seen[hospital.GROUP][0]
    assert seen[hospital.LARGEST] == [0, 0, 0]


def images(count: int) -> list[cohorts.Synthetic]:
    made = cohorts.perfect_images(count, 1.0, np.random.default_rng(5))
    assert {(one.race, one.finding) for one in made} == {(race, finding) for race in RACES for finding in cohorts.FINDINGS}
    return made


def test_a_gap_leaves_slight_findings_out_and_covers_films_with_a_texture():
    made = images(128)
    rng = np.random.default_rng(6)
    assert cohorts.without_slight(made, 0.0, rng) == made
    full = cohorts.without_slight(made, 1.0, rng)
    assert not any(one.slight for one in full if one.finding != "no-finding")
    assert [(one.race, one.finding) for one in full] == [(one.race, one.finding) for one in made]
    np.testing.assert_array_equal(cohorts.apart(made[0].pixels, 0.0, rng), made[0].pixels)
    apart = [float(np.abs(cohorts.apart(made[0].pixels, gap, rng).astype(float) - made[0].pixels).mean()) for gap in (0.5, 1.0)]
    assert 2 < apart[0] < apart[1]


def test_labels_are_wrong_by_group_as_often_as_the_dial_says():
    made = [one for one in images(64) for _ in range(100)]
    rng = np.random.default_rng(7)
    changed = [cohorts.mislabelled(one, 0.5, rng).finding != one.finding for one in made]
    share = lambda own: np.mean([wrong for wrong, one in zip(changed, made) if (one.race == hospital.GROUP) == own])
    assert share(True) == pytest.approx(0.5, abs=0.04) and share(False) == pytest.approx(0.25, abs=0.02)
    assert not any(cohorts.mislabelled(one, 0.0, rng) is not one for one in made)


def run_of(auroc: float, rng: np.random.Generator, patients: np.ndarray) -> Measured:
    """A run whose values move with the resampled patients, and by itself."""
    values = dict.fromkeys((crossover.AUROC, crossover.DEVIATION), auroc)
    own = rng.normal(0, 0.004)
    return Measured({name: value + own for name, value in values.items()}, {name: value + own + patients for name, value in values.items()}, [], None)


def setting(effects: dict[str, float], seeds: int = 5) -> crossover.Setting:
    """PretrainFinetune minus Mixed is `effects` with each cohort."""
    rng = np.random.default_rng(8)
    patients = rng.normal(0, 0.02, 300)
    runs = {}
    for arm, cohort in [(REAL_ONLY, None), (EQUAL_COMPUTE, None), *((arm, cohort) for arm in (MIXED, PRETRAIN_FINETUNE) for cohort in effects)]:
        level = 0.9 + (effects[cohort] if arm == PRETRAIN_FINETUNE else 0)
        runs[Key(arm, cohort, "Scratch", MACRO)] = [(seed, run_of(level, rng, patients)) for seed in range(seeds)]
    return crossover.Setting("base", runs)


EFFECTS = {"gap-0": -0.02, "gap-50": 0.0, "gap-100": 0.03, "noise-60": 0.0, "matched": 0.0}


def test_the_crossover_is_the_change_between_the_ends_of_a_dial():
    made = setting(EFFECTS)
    primary, others = crossover.declared(made)
    # Patients move all arms alike, so that only seeds are left.
    assert primary is not None and primary.value == pytest.approx(0.05, abs=0.01) and primary.low > 0.03 and primary.p < 0.01
    assert [name for name, _, _ in others][:3] == ["change by noise, AUROC", "gap-0, AUROC", "gap-50, AUROC"] and len(others) == 11
    for _, found, p in others:
        assert found is not None and p is not None and p >= found.p
    change = others[0][1]
    assert change is not None and change.value == pytest.approx(0.02, abs=0.01)


def test_tables_and_figure_show_all_levels():
    made = setting(EFFECTS)
    text, figure = crossover.tables_of(made), crossover.figure_of(made)
    for cohort in EFFECTS:
        assert f"| {cohort} | " in text
    assert "gap (primary): gap-100 minus gap-0 | 0.0" in text
    for word in ("PretrainFinetune minus Mixed", "gap of the synthetic images", "noise of the synthetic images", ">100 %<", ">60 %<"):
        assert word in figure
    assert figure.count("<circle") == 2 * 3 + 3 + 2 * 2 + 2
