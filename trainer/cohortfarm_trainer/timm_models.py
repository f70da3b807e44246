"""The networks of timm, timm/NAME: built for one channel and any labels, begun from weights as timm reads them.

timm is imported where a network is one of its own, or something else of it is used.
"""

import difflib
from functools import cache
from typing import Any
from urllib.error import HTTPError

import torch
from torch import nn

from .errors import RetryableError, UsageError
from .weights import WRAPPERS, write_torch

PREFIX = "timm/"
REFUSED = (401, 403, 404, 410)  # HTTP: asking again gives the same
PUBLISHED = "timm://"  # weights that timm fetches by itself


def name_of(architecture: str) -> str | None:
    """The name that timm has for a network; None for another one."""
    return architecture.removeprefix(PREFIX) if architecture.startswith(PREFIX) else None


def made(model: nn.Module) -> bool:
    """Whether timm made this network."""
    return type(model).__module__.startswith("timm.")


def check_config(config: dict[str, Any]) -> None:
    """Raises UsageError, with the names that are nearest, where timm has no such network or weights."""
    for field, prefix in (("architecture", PREFIX), ("weights", PUBLISHED)):
        value = config.get(field, "")
        if value.startswith(prefix):
            _check_name(value.removeprefix(prefix), field, prefix)


def _check_name(name: str, field: str, prefix: str) -> None:
    if name not in _names():
        near = difflib.get_close_matches(name, sorted(_names()), 4, 0.5)
        hint = f"near names are {', '.join(prefix + one for one in near)}" if near else "timm.list_models() lists all"
        raise UsageError(f"{field}: timm has no network {name!r}; {hint}")


@cache
def _names() -> frozenset[str]:
    """Networks, with and without the name of their weights."""
    import timm

    return frozenset(timm.list_models()) | frozenset(timm.list_pretrained())


def build(name: str, labels: int, size: int) -> nn.Module:
    """A network with random weights. Raises UsageError where timm has none of the name, or none for such images and labels."""
    _check_name(name, "architecture", PREFIX)
    model = _create(name, labels, size)
    if labels:
        _try(model, name, labels, size)
    return model


def _create(name: str, labels: int, size: int, **more: Any) -> nn.Module:
    import timm

    fixed = timm.models.get_pretrained_cfg(name)
    shape = {"img_size": size} if fixed is not None and fixed.fixed_input_size else {}
    try:
        model = timm.create_model(name, num_classes=labels, in_chans=1, exportable=True, **shape, **more)
    except (AssertionError, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise UsageError(f"architecture: {PREFIX}{name} cannot be built for one channel of {size} pixels: {error}") from error
    model.built_as = (name, size)
    return model


def classifiers(model: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers that give logits, of a network of timm: the last one first. Some add those of a second one, of each place."""
    named = model.pretrained_cfg["classifier"]
    return [model.get_submodule(name) for name in ((named,) if isinstance(named, str) else named or ())]


def _try(model: nn.Module, name: str, labels: int, size: int) -> None:
    """A network that does not fit is refused here, and not after its data was read."""
    heads, image = classifiers(model), torch.zeros(1, 1, size, size)
    if not heads or not isinstance(heads[0], nn.Linear | nn.Conv2d) or heads[0].bias is None:
        raise UsageError(f"architecture: {PREFIX}{name} {_NO_LAST_LAYER}")
    bias = heads[0].bias.detach().clone()
    try:
        with torch.no_grad():
            before = model.eval()(image)
            heads[0].bias += 1
            after = model(image)
            heads[0].bias.copy_(bias)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UsageError(f"architecture: {PREFIX}{name} does not take images of {size} pixels: {error}") from error
    finally:
        model.train()
    shape = tuple(before.shape)
    if shape != (1, labels):
        raise UsageError(f"architecture: {PREFIX}{name} answers {shape} for one image and {labels} labels; choose another network")
    if not torch.allclose(after - before, torch.ones_like(before), atol=1e-3):
        raise UsageError(f"architecture: {PREFIX}{name} {_NO_LAST_LAYER}")


_NO_LAST_LAYER = "does not end in one linear layer with a bias; choose another network"


def adapt(model: nn.Module, state: dict[str, Any], what: str) -> dict[str, torch.Tensor]:
    """Weights as timm or the authors of a network publish them, fitted by timm to one channel and the size of the images."""
    name, size = model.built_as
    state = {WRAPPERS.sub("", key) if key not in model.state_dict() else key: value for key, value in state.items() if torch.is_tensor(value)}
    last = next(key for key, module in model.named_modules() if module is classifiers(model)[0])
    classes = len(state[f"{last}.weight"]) if f"{last}.weight" in state else 0
    overlay = {"state_dict": state, "num_classes": classes, "custom_load": False}
    try:
        return _create(name, classes, size, pretrained=True, pretrained_cfg_overlay=overlay).state_dict()
    except (UsageError, KeyError) as error:
        raise UsageError(f"{what} does not fit {PREFIX}{name}; give weights of the same architecture: {error}") from error


def published(uri: str) -> bytes:
    """The weights that timm publishes under a name, fetched as timm does: from the Hugging Face Hub, or its mirror HF_ENDPOINT."""
    import timm

    name = uri.removeprefix(PUBLISHED)
    _check_name(name, "weights", PUBLISHED)
    stated = timm.models.get_pretrained_cfg(name)
    if stated is None or not stated.has_weights:
        raise UsageError(f"weights: timm has no weights for {name}; name some, as in {PUBLISHED}resnet18.a1_in1k")
    try:
        return write_torch({"state_dict": timm.create_model(name, pretrained=True).state_dict()})
    except Exception as error:
        status = _status(error)
        if status in REFUSED:
            raise UsageError(f"weights: {uri} is refused with HTTP {status}; correct HF_ENDPOINT, give a token in HF_TOKEN, or name a file") from error
        raise RetryableError(f"{uri} cannot be fetched ({type(error).__name__}); it will be tried again, or name a file") from error


def _status(error: BaseException | None) -> int | None:
    """The HTTP status that an error, or one that led to it, is of."""
    from huggingface_hub.errors import HfHubHTTPError

    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response.status_code
        if isinstance(error, HTTPError):
            return error.code
        error = error.__cause__
    return None
