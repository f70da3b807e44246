"""Who is on a phantom: the axes, and random people drawn from them (pure, no pixels)."""

from dataclasses import dataclass

import numpy as np

SEXES = ("female", "male")
RACES = ("ASIAN", "BLACK", "HISPANIC", "WHITE")
FINDINGS = ("no-finding", "cardiomegaly", "effusion", "opacity")
AGE_RANGE = (18, 90)  # whole years, inclusive
AGE_BINS = ((18, 39), (40, 59), (60, 79), (80, 90))  # inclusive
SIDES = ("left", "right")  # the patient's own left and right
ZONES = ("upper", "lower")
DEGREES = ("slight", "marked")


@dataclass(frozen=True)
class Person:
    """One phantom person. `findings` is empty for no-finding; side, zone and degree say where and how much."""

    sex: str
    age: int  # years
    race: str
    findings: frozenset[str]
    side: str = "left"
    zone: str = "lower"
    degree: str = "marked"

    @property
    def labels(self) -> np.ndarray:
        """Multi-label target in the order of FINDINGS, float32 [4]."""
        present = self.findings or {"no-finding"}
        return np.array([name in present for name in FINDINGS], np.float32)


def random_person(rng: np.random.Generator, several_findings: float = 0.0) -> Person:
    """A person with uniform axes; with probability `several_findings` two or three findings at once."""
    finding = FINDINGS[rng.integers(len(FINDINGS))]
    findings = frozenset() if finding == "no-finding" else frozenset({finding})
    if rng.random() < several_findings:
        findings = frozenset(rng.choice(FINDINGS[1:], size=rng.integers(2, 4), replace=False).tolist())
    return Person(
        sex=SEXES[rng.integers(2)],
        age=random_age(rng),
        race=RACES[rng.integers(len(RACES))],
        findings=findings,
        side=SIDES[rng.integers(2)],
        zone=ZONES[rng.integers(2)],
        degree=DEGREES[rng.integers(2)],
    )


def random_age(rng: np.random.Generator) -> int:
    """Half uniform over the years and half uniform over the age bins, so that the short oldest bin is not rare."""
    if rng.random() < 0.5:
        return int(rng.integers(AGE_RANGE[0], AGE_RANGE[1] + 1))
    low, high = AGE_BINS[rng.integers(len(AGE_BINS))]
    return int(rng.integers(low, high + 1))
