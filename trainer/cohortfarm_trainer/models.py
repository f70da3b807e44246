"""The networks: grey images in, one logit for each label out."""

from collections.abc import Callable

import torch
import torchvision
from torch import nn

from . import timm_models
from .errors import UsageError
from .weights import read_weights, rename

MEAN, STD = 0.5, 0.25  # of grey levels in 0..1; what is fed is (grey - MEAN) / STD


class Repeated(nn.Module):
    """A network for colour images that is given grey ones: float32 [n, 1, h, w] -> logits [n, labels]."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.net(image.repeat(1, 3, 1, 1))


class SmallCnn(nn.Module):
    """Five convolutions and an average, for tests and small studies: float32 [n, 1, h, w] -> logits [n, labels]."""

    def __init__(self, labels: int):
        super().__init__()
        layers, before = [], 1
        for width, stride in ((16, 2), (32, 2), (64, 2), (64, 1), (64, 1)):
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        self.features = nn.Sequential(*layers)
        # Where something is matters on a chest: the mean of each of 2 x 2 quarters, not of the whole.
        self.classifier = nn.Linear(before * 4, labels)
        self.pretrained_cfg = {"classifier": "classifier"}  # timm's word for the last layer

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = self.features(image)
        height, width = found.shape[2] // 2, found.shape[3] // 2
        quarters = [found[:, :, y, x].mean((2, 3)) for y in _halves(height) for x in _halves(width)]
        return self.classifier(torch.cat(quarters, 1))


def _halves(middle: int) -> tuple[slice, slice]:
    return slice(None, middle), slice(middle, None)


def _torchvision(make: Callable[..., nn.Module], last: str) -> Callable[[int], nn.Module]:
    def build(labels: int) -> nn.Module:
        net = make(weights=None, num_classes=labels)
        net.pretrained_cfg = {"classifier": last}
        return Repeated(net)

    return build


ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {
    "densenet121": _torchvision(torchvision.models.densenet121, "classifier"),
    "resnet18": _torchvision(torchvision.models.resnet18, "fc"),
    "resnet50": _torchvision(torchvision.models.resnet50, "fc"),
    "cnn-small": SmallCnn,
}


def make_model(architecture: str, labels: int, seed: int, size: int) -> nn.Module:
    """A network with random weights that the seed decides, for squares of `size` pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        name = timm_models.name_of(architecture)
        return ARCHITECTURES[architecture](labels) if name is None else timm_models.build(name, labels, size)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 or float32 [n, 1, h, w] of 0 to 255 -> float32, (grey / 255 - MEAN) / STD."""
    return (images.float() / 255 - MEAN) / STD


def last_layer(model: nn.Module) -> nn.Linear | nn.Conv2d:
    """The layer that gives the logits."""
    return last_layers(model)[0]


def last_layers(model: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """And those whose logits are added to its own: all that depends on the labels."""
    if timm_models.made(model):
        return timm_models.classifiers(model)
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]


def load_weights(model: nn.Module, data: bytes, what: str, labels: list[str]) -> list[str]:
    """Puts stored weights into the model: of model.pt, or of the same network as others store it (see weights.py).

    Where the last layer answers other labels it stays as it is. Returns the names of weights that were not in the file.
    Raises UsageError when the file is none, or holds another network.
    """
    stored = read_weights(data, what)
    state = stored.get("state", stored.get("state_dict", stored))
    if timm_models.made(model) and "state" not in stored:
        state = timm_models.adapt(model, state, what)
    own = model.state_dict()
    renamed = rename(state, own)
    last = last_layers(model)
    head = tuple(f"{name}.{part}" for name, module in model.named_modules() if any(module is one for one in last) for part in ("weight", "bias"))
    same_labels = stored.get("labels", labels) == labels
    usable = {
        name: value
        for name, value in renamed.items()
        if own[name].shape == value.shape and (same_labels or name not in head)
    }
    missing = [name for name in own if name not in usable]
    if any(name not in head and not name.endswith("num_batches_tracked") for name in missing):
        raise UsageError(
            f"{what} does not fit: {len(missing)} of {len(own)} weights are missing or of another shape, such as {missing[0]}; "
            "give weights of the same architecture"
        )
    model.load_state_dict(usable, strict=False)
    return missing
