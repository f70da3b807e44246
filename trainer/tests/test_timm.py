"""The networks of timm: any of them by name, begun from published weights, trained as the others are."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import timm
import torch

from cohortfarm_trainer.config import check_config
from cohortfarm_trainer.errors import RetryableError, UsageError
from cohortfarm_trainer.models import last_layer, load_weights, make_model
from cohortfarm_trainer.timm_models import published
from cohortfarm_trainer.training.loop import correct_prior
from cohortfarm_trainer.training.product import export_onnx
from cohortfarm_trainer.weights import write_torch

LABELS = ["no-finding", "edema", "pneumonia"]
# A transformer of a fixed size, one of convolutions with layer norms, one with batch norms.
NETWORKS = ["test_vit", "test_convnext", "test_resnet"]


@pytest.mark.parametrize(("name", "labels"), [*((name, 3) for name in NETWORKS), ("test_resnet", 1)])
def test_a_network_takes_one_channel_and_is_exported_as_it_is(name, labels):
    model = make_model(f"timm/{name}", labels, seed=1, size=64).eval()
    session = onnxruntime.InferenceSession(export_onnx(model, 64), providers=["CPUExecutionProvider"])
    for n in (1, 5):
        image = torch.randn(n, 1, 64, 64)
        with torch.no_grad():
            expected = model(image).numpy()
        assert expected.shape == (n, labels)
        np.testing.assert_allclose(session.run(None, {"image": image.numpy()})[0], expected, atol=1e-4)
    same = make_model(f"timm/{name}", labels, seed=1, size=64).state_dict()
    assert all(torch.equal(same[key], value) for key, value in model.state_dict().items())
    before = last_layer(model).bias.detach().clone()
    correct_prior(model, np.full(labels, 4.0, np.float32))
    torch.testing.assert_close(last_layer(model).bias, before - np.log(4.0))


FORMS = [write_torch, safetensors.torch.save, lambda state: write_torch({"state_dict": {f"module.{key}": value for key, value in state.items()}})]


@pytest.mark.parametrize(("name", "form"), zip(NETWORKS, FORMS))
def test_weights_as_timm_publishes_them_find_the_same_in_grey_images(name, form):
    """Three channels, a last layer of others, and images of the size that was published."""
    torch.manual_seed(1)
    given = timm.create_model(name, num_classes=1000).eval()
    size = timm.models.get_pretrained_cfg(name).input_size[1]
    model = make_model(f"timm/{name}", 3, 0, size).eval()
    head = {f"{model.pretrained_cfg['classifier']}.{part}" for part in ("weight", "bias")}
    assert set(load_weights(model, form(given.state_dict()), "w", LABELS)) == head
    grey = torch.rand(2, 1, size, size)
    with torch.no_grad():
        torch.testing.assert_close(model.forward_features(grey), given.forward_features(grey.repeat(1, 3, 1, 1)), rtol=1e-3, atol=1e-4)
    # Of another size the places of a transformer are interpolated; of this package they are taken as they are.
    other = make_model(f"timm/{name}", 3, 0, 96)
    assert set(load_weights(other, form(given.state_dict()), "w", LABELS)) == head
    own = make_model(f"timm/{name}", 3, 5, 96)
    assert load_weights(own, write_torch({"state": other.state_dict(), "labels": LABELS}), "model.pt", LABELS) == []
    assert all(torch.equal(value, own.state_dict()[key]) for key, value in other.state_dict().items())


@pytest.mark.parametrize(("name", "size", "heads"), [("volo_d1_224", 64, ["aux_head", "head"]), ("sequencer2d_s", 64, ["head.fc"])])
def test_networks_whose_last_layer_is_wrapped_or_not_alone(name, size, heads):
    """VOLO adds the logits of a second layer; Sequencer names a head that holds the layer."""
    given = timm.create_model(name, num_classes=5, img_size=size) if name.startswith("volo") else timm.create_model(name, num_classes=5)
    model = make_model(f"timm/{name}", 3, 0, size).eval()
    missing = load_weights(model, write_torch(given.state_dict()), "w", LABELS)
    assert sorted(missing) == sorted(f"{head}.{part}" for head in heads for part in ("weight", "bias"))
    image = torch.rand(1, 1, size, size)
    with torch.no_grad():
        before = model(image)
        correct_prior(model, np.full(3, 4.0, np.float32))
        torch.testing.assert_close(model(image), before - np.log(4.0))


def test_weights_of_another_network_are_refused():
    given = timm.create_model("test_resnet", num_classes=1000)
    with pytest.raises(UsageError, match="w.pt does not fit timm/test_vit; give weights of the same architecture"):
        load_weights(make_model("timm/test_vit", 3, 0, 64), write_torch(given.state_dict()), "w.pt", LABELS)


BASE = {"apiVersion": "cohortfarm.dev/stage/v1", "name": "x", "type": "Pretrain", "output": "/x", "imageSize": 64, "labels": ["edema"], "ageBins": ["0-99"]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": "timm/resnet81"}, r"^architecture: timm has no network 'resnet81'; near names are timm/resnet18, "),
        ({"architecture": "timm/zzz"}, "^architecture: timm has no network 'zzz'; timm.list_models() lists all".replace("()", r"\(\)")),
        ({"architecture": "timm/resnet18.a1_in2k"}, r"near names are timm/resnet18.a1_in1k"),
        ({"architecture": "resnet18", "weights": "timm://resnet18.a1_in2k"}, r"^weights: timm has no network 'resnet18.a1_in2k'; near names are timm://resnet18.a1_in1k"),
        ({"architecture": "timm"}, "architecture: 'timm' does not match"),
    ],
)
def test_a_name_that_timm_does_not_have_is_refused_with_near_ones(fields, message):
    with pytest.raises(UsageError, match=message):
        check_config({**BASE, **fields, "train": {"data": ["/x"], "hyperparameters": {}}}, "pretrain")


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("deit_tiny_distilled_patch16_224", 64, "does not end in one linear layer with a bias"),
        ("test_vit", 65, "timm/test_vit .*65"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_it_trains(name, size, message):
    with pytest.raises(UsageError, match=message):
        make_model(f"timm/{name}", 3, 0, size)


FETCH = """
import sys
from cohortfarm_trainer.errors import StageError
from cohortfarm_trainer.models import load_weights, make_model
from cohortfarm_trainer.timm_models import published
try:
    data = published("timm://test_resnet.r160_in1k")
except StageError as error:
    sys.exit(f"{error.exit_code} {error}")
model = make_model("timm/test_resnet", 2, 0, 64)
print(sorted(load_weights(model, data, "timm", ["a", "b"])))
print(float(model.state_dict()["conv1.0.weight"].sum()))
"""


def test_weights_are_fetched_by_timm_only_where_they_are_asked_for(tmp_path):
    """A hub of this machine takes the place of the Hugging Face Hub; one that is down is worth another try."""
    given = timm.create_model("test_resnet", num_classes=1000).state_dict()
    data = safetensors.torch.save(given)

    class Hub(http.server.BaseHTTPRequestHandler):
        asked: list[str] = []

        def do_HEAD(self):
            self.asked.append(self.path)
            found = re.fullmatch(r"/timm/test_resnet\.r160_in1k/resolve/main/model\.safetensors", self.path)
            self.send_response(200 if found else 404)
            for name, value in (("ETag", '"1"'), ("X-Repo-Commit", "a" * 40), ("Content-Length", str(len(data) if found else 0))):
                self.send_header(name, value)
            self.end_headers()
            return found

        def do_GET(self):
            if self.do_HEAD():
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "a"), "NO_PROXY": "*"}
    done = subprocess.run([sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    missing, total = done.stdout.strip().splitlines()
    assert json.loads(missing.replace("'", '"')) == ["fc.bias", "fc.weight"]
    assert float(total) == pytest.approx(float(given["conv1.0.weight"].sum()), abs=1e-3)
    server.shutdown()
    server.server_close()
    environment |= {"HF_HOME": str(tmp_path / "b"), "HF_HUB_OFFLINE": "1"}
    down = subprocess.run([sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True)
    assert down.stderr.strip().splitlines()[-1].startswith("75 timm://test_resnet.r160_in1k cannot be fetched")


@pytest.mark.parametrize("status", [401, 404])
def test_weights_that_a_hub_refuses_are_not_asked_for_again(tmp_path, status):
    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path), "NO_PROXY": "*"}
    done = subprocess.run([sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True)
    server.shutdown()
    server.server_close()
    assert done.stderr.strip().splitlines()[-1].startswith(f"2 weights: timm://test_resnet.r160_in1k is refused with HTTP {status}; "), done.stderr


def test_only_a_network_without_weights_is_said_to_have_none(monkeypatch):
    with pytest.raises(UsageError, match="^weights: timm has no weights for vit_giant_patch14_224; name some"):
        published("timm://vit_giant_patch14_224")

    def damaged(*_, **__):
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr(timm, "create_model", damaged)
    with pytest.raises(RetryableError, match="cannot be fetched"):
        published("timm://test_resnet.r160_in1k")
