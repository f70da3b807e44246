"""The arms of a comparison: what each trains on, from where, for how many steps."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..data.loader import Group
from ..data.memory import Memory, Seen
from ..data.records import Records
from ..data.source import read_sources
from ..data.split import split_training
from ..evaluation.comparison import PRETRAIN_FINETUNE
from ..training.job import LEARNING_RATE, Job, Weights, batch_of, steps_of
from .context import Context


@dataclass(frozen=True)
class Data:
    """The images of both kinds, and how many steps all arms take on each."""

    synthetic: Records
    synthetic_validation: Records
    real: Records
    real_validation: Records
    synthetic_steps: int
    real_steps: int
    synthetic_seen: tuple[Seen, ...]  # of training and validation
    real_seen: tuple[Seen, ...]


def read_data(context: Context) -> Data:
    compare = context.config["compare"]
    pairs = []
    for name in ("pretrain", "finetune"):
        part = compare[name]
        records = read_sources(part, context.labels, context.config["s3"])
        pairs.append(split_training(records, part["hyperparameters"]["validationShare"], context.config["seed"]))
    (synthetic, synthetic_validation), (real, real_validation) = pairs
    return Data(
        synthetic,
        synthetic_validation,
        real,
        real_validation,
        synthetic_steps=steps_of(compare["pretrain"]["hyperparameters"], len(synthetic)),
        real_steps=steps_of(compare["finetune"]["hyperparameters"], len(real)),
        synthetic_seen=(Seen(synthetic), Seen(synthetic_validation)),
        real_seen=(Seen(real), Seen(real_validation)),
    )


@dataclass(frozen=True)
class Arm:
    """One arm with one initialisation and one seed."""

    arm: str
    initialisation: str  # Scratch or Weights
    seed: int
    weights: Weights | None

    @property
    def name(self) -> str:
        return f"{self.arm}-{self.initialisation}-{self.seed}".lower()


def arms_of(context: Context) -> Iterator[Arm]:
    """Every arm, initialisation and seed."""
    config = context.config
    starts: list[tuple[str, Weights | None]] = [("Scratch", None)]
    if "weights" in config:
        starts.append(("Weights", Weights(context.read(config["weights"]), config["weights"])))
    for arm in (*config["compare"]["baselines"], PRETRAIN_FINETUNE):
        for initialisation, weights in starts:
            for seed in range(config["compare"]["seeds"]):
                yield Arm(arm, initialisation, config["seed"] + seed, weights)


def base_job(context: Context, arm: Arm, data: Data, hyper: dict[str, Any], name: str) -> Job:
    """What all arms have in common; it trains on nothing yet. Early stopping is off: all take the same steps."""
    config = context.config
    return Job(
        name=f"{config['name']} {name}",
        store=context.store,
        prefix=f"runs/{name}/",
        digest=f"{context.digest}-{name}",
        architecture=config["architecture"],
        labels=tuple(context.labels),
        size=config["imageSize"],
        seed=arm.seed,
        groups=(),
        validation=data.real_validation,
        steps=data.real_steps,
        learning_rate=hyper.get("learningRate", LEARNING_RATE["Pretrain"]),
        patience=0,
        hyper=hyper,
        weights=arm.weights,
        fit=context.fit,
    )


def job_of(context: Context, arm: Arm, data: Data, pretrained: Weights | None) -> Job:
    """The last (for most arms the only) run of an arm.

    From random or given weights the learning rate is that of pretraining; from pretrained ones that of finetuning. Mixed
    takes as many steps on real images as the others and sees as many synthetic ones as pretraining does, spread over them.
    SyntheticOnly sees no real image, not even to validate.
    """
    pretrain = context.config["compare"]["pretrain"]["hyperparameters"]
    finetune = context.config["compare"]["finetune"]["hyperparameters"]
    rate = pretrain.get("learningRate", LEARNING_RATE["Pretrain"])
    job = replace(base_job(context, arm, data, finetune, arm.name), learning_rate=rate)
    real = Group(data.real, batch_of(finetune, context.team.world))
    job = replace(job, seen=data.real_seen)
    if arm.arm == "RealOnly":
        return replace(job, groups=(real,))
    if arm.arm == "Mixed":
        synthetic = synthetic_batch(context) * data.synthetic_steps / data.real_steps
        return replace(job, groups=(real, Group(data.synthetic, synthetic)), seen=data.synthetic_seen + data.real_seen)
    if arm.arm == "SyntheticOnly":
        return pretrain_job(context, arm, data)
    rate = finetune.get("learningRate", LEARNING_RATE["Finetune"])
    return replace(job, groups=(real,), learning_rate=rate, weights=pretrained)


def pretrain_job(context: Context, arm: Arm, data: Data) -> Job:
    """On synthetic images only: SyntheticOnly, and what PretrainFinetune begins with, are one run."""
    name = replace(arm, arm="SyntheticOnly").name
    hyper = context.config["compare"]["pretrain"]["hyperparameters"]
    return replace(
        base_job(context, arm, data, hyper, name),
        groups=(Group(data.synthetic, synthetic_batch(context)),),
        validation=data.synthetic_validation,
        steps=data.synthetic_steps,
        seen=data.synthetic_seen,
    )


def synthetic_batch(context: Context) -> float:
    return batch_of(context.config["compare"]["pretrain"]["hyperparameters"], context.team.world)
