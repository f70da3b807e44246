"""Objectives over groups, against values worked out by hand."""

import numpy as np
import pandas
import pytest
import torch

from cohortfarm_trainer.data.records import Records
from cohortfarm_trainer.distributed import Team
from cohortfarm_trainer.training.objective import GROUP_DRO, MEAN, REWEIGHTED, Objective, groups_of

ALONE = Team(0, 1, torch.device("cpu"))
POSITIVE = torch.ones(1)
# Three images of a common group that the model gets right, and one of a rare group that it gets wrong.
GROUPS = pandas.Series(["common", "common", "common", "rare"])
LOGITS, LABELS = torch.tensor([[2.0], [2.0], [2.0], [-2.0]]), torch.ones(4, 1)
RIGHT, WRONG = np.log1p(np.exp(-2)), np.log1p(np.exp(2))


def step(objective: Objective) -> float:
    groups = torch.zeros(4, dtype=torch.int64) if objective.train is None else torch.from_numpy(objective.train)
    return objective.shared(LOGITS, LABELS, POSITIVE, groups, ALONE)[1]


def test_the_mean_counts_images_and_reweighted_counts_groups():
    assert step(Objective(MEAN)) == pytest.approx((3 * RIGHT + WRONG) / 4)
    assert step(Objective(REWEIGHTED, GROUPS, GROUPS)) == pytest.approx((RIGHT + WRONG) / 2)


def test_no_image_weighs_more_than_ten_times_the_mean():
    rare = pandas.Series(["common"] * 99 + ["rare"])
    assert Objective(REWEIGHTED, rare, rare).weights.tolist() == pytest.approx([100 / 198, 10])


def test_group_dro_turns_to_the_worst_group_as_sagawa_writes_it():
    objective = Objective(GROUP_DRO, GROUPS, GROUPS)
    shares = np.array([0.5, 0.5])
    for _ in range(200):
        loss = step(objective)
        shares = shares * np.exp(0.01 * np.array([RIGHT, WRONG]))
        shares /= shares.sum()
        assert loss == pytest.approx(shares @ [RIGHT, WRONG], rel=1e-5)
    assert objective.shares[1] > 0.9
    assert objective.measured(LOGITS, LABELS, POSITIVE) == pytest.approx(WRONG)


def test_a_group_without_an_image_in_the_batch_keeps_its_share():
    objective = Objective(GROUP_DRO, GROUPS, GROUPS)
    objective.shared(LOGITS[:3], LABELS[:3], POSITIVE, torch.from_numpy(objective.train[:3]), ALONE)
    assert objective.shares[0] > objective.shares[1] > 0.49


def test_validation_images_of_groups_that_nothing_is_trained_on_do_not_count():
    other = pandas.Series(["common", "common", "common", "never seen"])
    for kind in (REWEIGHTED, GROUP_DRO):
        assert Objective(kind, GROUPS, other).measured(LOGITS, LABELS, POSITIVE) == pytest.approx(RIGHT)


def test_what_is_not_known_counts_in_no_group():
    labels = LABELS.clone()
    labels[3] = float("nan")
    for kind in (REWEIGHTED, GROUP_DRO):
        assert Objective(kind, GROUPS, GROUPS).measured(LOGITS, labels, POSITIVE) == pytest.approx(RIGHT)


def test_groups_are_of_sex_age_race_and_illness():
    n = 3
    records = Records(
        patients=np.array(["a", "b", "c"]),
        labels=np.array([[1, 0], [0, 1], [np.nan, np.nan]], np.float32),
        sex=np.array(["female", "male", "unknown"]),
        race=np.array(["WHITE"] * n),
        age=np.array([30, 70, np.nan], np.float32),
        part=np.array([""] * n),
        site=np.array([""] * n),
        blob=np.zeros(n, np.int32),
        offset=np.zeros(n, np.int64),
        size=np.zeros(n, np.int64),
        blobs=(),
    )
    found = groups_of(records, ["no-finding", "edema"], ["18-39", "40-90"]).tolist()
    assert found == ["female 18-39 WHITE healthy", "male 40-90 WHITE ill", "unknown unknown WHITE unknown"]
