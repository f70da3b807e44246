"""Writes the model folder: ONNX graphs with float16 weights, gates, and the diffusers checkpoint with the same values."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx import main_export

from .data import MEAN, STD
from .encoder import EncoderNet, encoder_description
from .gates import Gate, GateNet
from .render import SIZE

OPSET = 18
GRAPHS = ("text_encoder", "unet", "vae_decoder")
COPIED = ("model_index.json", "scheduler", "tokenizer", *GRAPHS)


def export_pipeline(pipe, output: Path) -> None:
    """`output`/diffusers as a checkpoint in fp16, and the same model in `output` as `optimum-cli export onnx` lays it out."""
    checkpoint = output / "diffusers"
    shutil.rmtree(checkpoint, ignore_errors=True)
    pipe.to(dtype=torch.float16).save_pretrained(checkpoint)
    pipe.to(dtype=torch.float32)
    forget_paths(checkpoint)
    for weights in checkpoint.rglob("*.safetensors"):
        weights.chmod(0o644)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float32"), Path(folder, "onnx")
        pipe.save_pretrained(source)
        main_export(str(source), str(target), task="text-to-image", opset=OPSET, do_validation=False)
        forget_paths(target)
        for graph in GRAPHS:
            halve(target / graph / "model.onnx")
        for name in COPIED:
            replace(target / name, output / name)


def replace(source: Path, target: Path) -> None:
    """Moves a file or folder over whatever is there."""
    shutil.rmtree(target, ignore_errors=True) if target.is_dir() else target.unlink(missing_ok=True)
    shutil.move(source, target)


def forget_paths(folder: Path) -> None:
    """Removes from every config the path of the machine it was made on."""
    for path in folder.rglob("*.json"):
        config = json.loads(path.read_text())
        if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n")


def halve(path: Path) -> None:
    """Stores every float32 initializer whose values are exact in float16 as float16 plus a Cast; arithmetic is unchanged."""
    model = onnx.load(path)
    graph, casts = model.graph, []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 16:
            continue
        full = numpy_helper.to_array(tensor)
        half = full.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), full):
            continue
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(half, tensor.name + "_half"))
        casts.append(helper.make_node("Cast", [tensor.name + "_half"], [tensor.name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def export_image_graph(net: torch.nn.Module, output: str, folder: Path) -> None:
    """`folder`/model.onnx of a net that takes one batch of films and gives one output of that name; the batch is dynamic."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net,
        (torch.zeros(1, 1, SIZE, SIZE),),
        str(folder / "model.onnx"),
        input_names=["image"],
        output_names=[output],
        dynamic_axes={"image": {0: "batch"}, output: {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,
    )
    halve(folder / "model.onnx")


def export_encoder(net: EncoderNet, folder: Path) -> None:
    """`folder`/model.onnx and the encoder.json that says how to feed it."""
    export_image_graph(net, "features", folder)
    (folder / "encoder.json").write_text(json.dumps(encoder_description(SIZE, SIZE), indent=2) + "\n")


def export_gate(gate: Gate, net: GateNet, folder: Path) -> None:
    """`folder`/model.onnx and the gate.json that says how to feed and read it."""
    export_image_graph(net, "years" if gate.name == "age" else "logits", folder)
    answer = {"unit": "years"} if gate.kind == "Regressor" else {"classes": list(gate.classes)}
    description = {
        "apiVersion": "cohortfarm.dev/gate/v1",
        "type": gate.kind,
        "input": {"height": SIZE, "width": SIZE, "channels": 1, "mean": [MEAN], "std": [STD]},
        "output": {"activation": gate.activation, **answer},
    }
    (folder / "gate.json").write_text(json.dumps(description, indent=2) + "\n")


def session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def largest_differences(pipe, gates: dict[str, GateNet], output: Path) -> dict[str, float]:
    """Largest absolute difference between each shipped graph and torch on random input of another size and batch."""
    random = torch.Generator().manual_seed(0)
    ids = pipe.tokenizer(["54 year old ASIAN male. Cardiomegaly ."], padding="max_length", return_tensors="pt").input_ids
    states = pipe.text_encoder(ids).last_hidden_state
    latents = torch.randn(3, 4, 24, 16, generator=random)
    time = torch.tensor(421.0)
    image = torch.randn(3, 1, SIZE, SIZE, generator=random)
    three = states.repeat(3, 1, 1)
    cases = {
        "text_encoder": ({"input_ids": ids}, states),
        "unet": ({"sample": latents, "timestep": time, "encoder_hidden_states": three}, pipe.unet(latents, time, three).sample),
        "vae_decoder": ({"latent_sample": latents}, pipe.vae.decode(latents).sample),
        **{f"gates/{name}": ({"image": image}, net(image)) for name, net in gates.items()},
    }
    differences = {}
    for name, (feed, expected) in cases.items():
        graph = session(output / name / "model.onnx")
        out = graph.run(None, {key: value.numpy() for key, value in feed.items()})[0]
        differences[name] = float(np.abs(out - expected.numpy()).max())
    return differences
