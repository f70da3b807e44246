"""Phantom data sets in memory, the seeds of each part, and the exact fp16 rounding of weights."""

from dataclasses import dataclass

import numpy as np
import torch

from .people import Person, random_person
from .render import SIZE, render

SEED = 20260417
MEAN, STD = 0.35, 0.25  # of grey levels in 0..1, the gates' input normalisation


@dataclass(frozen=True)
class Phantoms:
    """Films uint8 [n, 128, 128] and the people on them."""

    films: np.ndarray
    people: list[Person]


def phantoms(count: int, part: str, several_findings: float = 0.0) -> Phantoms:
    """`count` random phantoms; each part ("train", "test", ...) has its own stream, so that parts never overlap."""
    rng = stream(part)
    people = [random_person(rng, several_findings) for _ in range(count)]
    films = np.empty((count, SIZE, SIZE), np.uint8)
    for index, person in enumerate(people):
        films[index] = render(person, rng)
    return Phantoms(films, people)


def stream(part: str) -> np.random.Generator:
    """The numpy generator of one named part of the recipe."""
    return np.random.default_rng([SEED, *part.encode()])


def seed_torch(part: str) -> None:
    """Seeds torch's global generator for one named part of the recipe."""
    torch.manual_seed(int(stream(part).integers(2**31)))


def to_tensor(films: np.ndarray) -> torch.Tensor:
    """uint8 [n, 128, 128] -> float32 [n, 1, 128, 128] in -1..1, the range of the autoencoder."""
    return torch.from_numpy(films).unsqueeze(1).float() / 127.5 - 1


def round_to_half(module: torch.nn.Module) -> None:
    """Rounds all weights to float16 values, in place; they stay float32, so that later arithmetic is float32."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.half().float())


def lr_factor(step: int, steps: int, warmup: int = 100) -> float:
    """Linear warm-up, then a half cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + float(np.cos(np.pi * (step - warmup) / max(1, steps - warmup))))
