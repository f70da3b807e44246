"""What augmentation draws for each image, from seed and position alone: no matter who loads an image, it is changed the same way."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Augment:
    """How far images may be changed; 0 is not at all."""

    seed: int
    flip: bool = False  # mirrors half of the images
    rotation: float = 0.0  # degrees
    translate: float = 0.0  # share of the side
    scale: float = 0.0  # between 1 / (1 + scale) and 1 + scale times the size
    shear: float = 0.0  # degrees
    brightness: float = 0.0  # of a range of 1
    contrast: float = 0.0  # between 1 / (1 + contrast) and 1 + contrast times
    gamma: float = 0.0  # exponent between 1 / (1 + gamma) and 1 + gamma
    blur: float = 0.0  # pixels of the standard deviation
    noise: float = 0.0  # standard deviation, of a range of 1
    erase: float = 0.0  # chance of a rectangle

    @property
    def changes_nothing(self) -> bool:
        return self == Augment(self.seed)

    @property
    def only_flips(self) -> bool:
        return self == Augment(self.seed, self.flip)

    def draw(self, position: int) -> np.ndarray:
        """float64 [len(DRAWN)]: what happens to the image at a place in the endless stream of images."""
        if self.changes_nothing:
            return STILL
        rng = np.random.default_rng([self.seed, position])
        mirrored, angle = rng.random() < 0.5, rng.uniform(-self.rotation, self.rotation)
        if self == Augment(self.seed, self.flip, self.rotation):
            return np.r_[mirrored and self.flip, angle, STILL[2:]]
        shift = rng.uniform(-self.translate, self.translate, 2)
        size, contrast, gamma = (np.exp(rng.uniform(-1, 1) * np.log1p(most)) for most in (self.scale, self.contrast, self.gamma))
        shear, brightness = rng.uniform(-self.shear, self.shear), rng.uniform(-self.brightness, self.brightness)
        blur, noise = rng.uniform(0, self.blur), rng.uniform(0, self.noise)
        erased = rng.random() < self.erase
        # Random erasing (Zhong et al. 2020): 2 to 33 % of the area, sides of 0.3 to 3.3 to each other, wherever it fits.
        area, ratio = rng.uniform(0.02, 0.33), np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
        height, width = np.minimum(np.sqrt([area * ratio, area / ratio]), 1.0) * erased
        top, left = rng.random(2) * (1 - np.array([height, width]))
        return np.array(
            [mirrored and self.flip, angle, *shift, size, shear, brightness, contrast, gamma, blur, noise, top, left, height, width, rng.integers(2**52)],
            np.float64,
        )


# The columns of a draw; those of the rectangle are shares of the side, `seed` is that of the noise.
DRAWN = (
    "mirrored", "angle", "right", "down", "size", "shear", "brightness", "contrast", "gamma", "blur", "noise", "top", "left", "height", "width", "seed",
)  # fmt: skip

STILL = np.array([float(name in ("size", "contrast", "gamma")) for name in DRAWN])


def augment_of(hyper: dict[str, Any], seed: int) -> Augment:
    """The augmentation of hyperparameters."""
    return Augment(seed, hyper["flip"], hyper["rotation"], **hyper.get("augmentation", {}))
