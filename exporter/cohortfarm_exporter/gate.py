"""Classifiers and regressors of PyTorch as gates: `model.onnx` and the `gate.json` that says how to feed and read it."""

import json
import os
import pickle
import tempfile
import warnings
from argparse import Namespace
from pathlib import Path

import numpy
import onnxruntime
import torch
import torchvision

from .errors import NEVER, ExportError
from .output import whole_folder

OPSET = 18
RELEASES = "https://github.com/mlmed/torchxrayvision/releases/download/v1"
# The gates of RoentGen-v2's own quality check, by the names of their weights, and the sizes that they were trained at.
XRAY = {
    "age": "baseline_models_riken_xray_age_every_model_age_senet154_v2_tl_26_ft_7_fp32.pt",
    "race": "resnet_race_detection_val-loss_0.157_mimic_public.pt",
    "sex": "mira_sex_resnet-all_epoch_13-step_7125.ckpt",
}
NATIVE = {"age": 320, "race": 320, "sex": 224}
CLASSES = {"race": ["ASIAN", "BLACK", "WHITE"], "sex": ["male", "female"]}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
# Largest difference of the graph from the model, relative to the largest output.
TOLERANCE = 1e-3


def export_gate(name: str, output: Path, options: Namespace) -> None:
    """Exports `xrv:age|race|sex`, or `torchvision:ARCHITECTURE` with weights of one's own."""
    kind, _, which = name.partition(":")
    if kind == "xrv" and which in XRAY:
        reference, described = xray_gate(which, weights_of(which, options.weights), options)
        model = torch.jit.script(Xray(reference, which, options.size).eval())
        example = (torch.rand(2, 1, options.size, options.size, generator=torch.Generator().manual_seed(0)) - 0.5) * 2048
    elif kind == "torchvision":
        reference, described = torchvision_gate(which, options)
        model = reference
        example = torch.randn(2, 3, options.size, options.size, generator=torch.Generator().manual_seed(0))
    else:
        raise ExportError(f"{name} is not a gate that can be exported; write {', '.join(f'xrv:{known}' for known in XRAY)} or torchvision:ARCHITECTURE")
    with whole_folder(output) as unfinished:
        write_graph(model, reference, example, unfinished / "model.onnx")
        (unfinished / "gate.json").write_text(json.dumps({"apiVersion": "cohortfarm.dev/gate/v1", **described}, indent=2) + "\n")


class Xray(torch.nn.Module):
    """A model of torchxrayvision without its resizing, which ONNX lacks; enlarging, antialiased or not, is the same."""

    def __init__(self, reference: torch.nn.Module, which: str, size: int):
        super().__init__()
        mean, std = ([0.0] * 3, [1 / 255] * 3) if which == "sex" else IMAGENET
        self.inner = reference.model
        self.native = NATIVE[which]
        self.resizes = size != self.native
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        grey = (image + 1024) / 2048
        if self.resizes:
            grey = torch.nn.functional.interpolate(grey, size=[self.native, self.native], mode="bilinear", align_corners=False)
        return self.inner((grey.repeat(1, 3, 1, 1) - self.mean) / self.std)


def write_graph(model: torch.nn.Module, reference: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    """Exports a model and compares the graph with it, on a batch of another size."""
    reference.eval()
    axes = {"image": {0: "batch"}, "scores": {0: "batch"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (example,), str(path), input_names=["image"], output_names=["scores"], dynamic_axes=axes, opset_version=OPSET, dynamo=False
        )
        three = torch.cat([example, example[:1] * 0.5])
        expected = reference(three).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": three.numpy()})[0]
    largest = float(numpy.abs(found - expected).max() / max(1.0, float(numpy.abs(expected).max())))
    if not largest <= TOLERANCE:
        raise ExportError(f"the exported graph differs from the model by {largest:.2g}; this architecture cannot be exported", NEVER)


def weights_of(which: str, given: str | None) -> Path:
    path = Path(given) if given else Path.home() / ".torchxrayvision" / "models_data" / XRAY[which]
    if path.is_file():
        return path
    raise ExportError(f"there are no weights at {path}; download {RELEASES}/{XRAY[which]} and name the file with --weights")


def xray_gate(which: str, weights: Path, options: Namespace) -> tuple[torch.nn.Module, dict]:
    """Grey pixels from -1024 to 1024, which is mean 0.5 and std 1/2048; the models resize to their own size."""
    with tempfile.TemporaryDirectory() as home:
        # torchxrayvision looks for weights below the home folder only.
        folder = Path(home, ".torchxrayvision", "models_data")
        folder.mkdir(parents=True)
        (folder / XRAY[which]).symlink_to(weights.resolve())
        before = os.environ.get("HOME")
        os.environ["HOME"] = home
        try:
            import torchxrayvision

            baseline = torchxrayvision.baseline_models
            if which == "sex":
                # Its own loading unpickles whatever the file holds.
                model = baseline.mira.SexModel(weights=False)
                model.model.load_state_dict(read_state(weights, "model."))
            else:
                model = baseline.riken.AgeModel() if which == "age" else baseline.emory_hiti.RaceModel()
        except ExportError:
            raise
        except Exception as error:
            raise ExportError(f"{weights} does not hold the weights of {which} ({first_line(error)}); download it again") from error
        finally:
            os.environ["HOME"] = before or home
    if options.size > NATIVE[which]:
        raise ExportError(f"--size: {options.size} is more than the {NATIVE[which]} pixels that {which} was trained at; give at most that")
    shape = {"height": options.size, "width": options.size, "channels": 1, "mean": [0.5], "std": [1 / 2048]}
    if which == "age":
        return model, {"type": "Regressor", "input": shape, "output": {"activation": "identity", "unit": "years"}}
    classes = options.classes or CLASSES[which]
    if len(classes) != len(CLASSES[which]):
        raise ExportError(f"--classes: {len(classes)} names for the {len(CLASSES[which])} classes {', '.join(CLASSES[which])}; give one for each, in order")
    return model, {"type": "Classifier", "input": shape, "output": {"activation": "softmax", "classes": classes}}


def torchvision_gate(architecture: str, options: Namespace) -> tuple[torch.nn.Module, dict]:
    """A classifier fine-tuned with torchvision: its weights are a state dict, a checkpoint of Lightning included."""
    if architecture not in torchvision.models.list_models(module=torchvision.models):
        raise ExportError(f"torchvision has no classifier {architecture}; write a name such as resnet50 or densenet121")
    if options.weights is None:
        raise ExportError(f"torchvision:{architecture} needs --weights, the file of a state dict")
    if not options.classes:
        raise ExportError(f"torchvision:{architecture} needs --classes, the names of its outputs in order")
    if not Path(options.weights).is_file():
        raise ExportError(f"there are no weights at {options.weights}; correct --weights")
    model = torchvision.models.get_model(architecture, weights=None, num_classes=len(options.classes))
    state = read_state(Path(options.weights), "model.", "module.")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ExportError(f"{options.weights} does not fit {architecture} with {len(options.classes)} classes: {first_line(error)}") from error
    mean, std = IMAGENET
    shape = {"height": options.size, "width": options.size, "channels": 3, "mean": mean, "std": std}
    return model, {"type": "Classifier", "input": shape, "output": {"activation": options.activation, "classes": options.classes}}


class Inert:
    """Replaces whatever a checkpoint holds besides tensors."""

    def __init__(self, *_args, **_named):
        pass

    def __call__(self, *_args, **_named):
        return Inert()

    def ignore(self, *_args):
        """Takes what an unpickler adds to an object, and keeps nothing."""

    __setstate__ = __setitem__ = append = extend = add = ignore


class TensorsOnly(pickle.Unpickler):
    """Runs no code of the file: only what tensors are made of is looked up."""

    def find_class(self, module: str, name: str):
        wanted = (module, name)
        if wanted == ("collections", "OrderedDict") or (module == "torch" and name.endswith("Storage")) or wanted == ("torch._utils", "_rebuild_tensor_v2"):
            return super().find_class(module, name)
        return Inert


class Pickle:
    """What `torch.load` takes for the module `pickle`."""

    Unpickler = TensorsOnly
    UnpicklingError = pickle.UnpicklingError


def read_state(path: Path, *prefixes: str) -> dict[str, torch.Tensor]:
    """The tensors of a state dict or checkpoint, without the prefixes that wrappers put before their names."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=False, pickle_module=Pickle)
    except Exception as error:
        raise ExportError(f"{path} is not a file of PyTorch weights ({first_line(error)}); give the file of a state dict") from error
    state = stored.get("state_dict", stored) if isinstance(stored, dict) else {}
    state = {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    if not state:
        raise ExportError(f"{path} holds no state dict; save one with torch.save(model.state_dict(), FILE)")
    for prefix in prefixes:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
