"""What one training run needs, worked out before it starts."""

import math
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from ..config import too_long
from ..cpus import loader_workers
from ..data.images import CROP
from ..data.loader import Group
from ..data.memory import Memory, Seen, read_memory
from ..data.records import Records
from ..errors import UsageError
from ..store import Store
from ..weights import read_weights
from .objective import MEAN, Objective, groups_of

LEARNING_RATE = {"Pretrain": 1e-4, "Finetune": 5e-5}
EPOCHS = 50
MAX_WEIGHT = 10.0


@dataclass(frozen=True)
class Weights:
    """Weights to begin with: the bytes of a file, and what to call it."""

    data: bytes
    what: str

    def memory(self) -> Memory:
        return read_memory(read_weights(self.data, self.what))


@dataclass(frozen=True)
class Job:
    """One run. Objects go to `store` below `prefix` ("" or a folder with a slash at the end)."""

    name: str
    store: Store
    prefix: str
    digest: str  # of all that decides the result; a checkpoint of another is not gone on from
    architecture: str
    labels: tuple[str, ...]
    size: int  # pixels
    seed: int
    groups: tuple[Group, ...]
    validation: Records
    steps: int
    learning_rate: float
    patience: int  # validations; 0 for never
    hyper: dict[str, Any]
    validations: int = 0  # in the whole run, where the hyperparameters do not say how often; 0 for one an epoch
    weights: Weights | None = None
    fit: str = CROP  # how images become squares
    goal: str = MEAN  # of objective.py; another one has a single group of images
    bins: tuple[str, ...] = ()  # of ages, for the groups of the goal
    seen: tuple[Seen, ...] = ()  # all that it is trained and validated on

    def objective(self) -> Objective:
        """The loss, over the groups of the images to train on."""
        if self.goal == MEAN:
            return Objective(MEAN)
        train, validation = groups_of(self.groups[0].records, [self.validation], self.labels, self.bins)
        return Objective(self.goal, train, validation)

    @property
    def interval(self) -> int:
        """Steps between validations."""
        if self.hyper.get("validateSteps"):
            return self.hyper["validateSteps"]
        if self.validations:
            return math.ceil(self.steps / self.validations)
        largest = max(self.groups, key=lambda group: group.rate)
        return epoch_steps(len(largest.records), largest.rate)

    @property
    def workers(self) -> int:
        """Processes that load images, for each that trains."""
        return self.hyper.get("loaderWorkers", loader_workers())

    def memory(self) -> Memory:
        """Of all that this run sees, and of all that its weights have seen before."""
        parts = [one.all for one in self.seen] + ([self.weights.memory()] if self.weights else [])
        return reduce(or_, parts, Memory())


def steps_of(hyper: dict[str, Any], images: int) -> int:
    """Optimizer steps, from the steps or the epochs of the config: however many processes take them.

    Raises UsageError as `check_length` does.
    """
    steps = hyper.get("steps") or max(1, math.ceil(hyper.get("epochs", EPOCHS) * images / hyper["batchSize"]))
    check_length(hyper, steps)
    return steps


def check_length(hyper: dict[str, Any], steps: int) -> None:
    """Raises UsageError where the steps are over before the network learns as the hyperparameters ask."""
    lines = too_long(hyper, steps)
    if lines:
        raise UsageError("\n".join(lines))


def batch_of(hyper: dict[str, Any], world: int) -> float:
    """Images in a step, of all processes together. Raises UsageError where a process would have none."""
    if hyper["batchSize"] < world:
        raise UsageError(f"batchSize: {hyper['batchSize']} images in a step are too few for {world} processes; take at least one for each")
    return float(hyper["batchSize"])


def epoch_steps(images: int, batch: float) -> int:
    return max(1, math.ceil(images / batch))


def positive_weights(groups: tuple[Group, ...]) -> np.ndarray:
    """float32 [labels]: negatives for each positive, as the steps will see them, within 1/10 to 10."""
    rates = np.array([group.rate for group in groups])
    with np.errstate(invalid="ignore"):
        known = np.stack([np.average(np.isfinite(group.records.labels), 0, group.chances) for group in groups])
        shown = np.stack([np.average(np.nan_to_num(group.records.labels), 0, group.chances) for group in groups])
    positive, total = rates @ shown, rates @ known
    weights = (total - positive) / np.maximum(positive, 1e-9)
    return np.clip(weights, 1 / MAX_WEIGHT, MAX_WEIGHT).astype(np.float32)
