"""What augmentation does to images, against plain ways to do the same."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as T

from cohortfarm_trainer.config import check_config
from cohortfarm_trainer.data.augment import DRAWN, Augment, augment_of
from cohortfarm_trainer.training.augment import augmented

SIZE = 48
STILL = {"size": 1.0, "contrast": 1.0, "gamma": 1.0}
ALL = Augment(7, True, 15, 0.1, 0.2, 5, 0.2, 0.3, 0.4, 1.5, 0.1, 1.0)


def films(n: int = 4) -> torch.Tensor:
    """Smooth images, each another one."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIZE), torch.linspace(0, 1, SIZE), indexing="ij")
    waves = [127 + 100 * torch.sin((3 + i) * x) * torch.cos((2 + i) * y) for i in range(n)]
    return torch.stack(waves).clamp(0, 255).to(torch.uint8)[:, None]


def changed(augment: Augment, images: torch.Tensor | None = None, **drawn: float) -> torch.Tensor:
    """Images that all have the same drawn for them."""
    images = films() if images is None else images
    row = [{**STILL, **drawn}.get(name, 0.0) for name in DRAWN]
    return augmented(images, torch.tensor([row] * len(images), dtype=torch.float64), augment)


def test_without_augmentation_images_are_what_they_were():
    images = films()
    drawn = torch.from_numpy(np.stack([Augment(1).draw(i) for i in range(len(images))]))
    assert augmented(images, drawn, Augment(1)) is images


def test_half_of_the_images_are_mirrored_to_the_bit():
    images, augment = films(200), Augment(1, True)
    drawn = np.stack([augment.draw(i) for i in range(200)])
    found = augmented(images, torch.from_numpy(drawn), augment)
    mirrored = drawn[:, DRAWN.index("mirrored")] > 0
    assert 70 < mirrored.sum() < 130 and found.dtype == torch.uint8
    assert torch.equal(found[mirrored], images[mirrored].flip(-1)) and torch.equal(found[~mirrored], images[~mirrored])


def test_turned_scaled_and_shifted_as_torchvision_does():
    images = films()
    as_torchvision = lambda angle, translate, size: T.affine(images.float(), -angle, translate, size, [0.0, 0.0], InterpolationMode.BILINEAR)
    inside = (..., slice(8, -8), slice(8, -8))
    for drawn, expected in (
        ({"angle": 15.0}, T.rotate(images.float(), 15.0, InterpolationMode.BILINEAR)),
        ({"right": 0.125, "down": -0.0625}, as_torchvision(0.0, [6, -3], 1.0)),
        ({"size": 1.2}, as_torchvision(0.0, [0, 0], 1.2)),
        ({"angle": -10.0, "right": 0.0625, "size": 1.1}, as_torchvision(-10.0, [3, 0], 1.1)),
    ):
        found = changed(Augment(1, rotation=15, translate=0.2, scale=0.2), **drawn)
        torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=0.6)
    # A shift of a whole pixel is exact, and black comes in.
    shifted = changed(Augment(1, translate=0.2), right=1 / SIZE)
    torch.testing.assert_close(shifted[..., 1:], images.float()[..., :-1], rtol=0, atol=0.01)
    assert (shifted[..., 0] == 0).all()


def test_sheared_rows_move_by_their_height():
    line = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8)
    line[..., SIZE // 2] = 255
    found = changed(Augment(1, shear=45), line, shear=45.0)[0, 0]
    columns = found[8:40].argmax(1)
    assert (columns.diff() == 1).all()
    # Sheared first, then turned.
    images = films()
    both = changed(Augment(1, rotation=15, shear=10), angle=12.0, shear=8.0)
    expected = T.rotate(changed(Augment(1, shear=10), shear=8.0), 12.0, InterpolationMode.BILINEAR)
    inside = (..., slice(10, -10), slice(10, -10))
    torch.testing.assert_close(both[inside], expected[inside], rtol=0, atol=1.5)
    assert (both - T.rotate(images.float(), 12.0, InterpolationMode.BILINEAR))[inside].abs().max() > 5


def test_light_and_contrast_are_what_they_say():
    images = films()
    grey = images.double() / 255
    mean = grey.mean((1, 2, 3), keepdim=True)
    light = changed(Augment(1, brightness=0.5, contrast=1.0), brightness=0.1, contrast=1.5)
    torch.testing.assert_close(light.double(), ((grey - mean) * 1.5 + mean + 0.1).clamp(0, 1) * 255, rtol=0, atol=1e-3)
    torch.testing.assert_close(changed(Augment(1, gamma=1.0), gamma=1.7).double(), grey**1.7 * 255, rtol=0, atol=1e-3)


def test_blurred_as_torchvision_does_each_image_by_its_own():
    images = films()
    rows = torch.zeros(4, len(DRAWN), dtype=torch.float64)
    rows[:, [DRAWN.index(name) for name in STILL]] = 1.0
    sigmas = [0.0, 0.5, 1.0, 2.0]
    rows[:, DRAWN.index("blur")] = torch.tensor(sigmas, dtype=torch.float64)
    found = augmented(images, rows, Augment(1, blur=2.0))
    torch.testing.assert_close(found[0], images[0].float(), rtol=0, atol=1e-3)
    inside = (..., slice(7, -7), slice(7, -7))
    for one, image, sigma in zip(found[1:], images[1:], sigmas[1:]):
        torch.testing.assert_close(one[inside], T.gaussian_blur(image.float(), [13, 13], [sigma, sigma])[inside], rtol=0, atol=0.01)


def test_noise_and_a_rectangle():
    flat = torch.full((1, 1, SIZE, SIZE), 128, dtype=torch.uint8)
    noisy = changed(Augment(1, noise=0.1), flat, noise=0.05, seed=5.0)
    assert noisy.mean().item() == pytest.approx(128, abs=2) and noisy.std().item() == pytest.approx(0.05 * 255, rel=0.1)
    assert not torch.equal(noisy, changed(Augment(1, noise=0.1), flat, noise=0.05, seed=6.0))
    images = films(1)
    erased = changed(Augment(1, erase=1.0), images, top=0.25, left=0.5, height=0.25, width=0.125)
    hole = (..., slice(12, 24), slice(24, 30))
    torch.testing.assert_close(erased[hole], images.float().mean().expand_as(erased[hole]), rtol=1e-4, atol=0.01)
    kept = torch.ones_like(erased, dtype=torch.bool)
    kept[hole] = False
    torch.testing.assert_close(erased[kept], images.float()[kept], rtol=0, atol=1e-3)


def test_an_image_is_changed_the_same_way_in_whatever_batch_it_is():
    images = films(6)
    drawn = torch.from_numpy(np.stack([ALL.draw(place) for place in range(100, 106)]))
    whole = augmented(images, drawn, ALL)
    for i in range(6):
        torch.testing.assert_close(augmented(images[i : i + 1], drawn[i : i + 1], ALL)[0], whole[i], rtol=0, atol=1e-3)
    assert ((0 <= whole) & (whole <= 255)).all() and len({tuple(row) for row in drawn.tolist()}) == 6
    assert (ALL.draw(100) == ALL.draw(100)).all()


def test_draws_stay_within_what_was_asked():
    drawn = dict(zip(DRAWN, np.stack([ALL.draw(place) for place in range(2000)]).T))
    assert np.abs(drawn["angle"]).max() <= 15 and np.abs(drawn["right"]).max() <= 0.1 and np.abs(drawn["brightness"]).max() <= 0.2
    for name, most in (("size", 1.2), ("contrast", 1.3), ("gamma", 1.4)):
        assert 1 / most <= drawn[name].min() < 0.95 and 1.05 < drawn[name].max() <= most
    assert drawn["blur"].max() <= 1.5 and drawn["noise"].max() <= 0.1
    assert (drawn["top"] + drawn["height"] <= 1).all() and (drawn["left"] + drawn["width"] <= 1).all()
    area = drawn["height"] * drawn["width"]
    assert area.min() >= 0.0199 and area.max() <= 0.33 + 1e-9
    assert not np.stack([Augment(1).draw(place) for place in range(50)])[:, [DRAWN.index(n) for n in ("height", "width", "noise")]].any()


def test_hyperparameters_say_how_far():
    config = {
        "apiVersion": "cohortfarm.dev/stage/v1", "name": "x", "type": "Pretrain", "output": "/x", "architecture": "cnn-small", "imageSize": 64,
        "labels": ["edema"], "ageBins": ["18-90"], "train": {"data": ["/data"], "hyperparameters": {"augmentation": {"gamma": 0.3}}},
    }  # fmt: skip
    hyper = check_config(config, "pretrain")["train"]["hyperparameters"]
    assert augment_of(hyper, 3) == Augment(3, True, 15, gamma=0.3)
