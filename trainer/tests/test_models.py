"""The networks: built by name, begun from given weights, exported."""

import numpy as np
import onnxruntime
import pytest
import torch
import torchvision

from cohortfarm_trainer.errors import UsageError
from cohortfarm_trainer.models import ARCHITECTURES, last_layer, load_weights, make_model, read_torch, write_torch
from cohortfarm_trainer.training.loop import correct_prior
from cohortfarm_trainer.training.product import export_onnx

LABELS = ["no-finding", "edema", "pneumonia"]


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_network_is_exported_as_it_is_for_any_batch(name):
    model = make_model(name, 3, seed=1).eval()
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
    one, same, other = (make_model("cnn-small", 2, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])


def test_weights_as_torchvision_gives_them_fit_all_but_the_last_layer():
    given = torchvision.models.resnet18(num_classes=1000)
    model = make_model("resnet18", 3, seed=0)
    head = last_layer(model).weight.clone()
    missing = load_weights(model, write_torch(given.state_dict()), "imagenet.pt", LABELS)
    assert missing == ["net.fc.weight", "net.fc.bias"]
    assert torch.equal(model.net.conv1.weight, given.conv1.weight)
    assert torch.equal(last_layer(model).weight, head)


def test_weights_of_other_labels_leave_the_last_layer_as_it_is():
    source = make_model("cnn-small", 3, seed=1)
    data = write_torch({"state": source.state_dict(), "labels": ["no-finding", "a", "b"]})
    model = make_model("cnn-small", 3, seed=2)
    assert load_weights(model, data, "model.pt", LABELS) == ["classifier.weight", "classifier.bias"]
    same = write_torch({"state": source.state_dict(), "labels": LABELS})
    assert load_weights(model, same, "model.pt", LABELS) == []
    assert torch.equal(model.classifier.weight, source.classifier.weight)


def test_weights_of_another_network_are_refused():
    data = write_torch(make_model("resnet18", 3, 0).state_dict())
    with pytest.raises(UsageError, match="w.pt does not fit: .* give weights of the same architecture"):
        load_weights(make_model("cnn-small", 3, 0), data, "w.pt", LABELS)
    with pytest.raises(UsageError, match="no file of weights that can be read safely"):
        read_torch(b"PK\x03\x04 what else", "w.pt")


def test_probabilities_mean_what_they_say_though_positives_weigh_more():
    """With a weight w on positives the best odds are w times the true ones; taking log w off the bias mends that."""
    model = make_model("cnn-small", 1, 0)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.fill_(float(np.log(4.0 * 0.2 / 0.8)))
    correct_prior(model, np.array([4.0], np.float32))
    assert torch.sigmoid(model.eval()(torch.zeros(1, 1, 32, 32))).item() == pytest.approx(0.2)
