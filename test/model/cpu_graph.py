"""Rewrites of small graphs: {case: {"isRewritten": ..., "difference": the largest of the outputs}} as JSON."""

import json

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper, parser

from cohortfarm_exporter.cpu_graph import rewrite_for_cpu

RANDOM = numpy.random.default_rng(0)
NORM = """
    grouped = Reshape(x, by_group)
    norm = InstanceNormalization{epsilon}(grouped, ones, zeros)
    shape = Shape(x)
    back = Reshape(norm, shape)
    scaled = Mul(back, gamma)
    y = Add(scaled, beta)
"""
GEGLU = """
    product = MatMul(x, weights)
    total = Add(product, bias)
    half = Slice(total, start, middle, axis)
    gate = Slice(total, middle, end, axis)
    gelu = com.microsoft.Gelu(gate)
    y = Mul(half, gelu)
"""
ATTENTION = "y = com.microsoft.Attention<num_heads = 2>(x, weights, bias{mask})"


def floats(*shape: int) -> numpy.ndarray:
    return RANDOM.standard_normal(shape, dtype=numpy.float32)


def integers(*values: int) -> numpy.ndarray:
    return numpy.array(values, numpy.int64)


def norm_weights(gamma: numpy.ndarray) -> dict[str, numpy.ndarray]:
    return {"by_group": integers(0, 4, -1), "ones": numpy.ones(4, numpy.float32), "zeros": numpy.zeros(4, numpy.float32), "gamma": gamma, "beta": floats(16, 1, 1)}


def geglu_weights(**others: numpy.ndarray) -> dict[str, numpy.ndarray]:
    return {"weights": floats(8, 12), "bias": floats(12), "start": integers(0), "middle": integers(6), "end": integers(2**62), "axis": integers(2), **others}


def attention_weights(bias: numpy.ndarray) -> dict[str, numpy.ndarray]:
    return {"weights": floats(8, 24), "bias": bias}


IMAGE, TOKENS = (2, 16, 5, 7), (2, 12, 8)
NORMS, GEGLUS, ATTENTIONS = norm_weights(floats(16, 1, 1)), geglu_weights(), attention_weights(floats(24))
HALF_NORM = {name: values.astype(numpy.float16) if values.dtype == numpy.float32 else values for name, values in NORMS.items()}
# Name: shape of x, nodes, initialisers, opset, outputs.
CASES = {
    "group norm": (IMAGE, NORM.format(epsilon="<epsilon = 0.01>"), NORMS, 18, "y"),
    "group norm without epsilon": (IMAGE, NORM.format(epsilon=""), NORMS, 18, "y"),
    "group norm of opset 17": (IMAGE, NORM.format(epsilon="<epsilon = 0.01>"), NORMS, 17, "y"),
    "group norm in float16": (IMAGE, "x = Cast<to = 10>(input)" + NORM.format(epsilon="").replace("y =", "low =") + "y = Cast<to = 1>(low)", HALF_NORM, 18, "y"),
    "group norm that is an output": (IMAGE, NORM.format(epsilon=""), NORMS, 18, "y, norm"),
    "gated gelu": (TOKENS, GEGLU, GEGLUS, 18, "y"),
    "gated gelu whose gate is an output": (TOKENS, GEGLU, GEGLUS, 18, "y, gate"),
    "gated gelu whose gate is used twice": (TOKENS, GEGLU + "z = Neg(gate)", GEGLUS, 18, "y, z"),
    "gated gelu along the tokens": (TOKENS, GEGLU, geglu_weights(axis=integers(1)), 18, "y"),
    "gated gelu of two thirds": (TOKENS, GEGLU, geglu_weights(middle=integers(4), end=integers(8)), 18, "y"),
    "gated gelu by tanh": (TOKENS, GEGLU.replace("com.microsoft.Gelu", 'Gelu<approximate = "tanh">'), GEGLUS, 20, "y"),
    "gated gelu with a gate that a branch takes": (
        TOKENS,
        GEGLU + "some = ReduceMax<keepdims = 0>(x) yes = Greater(some, zero) z = If(yes) <then_branch = a () => (float[a, b, c] one) { one = Neg(gate) }, else_branch = b () => (float[a, b, c] other) { other = Abs(gate) }>",
        {**GEGLUS, "zero": numpy.array(0, numpy.float32)},
        18,
        "y, z",
    ),
    "attention": (TOKENS, ATTENTION.format(mask=""), attention_weights(numpy.zeros(24, numpy.float32)), 18, "y"),
    "attention with a bias": (TOKENS, ATTENTION.format(mask=""), ATTENTIONS, 18, "y"),
    "attention with a mask": (TOKENS, ATTENTION.format(mask=", mask"), {**ATTENTIONS, "mask": numpy.array([12, 5], numpy.int32)}, 18, "y"),
    "attention in one direction": (TOKENS, ATTENTION.format(mask="").replace("= 2>", "= 2, unidirectional = 1>"), ATTENTIONS, 18, "y"),
}


def build(shape: tuple[int, ...], nodes: str, weights: dict[str, numpy.ndarray], opset: int, outputs: str) -> onnx.ModelProto:
    name = "input" if "(input)" in nodes else "x"
    dims, results = ", ".join("abcdefg"[: len(shape)]), ", ".join(f"float {output.strip()}" for output in outputs.split(","))
    text = f'<ir_version: 9, opset_import: ["" : {opset}, "com.microsoft" : 1]> g (float[{dims}] {name}) => ({results}) {{ {nodes} }}'
    model = parser.parse_model(text)
    for output in model.graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT if name == "x" or output.name == "y" else TensorProto.FLOAT16
        output.type.tensor_type.ClearField("shape")
    model.graph.initializer.extend(numpy_helper.from_array(values, key) for key, values in weights.items())
    return model


def outputs_of(model: onnx.ModelProto, x: numpy.ndarray) -> list[numpy.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def main() -> None:
    found = {}
    for name, (shape, nodes, weights, opset, outputs) in CASES.items():
        model, x = build(shape, nodes, weights, opset, outputs), floats(*shape)
        expected = outputs_of(model, x)
        before = [node.op_type for node in model.graph.node]
        rewrite_for_cpu(model)
        after = [node.op_type for node in model.graph.node]
        difference = max(float(numpy.abs(one - other).max()) for one, other in zip(outputs_of(model, x), expected, strict=True))
        found[name] = {"isRewritten": before != after, "difference": difference}
    print(json.dumps(found))


main()
