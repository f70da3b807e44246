"""Objectives over groups, against values worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch

from cohortfarm_trainer.data.records import Records
from cohortfarm_trainer.distributed import Team
from cohortfarm_trainer.errors import UsageError
from cohortfarm_trainer.training.objective import GROUP_DRO, MEAN, REWEIGHTED, Objective, even_weights, groups_of

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


def test_no_image_weighs_more_than_ten_times_the_mean_and_unknown_ones_weigh_one():
    rare = pandas.Series(["common"] * 99 + ["rare"])
    assert Objective(REWEIGHTED, rare, rare).weights.tolist() == pytest.approx([90 / 99, 10])
    some = pandas.Series(["common"] * 98 + ["rare", "unknown"])
    assert Objective(REWEIGHTED, some, some).weights[2] == 1


@pytest.mark.parametrize(
    ("sizes", "unknown", "weights"),
    [
        ([50, 30, 20], None, [2 / 3, 10 / 9, 5 / 3]),
        ([9800, 40, 40, 40, 80], 4, [8720 / 9800, 10, 10, 10, 1]),
        # Once the smallest is held back, the next one would be above the limit, too.
        ([10_000, 450, 1], None, [(10_451 - 4500 - 10) / 10_000, 10, 10]),
        ([7], 0, [1]),
    ],
)
def test_groups_count_alike_but_no_image_more_than_ten(sizes, unknown, weights):
    found = even_weights(np.array(sizes), unknown)
    np.testing.assert_allclose(found, weights)
    assert found @ sizes == pytest.approx(sum(sizes))


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


def test_group_dro_turns_to_a_rare_group_that_few_batches_hold():
    rng = np.random.default_rng(0)
    places = torch.from_numpy(rng.permutation(1000) // 990)  # 10 of 1,000 images are of the second group
    names = pandas.Series(np.where(places == 1, "rare", "common"))
    objective = Objective(GROUP_DRO, names, names)
    for _ in range(1500):
        batch = places[torch.from_numpy(rng.integers(0, 1000, 16))]
        logits = torch.where(batch == 1, -2.0, 0.5)[:, None]  # 2.1 against 0.5
        objective.shared(logits, torch.ones(16, 1), POSITIVE, batch, ALONE)
    assert objective.shares[1] > 0.95


def test_a_step_whose_loss_is_infinite_turns_nothing():
    objective = Objective(GROUP_DRO, GROUPS, GROUPS)
    infinite = LOGITS.clone()
    infinite[3] = -float("inf")
    objective.shared(infinite, LABELS, POSITIVE, torch.from_numpy(objective.train), ALONE)
    assert objective.shares.tolist() == [0.5, 0.5]


def test_validation_images_of_groups_that_nothing_is_trained_on_do_not_count():
    other = pandas.Series(["common", "common", "common", "never seen"])
    for kind in (REWEIGHTED, GROUP_DRO):
        assert Objective(kind, GROUPS, other).measured(LOGITS, LABELS, POSITIVE) == pytest.approx(RIGHT)
        with pytest.raises(UsageError, match="no validation image is of a group that is trained on"):
            Objective(kind, GROUPS, pandas.Series(["never seen"] * 4)).measured(LOGITS, LABELS, POSITIVE)


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
    alone, others = groups_of(records, [records], ["no-finding", "edema"], ["18-39", "40-90"])
    assert alone.tolist() == others.tolist() == ["female 18-39 WHITE healthy", "male 40-90 WHITE ill", "unknown"]
    blank = replace(records, race=np.array(["unknown"] * n))
    assert groups_of(blank, [], ["no-finding", "edema"], ["18-39", "40-90"])[0].tolist()[:2] == ["female 18-39 healthy", "male 40-90 ill"]
