"""What a run leaves in the store: model.pt for the next stage, model.onnx and gate.json for a quality gate."""

import io
import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..data.images import CROP
from ..data.memory import Memory, read_memory
from ..errors import UsageError
from ..evaluation.thresholds import best_thresholds
from ..models import MEAN, STD, load_weights, make_model
from ..weights import read_torch, write_torch
from .job import Job
from .loop import Trained
from .predict import probabilities

OPSET = 18
MODEL, GRAPH, GATE = "model.pt", "model.onnx", "gate.json"


@dataclass(frozen=True)
class Product:
    """A trained model as another stage reads it."""

    model: nn.Module
    architecture: str
    labels: list[str]
    size: int  # pixels
    thresholds: list[float]
    memory: Memory
    fit: str = CROP


def write_product(job: Job, trained: Trained) -> Product:
    """Writes the three objects. The model remembers whom it was trained on, and whom the weights it began with were."""
    thresholds = best_thresholds(job.validation.labels, probabilities(trained.validation_logits))
    product = Product(trained.model, job.architecture, list(job.labels), job.size, thresholds, job.memory(), job.fit)
    content = {
        "state": trained.model.state_dict(),
        "architecture": job.architecture,
        "labels": list(job.labels),
        "imageSize": job.size,
        "thresholds": thresholds,
        "imageFit": job.fit,
        **product.memory.stored(),
    }
    job.store.put(job.prefix + MODEL, write_torch(content))
    job.store.put(job.prefix + GRAPH, export_onnx(trained.model, job.size))
    job.store.put(job.prefix + GATE, (json.dumps(gate_description(product), indent=2) + "\n").encode())
    return product


def read_product(data: bytes, what: str) -> Product:
    """Reads model.pt. Raises UsageError for any other file."""
    stored = read_torch(data, what)
    missing = {"state", "architecture", "labels", "imageSize", "thresholds", "trainedOn"} - set(stored)
    if missing:
        raise UsageError(f"{what} is not a model.pt of a stage: it has no {', '.join(sorted(missing))}")
    model = make_model(stored["architecture"], len(stored["labels"]), 0, stored["imageSize"])
    load_weights(model, data, what, stored["labels"])
    fields = (stored["architecture"], stored["labels"], stored["imageSize"], stored["thresholds"])
    return Product(model.eval(), *fields, read_memory(stored), stored.get("imageFit", CROP))


def export_onnx(model: nn.Module, size: int) -> bytes:
    """The graph float32 [batch, 1, size, size] -> logits [batch, labels], batch of any size."""
    buffer = io.BytesIO()
    torch.onnx.export(
        model.cpu().eval(),
        (torch.zeros(2, 1, size, size),),
        buffer,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    return buffer.getvalue()


def gate_description(product: Product) -> dict[str, Any]:
    """gate.json, as docs/gates.md describes it."""
    return {
        "apiVersion": "cohortfarm.dev/gate/v1",
        "type": "Classifier",
        "input": {"height": product.size, "width": product.size, "channels": 1, "mean": [MEAN], "std": [STD]},
        "output": {"activation": "sigmoid", "classes": product.labels},
    }
