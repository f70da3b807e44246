"""The usual augmentations, drawn from seed and position alone: no matter who loads an image, it is turned the same way."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F


@dataclass(frozen=True)
class Augment:
    """Mirrors half of the images and turns each by up to `rotation` degrees."""

    flip: bool
    rotation: float
    seed: int

    def __call__(self, image: np.ndarray, position: int) -> np.ndarray:
        """uint8 [size, size] in and out; `position` is the place in the endless stream of images."""
        if not self.flip and self.rotation == 0:
            return image
        rng = np.random.default_rng([self.seed, position])
        mirrored, angle = rng.random() < 0.5, rng.uniform(-self.rotation, self.rotation)
        if self.flip and mirrored:
            image = image[:, ::-1]
        if self.rotation > 0:
            turned = F.rotate(Image.fromarray(np.ascontiguousarray(image)), angle, InterpolationMode.BILINEAR)
            image = np.asarray(turned)
        return image
