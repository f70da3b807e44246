"""Changes the images of a batch as was drawn for each, all at once and on the device that trains."""

import math

import torch
from torch.nn import functional as F

from ..data.augment import DRAWN, Augment


def augmented(images: torch.Tensor, drawn: torch.Tensor, augment: Augment) -> torch.Tensor:
    """uint8 [b, 1, h, w] and float64 [b, len(DRAWN)] -> the same, or float32 [b, 1, h, w] of 0 to 255. `drawn` is on the CPU."""
    if augment.changes_nothing:
        return images
    columns = drawn.float().to(images.device, non_blocking=True).unbind(1)
    own = {name: column[:, None, None, None] for name, column in zip(DRAWN, columns)}
    if augment.flip:
        images = torch.where(own["mirrored"] > 0, images.flip(-1), images)
    if augment.only_flips:
        return images
    grey = images.float() / 255
    if augment.rotation or augment.translate or augment.scale or augment.shear:
        grey = _warped(grey, own)
    if augment.brightness or augment.contrast:
        mean = grey.mean((1, 2, 3), keepdim=True)
        grey = ((grey - mean) * own["contrast"] + mean + own["brightness"]).clamp(0, 1)
    if augment.gamma:
        grey = grey.pow(own["gamma"])
    if augment.blur:
        grey = _blurred(grey, own["blur"], augment.blur)
    if augment.noise:
        grey = (grey + own["noise"] * _noise(grey, drawn[:, DRAWN.index("seed")])).clamp(0, 1)
    if augment.erase:
        grey = _erased(grey, own)
    return grey * 255


def _warped(grey: torch.Tensor, own: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sheared, scaled, turned counter-clockwise and shifted about the middle; black where nothing was."""
    angle, shear, size = (own[name][:, 0, 0, 0] for name in ("angle", "shear", "size"))
    angle, shear = torch.deg2rad(angle), torch.deg2rad(shear)
    right, down = (2 * own[name][:, 0, 0, 0] for name in ("right", "down"))  # the side is 2 in the coordinates of the grid
    cos, sin, tan = torch.cos(angle), torch.sin(angle), torch.tan(shear)
    # Each pixel asks where it comes from: the inverse of turning, scaling and shearing.
    rows = torch.stack([(cos - tan * sin) / size, (-sin - tan * cos) / size, sin / size, cos / size], 1).view(-1, 2, 2)
    moved = rows @ torch.stack([-right, -down], 1)[:, :, None]
    grid = F.affine_grid(torch.cat([rows, moved], 2), list(grey.shape), align_corners=False)
    return F.grid_sample(grey, grid, "bilinear", "zeros", align_corners=False)


def _blurred(grey: torch.Tensor, sigma: torch.Tensor, most: float) -> torch.Tensor:
    """By a Gaussian of each image's own standard deviation, first along rows, then along columns."""
    reach = max(1, math.ceil(3 * most))
    at = torch.arange(-reach, reach + 1, device=grey.device, dtype=grey.dtype)
    kernel = torch.exp(-0.5 * (at / sigma.clamp(min=1e-3)) ** 2)
    kernel = kernel / kernel.sum(-1, keepdim=True)  # [b, 1, 1, 2 reach + 1]
    images = grey.transpose(0, 1)  # each image is a channel with a kernel of its own
    for weights, sides in ((kernel, (reach, reach, 0, 0)), (kernel.transpose(2, 3), (0, 0, reach, reach))):
        images = F.conv2d(F.pad(images, sides, "replicate"), weights, groups=len(grey))
    return images.transpose(0, 1)


def _noise(grey: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """Normal noise, of each image by a seed of its own: no matter in which batch it is, and of which process."""
    device = grey.device
    drawn = [torch.randn(grey.shape[1:], generator=torch.Generator(device).manual_seed(int(seed)), device=device) for seed in seeds.tolist()]
    return torch.stack(drawn)


def _erased(grey: torch.Tensor, own: dict[str, torch.Tensor]) -> torch.Tensor:
    """A rectangle becomes the mean of its image; one without height is none."""
    height, width = grey.shape[-2:]
    y = (torch.arange(height, device=grey.device) + 0.5)[:, None] / height
    x = (torch.arange(width, device=grey.device) + 0.5) / width
    inside = (y >= own["top"]) & (y < own["top"] + own["height"]) & (x >= own["left"]) & (x < own["left"] + own["width"])
    return torch.where(inside, grey.mean((1, 2, 3), keepdim=True), grey)
