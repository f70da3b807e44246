"""Files of weights, of this package and of others, read without running any code that is in them."""

import io
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from typing import Any

import safetensors.torch
import torch
import torchvision
from torch import nn

from .errors import UsageError

# What others put before the names of a network's weights, this package included.
WRAPPERS = re.compile(r"^(?:(?:module|model|backbone|encoder|net|_orig_mod)\.)+")
# The layers of DenseNet as torchvision's own files call them, which are older than its code.
DENSE_LAYER = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)")
# Grey networks of the architectures here are torchxrayvision's, for values in -1024..1024 where this package has -2..2.
GREY_SCALE = 512.0


def canonical(name: str) -> str:
    """The name of a weight as all sources have it: torchvision, torchxrayvision, DistributedDataParallel, this package."""
    return DENSE_LAYER.sub(r"\1\2", WRAPPERS.sub("", name))


def rename(state: dict[str, Any], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by the names that the network has for them; of the same shape where that is only a matter of channels."""
    places = {canonical(name): name for name in own}
    named = {places[canonical(name)]: value for name, value in state.items() if torch.is_tensor(value) and canonical(name) in places}
    return {name: fit_channels(value, own[name]) for name, value in named.items()}


def fit_channels(stored: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """The first convolution of a network for grey images, for one that is given the grey three times: it finds the same."""
    grey = stored.dim() == 4 and stored.shape[1] == 1 and own.dim() == 4 and own.shape[1] == 3
    return stored.repeat(1, 3, 1, 1) * (GREY_SCALE / 3) if grey and stored.shape[2:] == own.shape[2:] else stored


def read_weights(data: bytes, what: str) -> dict[str, Any]:
    """A file of safetensors or of torch: tensors by name, with what else is beside them, or a whole network.

    Raises UsageError for any other file.
    """
    if _is_safetensors(data):
        try:
            return dict(safetensors.torch.load(data))
        except safetensors.SafetensorError as error:
            raise UsageError(f"{what} is not a valid safetensors file: {error}") from error
    return read_torch(data, what)


def _is_safetensors(data: bytes) -> bool:
    """Eight bytes with the length of a JSON object, and that object."""
    length = int.from_bytes(data[:8], "little")
    return len(data) > 9 and data[8:9] == b"{" and 1 < length <= len(data) - 8


def read_torch(data: bytes, what: str) -> dict[str, Any]:
    """A file of torch that holds tensors and plain values, never code. Of a whole network only its weights are taken."""
    try:
        stored = _load(data)
    except Exception as error:
        raise UsageError(f"{what} is not a weights file that can be read safely: {type(error).__name__}") from error
    if isinstance(stored, Shell):
        stored = dict(stored.tensors())
    if not isinstance(stored, dict):
        raise UsageError(f"{what} holds no state_dict")
    return stored


def _load(data: bytes) -> Any:
    if data[:2] == b"PK":
        with torch.serialization.safe_globals(_shells()):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    # Before PyTorch 1.6 a whole network had its layers outside the pickle, which weights_only does not read.
    with warnings.catch_warnings(action="ignore"):
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False, pickle_module=_ShellPickle)


class _ShellUnpickler(pickle.Unpickler):
    """Makes shells and tensors, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {place: shell for shell, place in _shells()} | REBUILT
        try:
            return known[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is neither a tensor nor a layer") from None


class _ShellPickle:
    """What torch.load takes for the module pickle."""

    Unpickler = _ShellUnpickler

    @staticmethod
    def load(file: io.BytesIO, **arguments: Any) -> Any:
        return _ShellUnpickler(file, **arguments).load()


# What tensors consist of in a pickle.
REBUILT = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    **{f"torch.{name}": getattr(torch, name) for name in ("FloatStorage", "HalfStorage", "DoubleStorage", "LongStorage", "IntStorage", "BoolStorage")},
    **{f"{module}.set": set for module in ("builtins", "__builtin__")},
}


class Shell:
    """A placeholder for a layer in a file that holds a whole network: it has the layer's content, and no code of it."""

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
        """Parameters and buffers, as the layer's state_dict would name them."""
        content = vars(self)
        for name, value in {**content.get("_parameters", {}), **content.get("_buffers", {})}.items():
            if torch.is_tensor(value):
                yield prefix + name, value.detach()
        for name, layer in content.get("_modules", {}).items():
            if isinstance(layer, Shell):
                yield from layer.tensors(f"{prefix}{name}.")


@cache
def _shells() -> list[tuple[type, str]]:
    """A shell for each layer that networks of torchvision and torchxrayvision consist of."""
    layers = [getattr(nn, name) for name in nn.modules.__all__]
    models = [torchvision.models.densenet, torchvision.models.resnet]
    layers += [one for module in models for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    names = [f"{layer.__module__}.{layer.__qualname__}" for layer in layers if issubclass(layer, nn.Module)]
    names += [f"torchxrayvision.models.{name}" for name in ("DenseNet", "ResNet", "_DenseBlock", "_DenseLayer", "_Transition")]
    return [(type(name.rpartition(".")[2], (Shell,), {}), name) for name in dict.fromkeys(names)]


def write_torch(value: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
