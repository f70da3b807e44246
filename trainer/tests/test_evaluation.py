"""Scores and gaps against tables worked by hand, and resamples against scikit-learn."""

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cohortfarm_trainer.data.records import Records
from cohortfarm_trainer.evaluation.bootstrap import estimate, resamples
from cohortfarm_trainer.evaluation.groups import disparity, errors_of, groupings
from cohortfarm_trainer.evaluation.measure import Measurement, Rules, Site, evaluation_of, pooled
from cohortfarm_trainer.evaluation.scores import calibration_error, weighted_auroc
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


def find(evaluation, label, grouping):
    return next(one for one in evaluation["disparities"] if one["label"] == label and one["grouping"] == grouping)


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
    assert [one["grouping"] for one in evaluation["disparities"] if one["label"] == "edema"] == [["sex"], ["age"], ["sex", "age"]]


def test_groups_of_fewer_than_ten_have_no_auroc():
    truth, scores = np.r_[np.ones(10), np.zeros(30)], np.linspace(1, 0, 40)
    axes = pandas.DataFrame({"sex": ["female"] * 25 + ["male"] * 15, "age": "40-59", "race": "WHITE"})
    one = disparity(("sex",), errors_of("edema", truth, scores > 0.5), truth, scores, axes, np.arange(40).astype(str))
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
