"""Fused graphs, by ONNX Runtime's own optimiser, in the layout of the model they are made from."""

import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from .cpu_graph import rewrite_for_cpu
from .errors import ExportError
from .output import whole_folder

GRAPHS = {"text_encoder": "clip", "unet": "unet", "vae_decoder": "vae"}
# Fusions whose operators only the CUDA provider has.
CUDA_ONLY = (
    "enable_nhwc_conv",
    "enable_group_norm",
    "enable_skip_group_norm",
    "enable_bias_splitgelu",
    "enable_packed_qkv",
    "enable_packed_kv",
    "enable_bias_add",
)
Rewrite = Callable[[onnx.ModelProto], dict[str, int]]
# Weights beyond that lie beside the graph: ONNX Runtime maps them from there, in place of two copies in memory.
INLINE_BYTES = 64 * 2**20
# Largest difference of a fused graph from the one it is made of, relative to the largest output.
TOLERANCE = 1e-3


def optimize_folder(source: Path, output: Path, target: str, keep_float32: list[str]) -> dict[str, dict[str, int]]:
    """Optimises the graphs of `source` for `cuda` (float16) or `cpu` (float32). @returns the fused operators of each"""
    missing = [name for name in GRAPHS if not (source / name / "model.onnx").is_file()]
    if missing:
        raise ExportError(f"{source} lacks {', '.join(f'{name}/model.onnx' for name in missing)}; give a folder that `cohortfarm model export` wrote")
    kept = parse_kept(keep_float32)
    counts = {}
    with whole_folder(output) as unfinished:
        card = ["README.md"] if (source / "README.md").is_file() else []
        for entry in ("model_index.json", "scheduler", "tokenizer", *card):
            path = source / entry
            shutil.copytree(path, unfinished / entry) if path.is_dir() else shutil.copy(path, unfinished / entry)
        for name, kind in GRAPHS.items():
            (unfinished / name).mkdir()
            for config in (source / name).glob("*.json"):
                shutil.copy(config, unfinished / name / config.name)
            counts[name] = optimize_graph(source / name / "model.onnx", unfinished / name / "model.onnx", kind, target, kept.get(name))
    return counts


def parse_kept(kept: list[str]) -> dict[str, list[str]]:
    """`unet:MultiHeadAttention` keeps those operators of a graph in float32, `vae_decoder` all of them (an empty list)."""
    parsed: dict[str, list[str]] = {}
    for entry in kept:
        name, _, operator = entry.partition(":")
        if name not in GRAPHS:
            raise ExportError(f"--keep-float32: {entry} names no graph; write one of {', '.join(GRAPHS)}, or GRAPH:OPERATOR")
        parsed.setdefault(name, []).extend([operator] if operator else [])
    return parsed


def optimize_graph(source: Path, target: Path, kind: str, provider: str, kept: list[str] | None) -> dict[str, int]:
    if provider == "cuda":
        return fuse(source, target, kind, provider, kept)
    try:
        fused = fuse(source, target, kind, provider, kept, rewrite_for_cpu)
        compare(source, target)
    except Exception as error:  # ONNX Runtime has an exception for each of its codes.
        print(f"{target.parent.name}: not rewritten for the CPU ({str(error).splitlines()[0]}); ONNX Runtime's own fusions alone", file=sys.stderr)
        fused = fuse(source, target, kind, provider, kept)
        compare(source, target)
    return fused


def fuse(source: Path, target: Path, kind: str, provider: str, kept: list[str] | None, rewrite: Rewrite | None = None) -> dict[str, int]:
    """Writes what ONNX Runtime's optimiser, and `rewrite` after it, make of a graph. @returns the fused operators"""
    for left in target.parent.glob("*.onnx*"):
        left.unlink()
    plain = onnx.load(source)
    fold_casts(plain)
    external = weight_bytes(plain) > INLINE_BYTES
    options = FusionOptions(kind)
    if provider == "cpu":
        for name in CUDA_ONLY:
            setattr(options, name, False)
    folded = target.with_name("folded.onnx")
    onnx.save(plain, folded, save_as_external_data=external, location="folded.onnx_data")
    del plain
    model = optimize_model(
        str(folded), model_type=kind, num_heads=0, hidden_size=0, opt_level=0, optimization_options=options, use_gpu=provider == "cuda"
    )
    if provider == "cuda" and kept != []:
        model.convert_float_to_float16(keep_io_types=False, op_block_list=kept or [])
    more = rewrite(model.model) if rewrite else {}
    # The union takes the larger count: ONNX Runtime counts some of the rewritten operators, too.
    fused = dict(Counter(model.get_fused_operator_statistics()) | Counter(more))
    model.save_model_to_file(str(target), use_external_data_format=external)
    for left in target.parent.glob("folded.onnx*"):
        left.unlink()
    return fused


def weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the weights; `ByteSize` of a message fails above 2 GB."""
    return sum(math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize for tensor in model.graph.initializer)


def fold_casts(model: onnx.ModelProto) -> None:
    """Weights that are stored as float16 behind a Cast hide from the optimiser: stores them as float32."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = [node for node in model.graph.node if node.op_type == "Cast" and node.input[0] in tensors]
    for node in casts:
        if node.attribute[0].i != TensorProto.FLOAT or tensors[node.input[0]].data_type != TensorProto.FLOAT16:
            continue
        values = numpy_helper.to_array(tensors[node.input[0]]).astype(numpy.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)


def compare(source: Path, target: Path) -> None:
    """Refuses a fused graph that computes something else, on random input of a small size."""
    config = json.loads((source.parent.parent / "text_encoder" / "config.json").read_text())
    outputs, feeds = [], None
    for path in (source, target):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        feeds = feeds or random_feeds(session, config.get("max_position_embeddings", 77))
        outputs.append(session.run(None, feeds)[0])
        del session
    largest = float(numpy.abs(outputs[0] - outputs[1]).max() / max(1.0, float(numpy.abs(outputs[0]).max())))
    if not largest <= TOLERANCE:
        raise ExportError(f"{target.parent.name}: the optimised graph differs from {source} by {largest:.2g}; use the model as it is")


def random_feeds(session: onnxruntime.InferenceSession, tokens: int) -> dict[str, numpy.ndarray]:
    random = numpy.random.default_rng(0)
    sizes = {"batch_size": 2, "sequence_length": tokens}
    feeds = {}
    for port in session.get_inputs():
        if "float16" in port.type:
            raise ExportError("the graphs are of float16; optimise the float32 model that they are made from")
        if port.name == "timestep":
            shape = [size if isinstance(size, int) else 1 for size in port.shape]
            feeds[port.name] = numpy.full(shape, 421, numpy.int64 if "int64" in port.type else numpy.float32)
            continue
        shape = [size if isinstance(size, int) else sizes.get(size, 16) for size in port.shape]
        if "int" in port.type:
            feeds[port.name] = random.integers(1, 100, shape).astype(numpy.int32 if "int32" in port.type else numpy.int64)
        else:
            feeds[port.name] = random.standard_normal(shape).astype(numpy.float32)
    return feeds
