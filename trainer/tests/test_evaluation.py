"""Scores and gaps against tables worked by hand, and resamples against scikit-learn."""

import numpy as np
import pandas
import pytest
from fairlearn.metrics import equalized_odds_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, recall_score, roc_auc_score

from cohortfarm_trainer.data.records import Records
from cohortfarm_trainer.evaluation.bootstrap import estimate, resamples
from cohortfarm_trainer.evaluation.contrast import contrast, holm
from cohortfarm_trainer.evaluation.entry import evaluation_of
from cohortfarm_trainer.evaluation.excess import Patients, permuted, spread
from cohortfarm_trainer.evaluation.figures import curves_of
from cohortfarm_trainer.evaluation.groups import FALSE_POSITIVES, disparity, errors_of, gap, groupings, smooth
from cohortfarm_trainer.evaluation.measure import Measurement, Rules, Site, pooled
from cohortfarm_trainer.evaluation.noise import Noise
from cohortfarm_trainer.evaluation.scores import calibration_error, weighted_auroc, weighted_average_precision
from cohortfarm_trainer.evaluation.thresholds import best_threshold


def records_of(labels, sex, age, race, patients=None) -> Records:
    n = len(labels)
    zero = np.zeros(n, np.int64)
    return Records(
        patients=np.array(patients if patients is not None else [f"p{i}" for i in range(n)]),
        labels=np.array(labels, np.float32),
        sex=np.array(sex),
        race=np.array(race),
        age=np.array(age, np.float32),
        part=np.full(n, ""),
        site=np.full(n, ""),
        blob=zero.astype(np.int32),
        offset=zero,
        size=zero,
        blobs=(),
    )


# Images with a finding by cell, and how many of them the model calls no-finding. Of age 50 unless said.
#   female WHITE 40, 10 missed   (10.5 / 41)
#   female BLACK 30, 15 missed   (15.5 / 31)
#   male   WHITE 20,  2 missed   (2.5 / 21)
#   male   BLACK 19,  9 missed   too few: not counted
#   male   unknown 25, 25 missed  unknown: not counted
TABLE = [("female", "WHITE", 40, 10), ("female", "BLACK", 30, 15), ("male", "WHITE", 20, 2), ("male", "BLACK", 19, 9), ("male", "unknown", 25, 25)]
HEALTHY = 12  # in each cell, all called no-finding


def table_site() -> Site:
    labels, scores, sex, race = [], [], [], []
    for one_sex, one_race, ill, missed in TABLE:
        for i in range(ill + HEALTHY):
            healthy = i >= ill
            labels.append([float(healthy), float(not healthy)])
            called = healthy or i < missed
            scores.append([0.9 if called else 0.1, 0.2 if called else 0.8])
            sex.append(one_sex)
            race.append(one_race)
    return Site("a", records_of(labels, sex, [50] * len(sex), race), np.array(scores))


RULES = Rules(["no-finding", "edema"], [0.5, 0.5], ["18-39", "40-59"], 200, 1)


def find(evaluation, label, grouping, rate=None, point="Validation"):
    rate = rate or ("FalsePositiveRate" if label == "no-finding" else "FalseNegativeRate")
    wanted = (label, grouping, rate, point)
    return next(one for one in evaluation["disparities"] if (one["label"], one["grouping"], one["rate"], one["operatingPoint"]) == wanted)


def test_underdiagnosis_of_a_table_worked_by_hand():
    evaluation = evaluation_of(Measurement(table_site(), RULES), "m")
    found = find(evaluation, "no-finding", ["sex", "age", "race"])
    assert found["rate"] == "FalsePositiveRate"
    cells = {(cell["cell"]["sex"], cell["cell"]["race"]): cell for cell in found["cells"]}
    assert [(cells[s, r]["errors"], cells[s, r]["of"], cells[s, r]["counted"]) for s, r, _, _ in TABLE] == [
        (10, 40, True),
        (15, 30, True),
        (2, 20, True),
        (9, 19, False),
        (25, 25, False),
    ]
    assert cells["female", "WHITE"]["rate"] == pytest.approx(0.25)
    assert cells["female", "WHITE"]["smoothed"] == pytest.approx(10.5 / 41)
    assert found["gap"]["value"] == pytest.approx(15.5 / 31 - 2.5 / 21)
    rates = sorted([10.5 / 41, 15.5 / 31, 2.5 / 21])
    # Linear between the three: the 90th percentile lies 0.8 of the way from the middle one to the largest.
    high, low = rates[1] + 0.8 * (rates[2] - rates[1]), rates[0] + 0.2 * (rates[1] - rates[0])
    assert found["robustGap"]["value"] == pytest.approx(high - low)
    assert found["gap"]["low"] <= found["gap"]["value"] + 0.2 and found["gap"]["high"] > 0
    assert evaluation["underdiagnosis"]["value"] == pytest.approx(61 / 134)


def test_for_a_finding_it_is_what_is_missed_of_it():
    evaluation = evaluation_of(Measurement(table_site(), RULES), "m")
    found = find(evaluation, "edema", ["sex"])
    assert found["rate"] == "FalseNegativeRate"
    by_sex = {cell["cell"]["sex"]: cell for cell in found["cells"]}
    assert (by_sex["female"]["errors"], by_sex["female"]["of"]) == (25, 70)
    assert (by_sex["male"]["errors"], by_sex["male"]["of"]) == (36, 64)
    assert found["gap"]["value"] == pytest.approx(36.5 / 65 - 25.5 / 71)


def test_what_is_left_out_is_listed_and_unknown_is_kept_apart():
    evaluation = evaluation_of(Measurement(table_site(), RULES), "m")
    small = {"sex": "male", "age": "40-59", "race": "BLACK"}
    unknown = {"sex": "male", "age": "40-59", "race": "unknown"}
    gaps = [one for one in evaluation["leftOut"] if one["what"] == "gap" and one.get("label") == "no-finding"]
    assert {"what": "gap", "label": "no-finding", "cell": small, "reason": "fewer than 20 images that could be an error"} in gaps
    assert {"what": "gap", "label": "no-finding", "cell": unknown, "reason": "unknown"} in gaps
    race = find(evaluation, "no-finding", ["race"])
    assert [cell["cell"]["race"] for cell in race["cells"]] == ["BLACK", "WHITE", "unknown"]
    assert [cell["counted"] for cell in race["cells"]] == [True, True, False]


def test_an_axis_that_nothing_is_known_of_makes_no_groups():
    site = table_site()
    blank = records_of(site.records.labels, site.records.sex, site.records.age, ["unknown"] * len(site.records))
    evaluation = evaluation_of(Measurement(Site("a", blank, site.scores), RULES), "m")
    assert {"what": "axis", "reason": "unknown for all images", "cell": {"axis": "race"}} in evaluation["leftOut"]
    assert [one["grouping"] for one in evaluation["disparities"] if (one["label"], one["rate"]) == ("edema", "FalseNegativeRate")] == [["sex"], ["age"], ["sex", "age"]]


def test_groups_of_fewer_than_ten_have_no_auroc():
    truth, scores = np.r_[np.ones(10), np.zeros(30)], np.linspace(1, 0, 40)
    axes = pandas.DataFrame({"sex": ["female"] * 25 + ["male"] * 15, "age": "40-59", "race": "WHITE"})
    one = disparity(("sex",), errors_of("edema", "FalseNegativeRate", truth, scores > 0.5), truth, scores, axes, np.arange(40).astype(str))
    assert [cell["auroc"] for cell in one.cells] == [1.0, None]
    assert groupings(axes)[0][-1] == ("sex", "age", "race")


def test_a_label_that_the_site_does_not_know_is_not_measured():
    site = table_site()
    labels = site.records.labels.copy()
    labels[:, 1] = np.nan
    records = records_of(labels, site.records.sex, site.records.age, site.records.race)
    evaluation = evaluation_of(Measurement(Site("a", records, site.scores), RULES), "m")
    assert [one["label"] for one in evaluation["labels"]] == ["no-finding"]
    assert {"what": "label", "label": "edema", "reason": "the site does not say"} in evaluation["leftOut"]
    assert evaluation["macro"]["auroc"] is None


def test_the_points_of_the_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 4000).astype(float)
    scores = np.clip(0.3 * truth + rng.random(4000) * 0.7, 0, 1)
    truth[:100] = np.nan
    found = curves_of(truth, scores)
    known = np.isfinite(truth)
    for name, area in (("roc", roc_auc_score), ("precisionRecall", average_precision_score)):
        points = np.array(found[name])
        assert len(points) <= 101 and (np.diff(points[:, 0]) >= 0).all()
        assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(area(truth[known], scores[known]), abs=0.005)
    assert found["roc"][0] == [0, 0] and found["roc"][-1] == [1, 1]
    bins = found["reliability"]
    assert sum(one["images"] for one in bins) == known.sum()
    error = sum(one["images"] * abs(one["probability"] - one["positives"]) for one in bins) / known.sum()
    assert error == pytest.approx(calibration_error(truth[known], scores[known]))


def test_a_label_with_few_images_of_one_kind_has_no_figures():
    truth = np.array([1.0] * 9 + [0.0] * 50)
    assert curves_of(truth, np.linspace(0, 1, 59)) is None


def test_calibration_error_by_hand():
    # 15 bins: 0.1 falls into the second (mean 0.1, none of 2 true), 0.9 into the 14th (mean 0.9, 3 of 4 true).
    truth, scores = np.array([0, 0, 1, 1, 1, 0.0]), np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.9])
    assert calibration_error(truth, scores) == pytest.approx((2 * 0.1 + 4 * 0.15) / 6)


def test_the_threshold_is_the_best_by_f1():
    truth, scores = np.array([0, 0, 1, 0, 1, 1.0]), np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.9])
    # At 0.8: precision 1, recall 2/3, F1 0.8; at 0.3: precision 3/4, recall 1, F1 6/7.
    assert 0.2 < best_threshold(truth, scores) <= 0.3
    assert best_threshold(np.zeros(5), np.linspace(0, 1, 5)) == 0.5


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60), st.booleans())
def test_resampled_auroc_is_that_of_scikit_learn(seed, n, ties):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n).astype(float)
    scores = rng.integers(0, 5, n) / 5 if ties else rng.random(n)
    weights = rng.integers(0, 4, (4, n)).astype(np.float32)
    for row, value in zip(weights, weighted_auroc(weights, truth, scores)):
        kinds = set(truth[row > 0])
        expected = roc_auc_score(truth, scores, sample_weight=row) if len(kinds) == 2 else np.nan
        assert value == pytest.approx(expected, nan_ok=True)


def test_images_of_a_patient_are_drawn_together():
    patients = np.array(["a", "b", "a", "c", "b"])
    weights = np.concatenate(list(resamples(patients, 300, 3)))
    assert weights.shape == (300, 5)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert weights[:, 3].mean() == pytest.approx(1, abs=0.2)


def test_the_interval_of_a_mean_has_the_width_that_theory_says():
    rng = np.random.default_rng(0)
    right = rng.random(1000) < 0.8
    weights = np.concatenate(list(resamples(np.arange(1000).astype(str), 2000, 1)))
    found = estimate(right.mean(), (weights @ right) / weights.sum(1))
    width = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert found["high"] - found["low"] == pytest.approx(width, rel=0.1)


def test_all_sites_together_are_their_images():
    site = table_site()
    whole = pooled([site, Site("b", site.records, site.scores)])
    assert len(whole.records) == 2 * len(site.records) and whole.name == "pooled"


def draws(rng, sd: float, cells: int = 24) -> Patients:
    """A study: cells of 20 to 120 patients in three strata, with true rates that lie `sd` apart."""
    cell = np.repeat(np.arange(cells), rng.integers(20, 120, cells))
    stratum = rng.integers(0, 3, len(cell))
    rates = np.array([0.2, 0.3, 0.45])[stratum] + rng.normal(0, sd, cells)[cell]
    return Patients(cell, stratum, (rng.random(len(cell)) < rates).astype(int), np.ones(len(cell), int))


def test_science_1_1_the_excess_is_0_on_average_where_groups_make_no_difference():
    rng = np.random.default_rng(7)
    excesses, chances, gaps = [], [], []
    for _ in range(300):
        study = draws(rng, 0.0)
        errors, of = permuted(study, 200, rng)
        null = gap(smooth(errors, of))
        own = gap(smooth(np.bincount(study.cell, study.errors), np.bincount(study.cell))[None])[0]
        excesses.append(own - null.mean())
        chances.append((null >= own - 1e-12).mean())
        gaps.append(own)
    # The gap itself is far from 0, its excess is not, and p is as it should be.
    assert np.mean(gaps) > 0.2
    assert abs(np.mean(excesses)) < 3 * np.std(excesses) / np.sqrt(300)
    assert 0.02 < np.mean(np.array(chances) < 0.05) < 0.09


def test_science_1_1_patients_who_grow_older_count_in_the_cells_of_their_images():
    """Follow-ups reach an age bin that no first image falls into; groups make no difference."""
    rng = np.random.default_rng(1)
    chances, excesses = [], []
    for study in range(150):
        bins = rng.integers(0, 3, 160)
        ages = np.repeat(bins[:, None], 4, 1)
        older = (bins == 2) & (rng.random(160) < 0.6)
        ages[older, 1:] = 3
        axes = pandas.DataFrame({"age": np.array(["40-59", "60-69", "70-79", "80-99"])[ages.ravel()]})
        patients = np.repeat(np.arange(160).astype(str), 4)
        truth = np.zeros(640, np.float32)
        missed = rng.random(640) < np.repeat(rng.beta(1, 4, 160), 4)
        one = disparity(("age",), errors_of("no-finding", FALSE_POSITIVES, truth, missed), truth, rng.random(640), axes, patients)
        found = Noise(one, patients, np.zeros(640, int), 400, [1, study]).described()
        assert found["countedCells"] == 4
        chances.append(found["pValue"])
        excesses.append(found["excess"])
    assert 0.0 < np.mean(np.array(chances) <= 0.05) < 0.1 and 0.35 < np.median(chances) < 0.65
    assert abs(np.mean(excesses)) < 0.01


@pytest.mark.parametrize("sd", [0.0, 0.04, 0.08])
def test_science_1_4_intervals_of_the_deviation_between_cells_hold_the_truth(sd):
    rng = np.random.default_rng(11)
    found = [spread(draws(rng, sd)) for _ in range(500)]
    covered = np.mean([one.low <= sd <= one.high for one in found])
    # Where there is no deviation the interval is one-sided, as none is below 0.
    assert 0.92 <= covered <= (1 if sd == 0 else 0.98)
    assert np.sqrt(np.mean([one.sd**2 for one in found])) == pytest.approx(sd, abs=0.02 if sd == 0 else 0.006)


@pytest.mark.parametrize(("seeds", "of_seeds", "of_patients"), [(3, 1.0, 0.1), (3, 0.1, 1.0), (5, 1.0, 1.0), (10, 1.0, 0.3)])
def test_science_1_4_intervals_of_contrasts_hold_the_truth_in_92_to_98_of_100_studies(seeds, of_seeds, of_patients):
    rng = np.random.default_rng(3)
    people, covered = 200, 0
    for _ in range(500):
        patients = rng.normal(0, of_patients * np.sqrt(people), people)
        runs = rng.normal(0, of_seeds * np.sqrt(seeds), seeds)
        weights = rng.multinomial(people, np.full(people, 1 / people), size=400) / people
        one = contrast(runs + patients.mean(), runs[:, None] + weights @ patients, [1])
        covered += one.low <= 0 <= one.high
    assert 0.92 <= covered / 500 <= 0.98


def test_a_contrast_whose_error_is_unknown_is_none_and_no_certainty():
    assert contrast(np.array([0.1, 0.1]), np.full((2, 200), 0.1), [1]) is None
    assert contrast(np.array([0.1, 0.2]), np.full((2, 200), np.nan), [1]) is None
    same = contrast(np.zeros(3), np.zeros((3, 200)), [1])
    assert (same.value, same.p) == (0, 1)


def test_permuted_groups_keep_patients_strata_and_sums():
    study = Patients(np.array([0, 0, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 1, 1]), np.array([2, 0, 1, 0, 1, 0]), np.array([3, 1, 1, 1, 1, 2]))
    errors, of = permuted(study, 4000, np.random.default_rng(1))
    assert (errors.sum(1) == 4).all() and (of.sum(1) == 9).all()
    # Of stratum 0 two of three patients go to cell 0, of stratum 1 one of three: by hand, 2/3 of 3 errors and 1/3 of 1.
    assert errors[:, 0].mean() == pytest.approx(2 / 3 * 3 + 1 / 3, abs=0.05)
    assert of[:, 0].mean() == pytest.approx(2 / 3 * 5 + 1 / 3 * 4, abs=0.08)


def test_the_deviation_of_a_table_worked_by_hand():
    # Two cells of 100 patients, 20 and 40 errors: mean 0.3, between 100 * (0.01 + 0.01) / 1 = 2,
    # within (16 + 24) / 198, typical (200 - 20000 / 200) / 1 = 100.
    errors = np.r_[np.ones(20), np.zeros(80), np.ones(40), np.zeros(60)].astype(int)
    one = spread(Patients(np.repeat([0, 1], 100), np.zeros(200, int), errors, np.ones(200, int)))
    within = 40 / 198
    true = (2 - within) / 100
    assert one.sd == pytest.approx(np.sqrt(true))
    share = true / (true + within / 100)
    assert one.shrunk == pytest.approx([0.3 - share * 0.1, 0.3 + share * 0.1])
    assert one.low < one.sd < one.high
    assert spread(Patients(np.zeros(9, int), np.zeros(9, int), np.ones(9, int), np.ones(9, int))) is None


def test_images_of_one_patient_are_no_independent_ones():
    """Each patient ten times: ten times the images, and no more is known."""
    rng = np.random.default_rng(5)
    once = draws(rng, 0.0)
    often = Patients(once.cell, once.stratum, once.errors * 10, once.of * 10)
    assert spread(often).sd == pytest.approx(spread(once).sd) and spread(often).high == pytest.approx(spread(once).high, rel=1e-6)


def test_a_group_of_a_hard_site_is_not_for_that_reason_another_group():
    # Cell 0 is seen at the site where everybody is missed more, cell 1 at the other (Simpson).
    rng = np.random.default_rng(2)
    stratum = rng.integers(0, 2, 4000)
    cell = (rng.random(4000) < np.where(stratum == 0, 0.8, 0.2)).astype(int)
    errors = (rng.random(4000) < np.where(stratum == 0, 0.6, 0.1)).astype(int)
    study = Patients(cell, stratum, errors, np.ones(4000, int))
    rates = np.bincount(cell, errors) / np.bincount(cell)
    assert rates[1] - rates[0] > 0.2
    assert spread(study).sd < 0.02
    swapped, of = permuted(study, 200, rng)
    assert gap(smooth(swapped, of)).mean() == pytest.approx(rates[1] - rates[0], abs=0.05)


def test_both_sides_and_what_is_beside_a_gap():
    evaluation = evaluation_of(Measurement(table_site(), RULES), "m")
    over = find(evaluation, "no-finding", ["sex"], "FalseNegativeRate")
    assert [(cell["errors"], cell["of"]) for cell in over["cells"]] == [(0, 24), (0, 36)]
    assert evaluation["overdiagnosis"]["value"] == 0
    under = find(evaluation, "no-finding", ["sex", "age", "race"])
    assert under["countedCells"] == 3
    assert under["excess"] == pytest.approx(under["gap"]["value"] - under["expectedGap"]) and 0.05 < under["expectedGap"] < 0.4
    assert under["worst"]["cell"] == {"sex": "female", "age": "40-59", "race": "BLACK"} or under["worst"]["cell"]["race"] == "BLACK"
    assert {cell["ofPatients"] for cell in under["cells"]} == {40, 30, 20, 19, 25}
    matched = find(evaluation, "no-finding", ["sex"], point="MatchedSensitivity")
    assert matched["rate"] == "FalsePositiveRate"


def test_cells_of_few_patients_are_not_counted():
    site = table_site()
    of_five = records_of(site.records.labels, site.records.sex, site.records.age, site.records.race, [f"p{i % 5}" for i in range(len(site.records))])
    evaluation = evaluation_of(Measurement(Site("a", of_five, site.scores), RULES), "m")
    assert find(evaluation, "no-finding", ["sex"])["countedCells"] == 0
    assert "fewer than 10 patients with such images" in {one["reason"] for one in evaluation["leftOut"]}


@pytest.mark.parametrize("label", ["no-finding", "edema"])
def test_equalised_odds_are_those_of_fairlearn(label):
    rng = np.random.default_rng(4)
    n = 900
    truth, sex = rng.integers(0, 2, n).astype(float), rng.choice(["female", "male"], n)
    scores = np.clip(truth * 0.3 + (sex == "male") * 0.15 + rng.random(n) * 0.6, 0, 1)
    column = ["no-finding", "edema"].index(label)
    labels, both = np.stack([1 - truth, truth], 1), np.stack([1 - scores, scores], 1)
    evaluation = evaluation_of(Measurement(Site("a", records_of(labels, sex, [50] * n, ["WHITE"] * n), both), RULES), "m")
    found = next(one for one in evaluation["equalisedOdds"] if (one["label"], one["grouping"]) == (label, ["sex"]))
    expected = equalized_odds_difference(labels[:, column], both[:, column] >= 0.5, sensitive_features=sex)
    assert found["difference"] == pytest.approx(expected)
    scored = next(one for one in evaluation["labels"] if one["label"] == label)
    called = both[:, column] >= 0.5
    assert scored["sensitivity"]["value"] == pytest.approx(recall_score(labels[:, column], called))
    assert scored["specificity"]["value"] == pytest.approx(recall_score(labels[:, column], called, pos_label=0))
    assert scored["auprc"]["value"] == pytest.approx(average_precision_score(labels[:, column], both[:, column]))
    assert scored["brier"]["value"] == pytest.approx(brier_score_loss(labels[:, column], both[:, column]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 60), st.booleans())
def test_resampled_precision_is_that_of_scikit_learn(seed, n, ties):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n).astype(float)
    scores = rng.integers(0, 5, n) / 5 if ties else rng.random(n)
    weights = rng.integers(0, 4, (4, n)).astype(np.float32)
    for row, value in zip(weights, weighted_average_precision(weights, truth, scores)):
        expected = average_precision_score(truth, scores, sample_weight=row) if truth[row > 0].any() else np.nan
        assert value == pytest.approx(expected, nan_ok=True)


def test_holm_by_hand():
    # 0.01 * 4, then 0.02 * 3, then 0.03 * 2 (raised to 0.06), then 0.2.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.6, 0.7]) == [1, 1] and holm([]) == []
