"""The arms of a comparison: what each trains on, from where, for how many steps."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ..config import PRESUPPOSE_WEIGHTS
from ..data.loader import Group
from ..data.memory import Seen
from ..data.records import Records
from ..data.source import read_sources
from ..data.split import split_training
from ..errors import UsageError
from ..evaluation.comparison import (
    BALANCED,
    EQUAL_COMPUTE,
    GROUP_DRO,
    MIXED,
    MIXED_FINETUNE,
    PRETRAIN_FINETUNE,
    REAL_ONLY,
    REPLAY,
    REWEIGHTED,
    SYNTHETIC_ONLY,
)
from ..training import objective
from ..training.compiler import check_compile
from ..training.job import LEARNING_RATE, Job, Weights, batch_of, check_length, epoch_steps, steps_of
from ..training.objective import even_chances
from .context import Context

GOALS = {REWEIGHTED: objective.REWEIGHTED, GROUP_DRO: objective.GROUP_DRO}
SHARE = "COHORTFARM_SHARE"
PRETRAINED = (PRETRAIN_FINETUNE, REPLAY, BALANCED)  # on synthetic images
WITH_SYNTHETIC = (MIXED, MIXED_FINETUNE, SYNTHETIC_ONLY, *PRETRAINED)
REPLAY_SHARE = 0.2
DESIGN = "3"  # another one where runs of the same config come out otherwise, so that none of before is taken


@dataclass(frozen=True, eq=False)
class Kind:
    """The images of one kind, synthetic or real, as all arms use them."""

    records: Records
    share: float  # of the patients that validate
    steps: int  # that all arms take on them
    epoch: int  # steps
    seen: Seen

    @cache  # noqa: B019 (as long as the process)
    def split(self, seed: int) -> tuple[Records, Records]:
        """What to train on and what to validate on: each seed draws its own, unless the data names a split."""
        return split_training(self.records, self.share, seed)


@dataclass(frozen=True)
class Data:
    """The images of both kinds; synthetic ones by the name of their cohort, None where the config names none."""

    synthetic: dict[str | None, Kind]
    real: Kind

    @property
    def synthetic_steps(self) -> int:
        """Steps on synthetic images, of whichever cohort: those of the first."""
        return next(iter(self.synthetic.values())).steps

    @property
    def validations(self) -> int:
        """Of each run, of whatever length: weights are chosen from as many. One an epoch of finetuning."""
        return math.ceil(self.real.steps / self.real.epoch)

    @property
    def seen(self) -> list[Seen]:
        return [kind.seen for kind in (*self.synthetic.values(), self.real)]


def read_data(context: Context) -> Data:
    compare = context.config["compare"]
    pretrain = compare["pretrain"]
    for part in (pretrain, compare["finetune"]):
        check_compile(part["hyperparameters"], context.team.device)
    named = {one["name"]: {**pretrain, "data": one["data"]} for one in compare.get("synthetic", [])}
    parts: dict[str | None, dict[str, Any]] = {**named} if named else {None: pretrain}
    data = Data({name: _kind(context, part) for name, part in parts.items()}, _kind(context, compare["finetune"]))
    if MIXED_FINETUNE in compare["baselines"]:
        check_length(compare["finetune"]["hyperparameters"], pretraining_steps(context, data))
    return data


def _kind(context: Context, part: dict[str, Any]) -> Kind:
    hyper, seed = part["hyperparameters"], context.config["seed"]
    records = read_sources(part, context.labels, context.config["s3"])
    own, _ = split_training(records, hyper["validationShare"], seed)
    seen = Seen(records.take(records.part != "test"), part.get("source"))
    epoch = epoch_steps(len(own), batch_of(hyper, context.team.world))
    return Kind(records, hyper["validationShare"], steps_of(hyper, len(own)), epoch, seen)


@dataclass(frozen=True)
class Arm:
    """One arm with one synthetic cohort, one initialisation and one seed."""

    arm: str
    initialisation: str  # Scratch or Weights
    seed: int
    weights: Weights | None
    synthetic: str | None = None  # None for an arm without synthetic images, or where the config names no cohorts

    @property
    def name(self) -> str:
        cohort = "" if self.synthetic is None else f"-{self.synthetic}"
        return f"{self.arm}{cohort}-{self.initialisation}-{self.seed}".lower()


def arms_of(context: Context) -> Iterator[Arm]:
    """Every arm, synthetic cohort, initialisation and seed."""
    config = context.config
    cohorts = [one["name"] for one in config["compare"].get("synthetic", [])] or [None]
    starts: list[tuple[str, Weights | None]] = [("Scratch", None)]
    if "weights" in config:
        starts.append(("Weights", Weights(context.read(config["weights"]), config["weights"])))
    for arm in (*config["compare"]["baselines"], PRETRAIN_FINETUNE):
        for cohort in cohorts if arm in WITH_SYNTHETIC else [None]:
            for initialisation, weights in starts:
                for seed in range(config["compare"]["seeds"]):
                    yield Arm(arm, initialisation, config["seed"] + seed, weights, cohort)


def share_of(context: Context, environment: Mapping[str, str]) -> list[Arm]:
    """The arms of the share that the environment names, where the config asks for one.

    Arms whose runs are the same in part stay together, so that no two shares train the same.
    """
    parts: dict[tuple[str, str | None, str, int], list[Arm]] = {}
    for arm in arms_of(context):
        kind = PRETRAIN_FINETUNE if arm.arm in (SYNTHETIC_ONLY, *PRETRAINED) else arm.arm
        parts.setdefault((kind, arm.synthetic, arm.initialisation, arm.seed), []).append(arm)
    shares, given = context.config["compare"]["shares"], environment.get(SHARE, "")
    if not given.isdecimal() or int(given) >= shares:
        raise UsageError(f"{SHARE}: {given!r} is not one of the {shares} shares of the config; give a number from 0 to {shares - 1}")
    return [arm for part in list(parts.values())[int(given) :: shares] for arm in part]


def base_job(context: Context, arm: Arm, data: Data, hyper: dict[str, Any], name: str) -> Job:
    """What all arms have in common; it trains on nothing yet. Early stopping is off: all take the same steps.

    Random weights hold nothing to keep: an arm that begins with them goes without what presupposes given ones.
    """
    config = context.config
    if arm.weights is None:
        hyper = {field: value for field, value in hyper.items() if field not in PRESUPPOSE_WEIGHTS}
    return Job(
        name=f"{config['name']} {name}",
        store=context.runs,
        prefix=f"runs/{name}/",
        digest=f"{context.digest}-{name}-{DESIGN}",
        architecture=config["architecture"],
        labels=tuple(context.labels),
        size=config["imageSize"],
        seed=arm.seed,
        groups=(),
        validation=data.real.split(arm.seed)[1],
        steps=data.real.steps,
        learning_rate=hyper.get("learningRate", LEARNING_RATE["Pretrain"]),
        patience=0,
        hyper=hyper,
        validations=data.validations,
        weights=arm.weights,
        fit=context.fit,
    )


def job_of(context: Context, arm: Arm, data: Data, before: Weights | None) -> Job:
    """The last (for most arms the only) run of an arm; `before` is what the first one left, where there is one.

    From random or given weights the learning rate is that of pretraining; from those of a first run that of finetuning.
    A batch has the same number of images in all arms but pretraining, whatever they are of.
    """
    finetune = context.config["compare"]["finetune"]["hyperparameters"]
    if arm.arm == SYNTHETIC_ONLY:
        return pretrain_job(context, arm, data)
    if arm.arm == MIXED:
        return mixed_job(context, arm, data, arm.name, equal_compute_steps(context, data))
    own = data.real.split(arm.seed)[0]
    real = Group(own, batch_of(finetune, context.team.world))
    job = replace(scratch_job(context, arm, data, arm.name), groups=(real,), seen=(data.real.seen,))
    if arm.arm == EQUAL_COMPUTE:
        return replace(job, steps=equal_compute_steps(context, data))
    if arm.arm in GOALS:
        return replace(job, goal=GOALS[arm.arm], bins=tuple(context.config["ageBins"]))
    if arm.arm == REAL_ONLY:
        return job
    rate = finetune.get("learningRate", LEARNING_RATE["Finetune"])
    job = replace(job, learning_rate=rate, weights=before, hyper=finetune)
    if arm.arm == REPLAY:
        cohort = data.synthetic[arm.synthetic]
        groups = shared_batch(real, cohort.split(arm.seed)[0], context.config["compare"].get("replayShare", REPLAY_SHARE))
        return replace(job, groups=groups, seen=(cohort.seen, data.real.seen))
    if arm.arm == BALANCED:
        return replace(job, groups=(replace(real, chances=even_chances(own, context.labels, context.config["ageBins"])),))
    return job


def first_job(context: Context, arm: Arm, data: Data) -> Job | None:
    """The run whose weights the last one of an arm begins with; None for an arm of one run."""
    if arm.arm in PRETRAINED:
        return pretrain_job(context, arm, data)
    if arm.arm == MIXED_FINETUNE:
        return mixed_job(context, arm, data, replace(arm, arm="MixedFirst").name, pretraining_steps(context, data))
    return None


def scratch_job(context: Context, arm: Arm, data: Data, name: str) -> Job:
    """From random or given weights, by the hyperparameters of finetuning, but at the learning rate of pretraining."""
    compare = context.config["compare"]
    rate = compare["pretrain"]["hyperparameters"].get("learningRate", LEARNING_RATE["Pretrain"])
    return replace(base_job(context, arm, data, compare["finetune"]["hyperparameters"], name), learning_rate=rate)


def mixed_job(context: Context, arm: Arm, data: Data, name: str, steps: int) -> Job:
    """On batches of the usual size that real and synthetic images share."""
    cohort = data.synthetic[arm.synthetic]
    real = Group(data.real.split(arm.seed)[0], batch_of(context.config["compare"]["finetune"]["hyperparameters"], context.team.world))
    groups = shared_batch(real, cohort.split(arm.seed)[0], mixed_share(context, data))
    return replace(scratch_job(context, arm, data, name), groups=groups, steps=steps, seen=(cohort.seen, data.real.seen))


def shared_batch(real: Group, synthetic: Records, share: float) -> tuple[Group, Group]:
    """The batch of `real`, in which a share of the images is synthetic."""
    return replace(real, rate=real.rate * (1 - share)), Group(synthetic, real.rate * share)


def pretrain_job(context: Context, arm: Arm, data: Data) -> Job:
    """On synthetic images only: SyntheticOnly, and what PretrainFinetune begins with, are one run."""
    name = replace(arm, arm=SYNTHETIC_ONLY).name
    hyper = context.config["compare"]["pretrain"]["hyperparameters"]
    cohort = data.synthetic[arm.synthetic]
    own, validation = cohort.split(arm.seed)
    return replace(
        base_job(context, arm, data, hyper, name),
        groups=(Group(own, synthetic_batch(context)),),
        validation=validation,
        steps=data.synthetic_steps,
        seen=(cohort.seen,),
    )


def equal_compute_steps(context: Context, data: Data) -> int:
    """Steps on batches of real images that take as many images as pretraining and finetuning together."""
    return data.real.steps + pretraining_steps(context, data)


def pretraining_steps(context: Context, data: Data) -> int:
    """Steps on batches of real images that take as many images as pretraining does."""
    real = batch_of(context.config["compare"]["finetune"]["hyperparameters"], context.team.world)
    return max(1, round(data.synthetic_steps * synthetic_batch(context) / real))


def mixed_share(context: Context, data: Data) -> float:
    """The share of synthetic images in a batch of Mixed: the one of the config, else that of pretraining in all images of
    PretrainFinetune, so that Mixed sees as many of each kind."""
    return context.config["compare"].get("mixedShare", pretraining_steps(context, data) / equal_compute_steps(context, data))


def synthetic_batch(context: Context) -> float:
    return batch_of(context.config["compare"]["pretrain"]["hyperparameters"], context.team.world)
