"""The networks: built by name, begun from given weights, exported."""

import io
import os
import re
import sys
import types

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch
import torchvision

from cohortfarm_trainer.errors import UsageError
from cohortfarm_trainer.models import ARCHITECTURES, last_layer, load_weights, make_model
from cohortfarm_trainer.training.loop import correct_prior
from cohortfarm_trainer.training.product import export_onnx
from cohortfarm_trainer.weights import read_torch, write_torch

LABELS = ["no-finding", "edema", "pneumonia"]


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_network_is_exported_as_it_is_for_any_batch(name):
    model = make_model(name, 3, seed=1, size=64).eval()
    session = onnxruntime.InferenceSession(export_onnx(model, 64), providers=["CPUExecutionProvider"])
    for n in (1, 5):
        image = torch.randn(n, 1, 64, 64)
        with torch.no_grad():
            expected = model(image).numpy()
        assert expected.shape == (n, 3)
        np.testing.assert_allclose(session.run(None, {"image": image.numpy()})[0], expected, atol=1e-4)


def test_the_seed_decides_the_weights_and_nothing_else():
    torch.manual_seed(0)
    before = torch.rand(1)
    torch.manual_seed(0)
    one, same, other = (make_model("cnn-small", 2, seed, 64).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])


NETWORKS = {"densenet121": torchvision.models.densenet121, "resnet18": torchvision.models.resnet18, "resnet50": torchvision.models.resnet50}


def used(net, channels: int = 3):
    """A network with running means that are not those of a new one."""
    torch.manual_seed(1)
    with torch.no_grad():
        net.train()(torch.randn(4, channels, 64, 64) * (1 if channels == 3 else 1024))
    return net.eval()


def official(name: str, state: dict) -> dict:
    """The state as in torchvision's own files: DenseNet's layers are called norm.1 there, not norm1."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in state.items()}


FORMATS = {
    "torch": write_torch,
    "safetensors": safetensors.torch.save,
    "lightning": lambda state: write_torch({"state_dict": {f"model.backbone.{key}": value for key, value in state.items()}}),
    "parallel": lambda state: write_torch({f"module.{key}": value for key, value in state.items()}),
}


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize("name", list(NETWORKS))
def test_science_2_1_weights_as_torchvision_gives_them_fit_all_but_the_last_layer(name, form):
    given = used(NETWORKS[name](weights=None, num_classes=1000))
    model = make_model(name, 3, seed=0, size=64)
    head = last_layer(model).weight.clone()
    missing = load_weights(model, FORMATS[form](official(name, given.state_dict())), "imagenet.pt", LABELS)
    last = "classifier" if name == "densenet121" else "fc"
    assert missing == [f"net.{last}.weight", f"net.{last}.bias"]
    assert torch.equal(last_layer(model).weight, head)
    own = model.net.state_dict()
    assert all(torch.equal(own[key], value) for key, value in given.state_dict().items() if not key.startswith(last))


def grey(name: str):
    """A network for one channel, as torchxrayvision has them: values in -1024..1024, 18 findings."""
    net = NETWORKS[name](weights=None, num_classes=18)
    first = net.features if name == "densenet121" else net
    place = "conv0" if name == "densenet121" else "conv1"
    setattr(first, place, torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False))
    return used(net, 1)


def whole(net, legacy: bool) -> bytes:
    """As torchxrayvision's DenseNets are stored: the whole network, of a class of that package."""
    package, module = types.ModuleType("torchxrayvision"), types.ModuleType("torchxrayvision.models")
    module.DenseNet = type("DenseNet", (type(net),), {"__module__": module.__name__})
    package.models, net.__class__ = module, module.DenseNet
    net.register_buffer("op_threshs", None)
    net.pathologies = ["Atelectasis", "Effusion"]
    sys.modules |= {"torchxrayvision": package, "torchxrayvision.models": module}
    try:
        buffer = io.BytesIO()
        torch.save(net, buffer, _use_new_zipfile_serialization=not legacy)
    finally:
        del sys.modules["torchxrayvision"], sys.modules["torchxrayvision.models"]
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "densenet121-legacy"])
def test_science_2_1_a_network_of_torchxrayvision_finds_the_same_here(name):
    name, _, legacy = name.partition("-")
    given = grey(name)
    pixels = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = given((pixels * 2 - 1) * 1024)
    data = whole(given, bool(legacy)) if name == "densenet121" else write_torch(given.state_dict())
    model = make_model(name, 18, seed=0, size=64).eval()
    assert load_weights(model, data, "xrv.pt", LABELS) == []
    with torch.no_grad():
        torch.testing.assert_close(model((pixels - 0.5) / 0.25), expected, rtol=1e-3, atol=1e-3)


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/cohortfarm-was-here",))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_holds_code_is_refused(zipped):
    net = torchvision.models.resnet18(num_classes=2)
    net.__dict__["more"] = Evil()
    buffer = io.BytesIO()
    torch.save(net, buffer, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UsageError, match="w.pt is not a weights file that can be read safely"):
        load_weights(make_model("resnet18", 3, 0, 64), buffer.getvalue(), "w.pt", LABELS)
    assert not os.path.exists("/tmp/cohortfarm-was-here")
    with pytest.raises(UsageError, match="w.safetensors is not a valid safetensors file"):
        load_weights(make_model("resnet18", 3, 0, 64), (9).to_bytes(8, "little") + b'{"a": [[}' + bytes(8), "w.safetensors", LABELS)


def test_weights_of_other_labels_leave_the_last_layer_as_it_is():
    source = make_model("cnn-small", 3, seed=1, size=64)
    data = write_torch({"state": source.state_dict(), "labels": ["no-finding", "a", "b"]})
    model = make_model("cnn-small", 3, seed=2, size=64)
    assert load_weights(model, data, "model.pt", LABELS) == ["classifier.weight", "classifier.bias"]
    same = write_torch({"state": source.state_dict(), "labels": LABELS})
    assert load_weights(model, same, "model.pt", LABELS) == []
    assert torch.equal(model.classifier.weight, source.classifier.weight)


def test_weights_of_another_network_are_refused():
    data = write_torch(make_model("resnet18", 3, 0, 64).state_dict())
    with pytest.raises(UsageError, match="w.pt does not fit: .* give weights of the same architecture"):
        load_weights(make_model("cnn-small", 3, 0, 64), data, "w.pt", LABELS)
    with pytest.raises(UsageError, match="not a weights file that can be read safely"):
        read_torch(b"PK\x03\x04 what else", "w.pt")


def test_probabilities_mean_what_they_say_though_positives_weigh_more():
    """With a weight w on positives the best odds are w times the true ones; taking log w off the bias fixes that."""
    model = make_model("cnn-small", 1, 0, 64)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.fill_(float(np.log(4.0 * 0.2 / 0.8)))
    correct_prior(model, np.array([4.0], np.float32))
    assert torch.sigmoid(model.eval()(torch.zeros(1, 1, 32, 32))).item() == pytest.approx(0.2)
