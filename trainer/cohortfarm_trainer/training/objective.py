"""What a run goes down by: the mean loss of all images, of all groups alike, or of the groups that are worst off.

Groups are the intersections of sex, age bin and race, of the ill and of the others; images of whom one of these is not known are
a group of their own. Losses are binary cross-entropy over what is
known of an image.
"""

from collections.abc import Sequence

import numpy as np
import pandas
import torch
from torch.nn import functional as F

from ..data.records import NO_FINDING, UNKNOWN, Records, age_bins
from ..distributed import Team
from ..errors import UsageError

MEAN, REWEIGHTED, GROUP_DRO = "Mean", "Reweighted", "GroupDRO"
MAX_WEIGHT = 10.0  # of an image, as a multiple of the mean
STEP = 0.01  # of the weights of groups (Sagawa et al. 2020)
ELSEWHERE = -1  # of images whose group has none to train on


def groups_of(train: Records, others: Sequence[Records], labels: Sequence[str], bins: Sequence[str]) -> list[pandas.Series]:
    """The group of each image of some records, as text: those to train on first. An axis that says nothing of these is left out."""
    frames = [_axes(records, labels, bins) for records in (train, *others)]
    known = [axis for axis in frames[0] if not (frames[0][axis] == UNKNOWN).all()]
    if not known:
        return [pandas.Series([UNKNOWN] * len(frame)) for frame in frames]
    return [frame[known].agg(" ".join, axis=1).where(~(frame[known] == UNKNOWN).any(axis=1), UNKNOWN) for frame in frames]


def _axes(records: Records, labels: Sequence[str], bins: Sequence[str]) -> pandas.DataFrame:
    none = records.labels[:, list(labels).index(NO_FINDING)]
    ill = np.where(np.isnan(none), UNKNOWN, np.where(none == 1, "healthy", "ill"))
    return pandas.DataFrame({"sex": records.sex, "age": age_bins(records.age, list(bins)), "race": records.race, "ill": ill})


def even_weights(sizes: np.ndarray, unknown: int | None) -> np.ndarray:
    """What an image of each group counts so that groups count alike, float64 [groups], 1 on average over the images.

    Sizes are int64 [groups] of at least 1. No image counts more than `MAX_WEIGHT`: groups that would have to are left behind
    the others. One of the unknown counts 1, since what is rare about them is not known.
    """
    known = np.arange(len(sizes)) != unknown
    capped = np.zeros(len(sizes), bool)
    weights = np.ones(len(sizes))
    while (free := known & ~capped).any():
        share = (sizes[known].sum() - MAX_WEIGHT * sizes[capped].sum()) / free.sum()
        if not (over := free & (share > MAX_WEIGHT * sizes)).any():
            weights[free] = share / sizes[free]
            break
        capped |= over
    weights[capped] = MAX_WEIGHT
    return weights


def even_chances(records: Records, labels: Sequence[str], bins: Sequence[str]) -> np.ndarray:
    """By which images are drawn so that groups come equally often, as far as `MAX_WEIGHT` allows: float64 [n], sum 1."""
    names, groups, sizes = np.unique(groups_of(records, [], labels, bins)[0].to_numpy(str), return_inverse=True, return_counts=True)
    unknown = np.flatnonzero(names == UNKNOWN)
    weights = even_weights(sizes, int(unknown[0]) if len(unknown) else None)[groups]
    return weights / len(weights)


class Objective:
    """The loss of a run, with the weights of the groups that it learns on the way."""

    def __init__(self, kind: str, train: pandas.Series | None = None, validation: pandas.Series | None = None):
        """`train` and `validation` name the group of each image; MEAN needs neither."""
        self.kind = kind
        groups = [] if train is None else sorted(set(train))
        place = {name: i for i, name in enumerate(groups)}
        self.count = max(1, len(groups))
        self.train = None if train is None else train.map(place).to_numpy(np.int64, copy=True)
        self.validation = None if validation is None else validation.map(lambda name: place.get(name, ELSEWHERE)).to_numpy(np.int64, copy=True)
        sizes = np.ones(1) if self.train is None else np.bincount(self.train, minlength=self.count)
        self.weights = torch.from_numpy(even_weights(sizes, place.get(UNKNOWN)).astype(np.float32))
        self.frequencies = torch.from_numpy((sizes / sizes.sum()).astype(np.float32))
        self.shares = torch.full((self.count,), 1 / self.count)

    def shared(self, logits: torch.Tensor, labels: torch.Tensor, positive: torch.Tensor, groups: torch.Tensor, team: Team) -> tuple[torch.Tensor, float]:
        """What this process goes down by, and the loss of the images of all processes.

        DistributedDataParallel takes the mean of the processes' gradients; processes know different numbers of labels, so
        each divides by what all know together, and the mean of these gradients is that of the loss of the whole batch.
        """
        own = self.sums(logits, labels, positive, groups)
        total, known = team.sum(own.detach())
        if self.kind == GROUP_DRO:
            self._turn(total, known)
        factors = self.factors(known)
        return (factors * own[0]).sum() * team.world, (factors * total).sum().item()

    def known(self, labels: torch.Tensor, groups: torch.Tensor, team: Team) -> torch.Tensor:
        """How much is known of each group in the batch of all processes, before any of it is computed: float32 [groups]."""
        nothing = torch.zeros_like(labels, device=team.device)
        return team.sum(self.sums(nothing, labels.to(team.device), torch.ones(labels.shape[1], device=team.device), groups)[1])

    def settled(self, total: torch.Tensor, known: torch.Tensor) -> float:
        """The loss of a batch whose parts were computed one after another; its groups' weights change for the next batch."""
        loss = (self.factors(known) * total).sum().item()
        if self.kind == GROUP_DRO:
            self._turn(total, known)
        return loss

    def measured(self, logits: torch.Tensor, labels: torch.Tensor, positive: torch.Tensor) -> float:
        """The loss of the validation images by which the best weights are chosen: of GROUP_DRO that of the worst group."""
        groups = torch.zeros(len(labels), dtype=torch.int64) if self.validation is None else torch.from_numpy(self.validation)
        here = groups != ELSEWHERE
        if not torch.isfinite(labels[here]).any():
            raise UsageError("no validation image is of a group that is trained on; give more data, or leave this arm out")
        total, known = self.sums(logits[here], labels[here], positive, groups[here])
        if self.kind == GROUP_DRO:
            return (total / known)[known > 0].max().item()
        return (self.factors(known) * total).sum().item()

    def sums(self, logits: torch.Tensor, labels: torch.Tensor, positive: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        """Losses over what is known and how much that is, by group: float32 [2, groups]; labels [n, labels] are NaN where unknown."""
        known = torch.isfinite(labels)
        losses = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), pos_weight=positive, reduction="none") * known
        if self.count == 1:
            return torch.stack([losses.sum(), known.sum().to(losses.dtype)])[:, None]
        zeros = torch.zeros(2, self.count, dtype=losses.dtype, device=losses.device)
        return zeros.index_add(1, groups.to(losses.device), torch.stack([losses.sum(1), known.sum(1).to(losses.dtype)]))

    def factors(self, known: torch.Tensor) -> torch.Tensor:
        """What the sum of losses of each group counts."""
        if self.kind == GROUP_DRO:
            return self.shares.to(known.device) / self._expected(known)
        weights = self.weights.to(known.device) if self.kind == REWEIGHTED else torch.ones_like(known)
        return weights / (weights * known).sum().clamp(min=1)

    def _expected(self, known: torch.Tensor) -> torch.Tensor:
        """What is known of each group in a batch of this size on average.

        Sagawa et al. draw each group equally often, and here images come as they are. A sum of losses divided by this is the
        mean loss of a group on average over batches, also of one that few batches hold.
        """
        return self.frequencies.to(known.device) * known.sum().clamp(min=1)

    def _turn(self, total: torch.Tensor, known: torch.Tensor) -> None:
        """Gives groups of a higher loss more weight: an exponentiated gradient step on the losses (Sagawa et al. 2020, algorithm 1)."""
        losses = (total / self._expected(known)).cpu()
        if not torch.isfinite(losses).all():
            return  # a step that the scaler skips as well
        shares = self.shares * torch.exp(STEP * losses)
        self.shares = shares / shares.sum()
