"""Calls of a UNet of Stable Diffusion 2.1's shape, as a guided image of 512x512 makes them: {"load": s, "seconds": s, "peak": bytes}.

python unet.py onnxruntime|openvino-f32|openvino-bf16 GRAPH, or torch-float32|torch-bfloat16 FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy

ROWS, CALLS = 2, 3


def onnxruntime(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64}
    ports = {port.name: (len(port.shape), kinds[port.type]) for port in session.get_inputs()}
    return lambda feeds: session.run(None, fitted(feeds, ports))


def fitted(feeds, ports):
    """An export takes the time step as a number or as a list of one, whole or not."""
    return {name: feeds[name].reshape(feeds[name].shape if rank > 1 else (1,) * rank).astype(dtype, copy=False) for name, (rank, dtype) in ports.items()}


def openvino(precision):
    def load(path):
        import openvino

        core = openvino.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": precision})
        request = compiled.create_infer_request()
        ports = {port.get_any_name(): (len(port.get_partial_shape()), port.get_element_type().to_dtype()) for port in compiled.inputs}
        return lambda feeds: request.infer(fitted(feeds, ports))

    return load


def torch(dtype):
    def load(folder):
        import torch
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained(folder, torch_dtype=getattr(torch, dtype))

        def call(feeds):
            sample, hidden = (torch.from_numpy(feeds[name]).to(unet.dtype) for name in ("sample", "encoder_hidden_states"))
            with torch.no_grad():
                unet(sample, int(feeds["timestep"][0]), hidden)

        return call

    return load


LOADERS = {
    "onnxruntime": onnxruntime,
    "openvino-f32": openvino("f32"),
    "openvino-bf16": openvino("bf16"),
    "torch-float32": torch("float32"),
    "torch-bfloat16": torch("bfloat16"),
}


def timed(action):
    begin = time.perf_counter()
    result = action()
    return result, time.perf_counter() - begin


def main():
    kind, path = sys.argv[1:]
    random = numpy.random.default_rng(0)
    feeds = {
        "sample": random.standard_normal((ROWS, 4, 64, 64), dtype=numpy.float32),
        "timestep": numpy.array([421], numpy.int64),
        "encoder_hidden_states": random.standard_normal((ROWS, 77, 1024), dtype=numpy.float32),
    }
    call, load = timed(lambda: LOADERS[kind](path))
    # Memory grows, and kernels are chosen, in the first two.
    seconds = [timed(lambda: call(feeds))[1] for _ in range(2 + CALLS)][2:]
    status = Path("/proc/self/status").read_text()
    peak = 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"load": load, "seconds": sorted(seconds)[CALLS // 2], "peak": peak}))


main()
