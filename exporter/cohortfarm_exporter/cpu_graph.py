"""Rewrites of a fused graph for ONNX Runtime's CPU provider: the same sums, by operators that take less time and memory there.

What is not exactly as expected stays as it is.
"""

from collections.abc import Iterator

import numpy
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


class Graph:
    """A graph with its nodes and initialisers found by name; `write` puts the changes into the model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self.nodes = list(model.graph.node)
        self.outputs = {output.name for output in model.graph.output}
        self.inputs = {entry.name for entry in model.graph.input}
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers = {output: node for node in self.nodes for output in node.output}
        self.consumers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in names_used(node):
                self.consumers.setdefault(name, []).append(node)

    def producer(self, name: str, operator: str) -> NodeProto | None:
        node = self.producers.get(name)
        return node if node is not None and node.op_type == operator else None

    def only_consumer(self, name: str, operator: str) -> NodeProto | None:
        consumers = self.consumers.get(name, [])
        is_alone = len(consumers) == 1 and name not in self.outputs
        return consumers[0] if is_alone and consumers[0].op_type == operator else None

    def weight(self, name: str) -> numpy.ndarray | None:
        """The float32 values of an initialiser, also where they are another's: equal ones are exported once."""
        same = self.producer(name, "Identity")
        if same is not None:
            return self.weight(same.input[0])
        tensor = self.tensors.get(name)
        return numpy_helper.to_array(tensor) if tensor is not None and tensor.data_type == onnx.TensorProto.FLOAT else None

    def constant(self, name: str) -> numpy.ndarray | None:
        node = self.producer(name, "Constant")
        if node is not None:
            return numpy_helper.to_array(node.attribute[0].t) if node.attribute[0].name == "value" else None
        return numpy_helper.to_array(self.tensors[name]) if name in self.tensors else None

    def add_weight(self, name: str, values: numpy.ndarray) -> str:
        self.tensors[name] = numpy_helper.from_array(numpy.ascontiguousarray(values), name)
        return name

    def replace(self, old: list[NodeProto], new: list[NodeProto]) -> None:
        """Puts `new` in the place of the last of `old`, where all inputs of it are known."""
        at = max(i for i, node in enumerate(self.nodes) if any(node is gone for gone in old))
        self.nodes[at : at + 1] = new
        self.nodes = [node for node in self.nodes if not any(node is gone for gone in old)]

    def write(self) -> None:
        while True:
            used = self.outputs | self.inputs | {name for node in self.nodes for name in names_used(node)}
            kept = [node for node in self.nodes if used & set(node.output)]
            if len(kept) == len(self.nodes):
                break
            self.nodes = kept
        self.graph.ClearField("node")
        self.graph.node.extend(self.nodes)
        self.graph.ClearField("initializer")
        self.graph.initializer.extend(tensor for name, tensor in self.tensors.items() if name in used)


def names_used(node: NodeProto) -> Iterator[str]:
    """The inputs of a node, and what the graphs in it may take from outside."""
    yield from node.input
    for attribute in node.attribute:
        graphs: list[GraphProto] = [*attribute.graphs, attribute.g] if attribute.HasField("g") else [*attribute.graphs]
        for graph in graphs:
            yield from (output.name for output in graph.output)
            for inner in graph.node:
                yield from names_used(inner)


def rewrite_for_cpu(model: onnx.ModelProto) -> dict[str, int]:
    """Changes the graph in place. @returns the new fused operators, by name"""
    graph = Graph(model)
    separate_attention(graph)
    split = split_gated_gelu(graph)
    norms = spread_group_norm(graph)
    graph.write()
    return {"BiasGelu": split, "parallel GroupNorm": norms}


def separate_attention(graph: Graph) -> None:
    """`Attention` holds the whole matrix of scores, [rows, heads, tokens, tokens]; `MultiHeadAttention` works on blocks of it.

    Source: T. Dao et al., "FlashAttention" (2022); ONNX Runtime, contrib_ops/cpu/bert/multihead_attention.cc.
    """
    for node in [node for node in graph.nodes if node.op_type == "Attention" and node.domain == MICROSOFT]:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if len(node.input) < 3 or any(node.input[3:]) or any(node.output[1:]) or set(attributes) != {"num_heads"}:
            continue
        weights, biases = graph.weight(node.input[1]), graph.weight(node.input[2])
        if weights is None or biases is None or weights.shape[1:] != biases.shape or biases.size % 3:
            continue
        names = [f"{node.output[0]}_{part}" for part in ("query", "key", "value")]
        products = [
            helper.make_node("MatMul", [node.input[0], graph.add_weight(f"{name}_weight", values)], [name])
            for name, values in zip(names, numpy.split(weights, 3, axis=1), strict=True)
        ]
        bias = [node.input[2]] if biases.any() else []
        attention = helper.make_node("MultiHeadAttention", [*names, *bias], [node.output[0]], domain=MICROSOFT, num_heads=attributes["num_heads"])
        graph.replace([node], [*products, attention])


def split_gated_gelu(graph: Graph) -> int:
    """GEGLU computes both halves in one product and slices it: two products of half the width need no copies. @returns how many"""
    split = 0
    for gelu in [node for node in graph.nodes if node.op_type == "Gelu" and not node.attribute]:
        gate, gated = graph.producer(gelu.input[0], "Slice"), graph.only_consumer(gelu.output[0], "Mul")
        if gate is None or gated is None or graph.only_consumer(gate.output[0], "Gelu") is None:
            continue
        half = graph.producer(next((name for name in gated.input if name != gelu.output[0]), ""), "Slice")
        total = graph.producer(gate.input[0], "Add")
        if half is None or total is None or half.input[0] != gate.input[0] or graph.only_consumer(half.output[0], "Mul") is None:
            continue
        parts = product_and_bias(graph, total)
        if parts is None or not are_halves(graph, half, gate, parts[1].shape[1]):
            continue
        product, weights, biases = parts
        (low, high), (low_bias, high_bias) = numpy.split(weights, 2, axis=1), numpy.split(biases, 2)
        name = total.output[0]
        new = [
            helper.make_node("MatMul", [product.input[0], graph.add_weight(f"{name}_low", low)], [f"{name}_low_product"]),
            helper.make_node("Add", [f"{name}_low_product", graph.add_weight(f"{name}_low_bias", low_bias)], [half.output[0]]),
            helper.make_node("MatMul", [product.input[0], graph.add_weight(f"{name}_high", high)], [f"{name}_high_product"]),
            helper.make_node("BiasGelu", [f"{name}_high_product", graph.add_weight(f"{name}_high_bias", high_bias)], [gelu.output[0]], domain=MICROSOFT),
        ]
        graph.replace([half, gate, gelu], new)
        split += 1
    return split


def product_and_bias(graph: Graph, total: NodeProto) -> tuple[NodeProto, numpy.ndarray, numpy.ndarray] | None:
    """The product whose sum with a bias is `total`, its weights and the bias."""
    for name, bias in (total.input, reversed(total.input)):
        product, biases = graph.producer(name, "MatMul"), graph.weight(bias)
        weights = None if product is None else graph.weight(product.input[1])
        if product is not None and weights is not None and biases is not None and weights.ndim == 2 and biases.shape == weights.shape[1:]:
            return product, weights, biases
    return None


def are_halves(graph: Graph, half: NodeProto, gate: NodeProto, width: int) -> bool:
    """Whether two slices are the first and the second half of the last axis.

    Their ends are constants, or what torch.chunk is exported as: half = (width + 1) / 2, then half * 1 and half * 2.
    """
    if width % 2 or len(half.input) != 4 or len(gate.input) != 4:
        return False
    start, axes = graph.constant(half.input[1]), [graph.constant(node.input[3]) for node in (half, gate)]
    is_last = all(axis is not None and axis.size == 1 and int(axis.item()) in (-1, 2) for axis in axes)
    if start is None or start.any() or not is_last:
        return False
    middle, begin, end = (graph.constant(name) for name in (half.input[2], *gate.input[1:3]))
    if middle is not None and begin is not None and end is not None:
        return int(middle.item()) == int(begin.item()) == width // 2 and int(end.item()) >= width
    first, second = (graph.producer(node.input[2], "Mul") for node in (half, gate))
    if first is None or second is None or half.input[2] != gate.input[1]:
        return False
    factors = [next((int(value.item()) for name in node.input if (value := graph.constant(name)) is not None), 0) for node in (first, second)]
    return factors == [1, 2] and bool(set(first.input) & set(second.input))


def spread_group_norm(graph: Graph) -> int:
    """GroupNorm is exported as InstanceNormalization, which runs on one thread: sums that run on all. @returns how many"""
    spread = 0
    for norm in [node for node in graph.nodes if node.op_type == "InstanceNormalization"]:
        grouped = graph.producer(norm.input[0], "Reshape")
        back = graph.only_consumer(norm.output[0], "Reshape")
        scaled = graph.only_consumer(back.output[0], "Mul") if back is not None else None
        if grouped is None or scaled is None:
            continue
        gamma = next((values for name in scaled.input if (values := graph.weight(name)) is not None), None)
        shape, ones, zeros = (graph.constant(name) for name in (grouped.input[1], *norm.input[1:]))
        if gamma is None or gamma.shape != (gamma.size, 1, 1) or ones is None or (ones != 1).any() or zeros is None or zeros.any():
            continue
        if shape is None or shape.size != 3 or shape[1] < 1 or gamma.size % shape[1]:
            continue
        epsilon = helper.get_node_attr_value(norm, "epsilon") if norm.attribute else 1e-5
        nodes = group_norm_nodes(graph, grouped.input[0], gamma.reshape(1, int(shape[1]), -1, 1), epsilon, scaled.output[0])
        graph.replace([norm, scaled], nodes)
        spread += 1
    return spread


def group_norm_nodes(graph: Graph, x: str, gamma: numpy.ndarray, epsilon: float, output: str) -> list[NodeProto]:
    """c * gamma / sqrt(c.c / n + epsilon) with c = x - mean(x), over the n values of each group.

    gamma: [1, groups, channels of a group, 1].
    """
    groups, channels = gamma.shape[1], gamma.size

    def integers(part: str, values: list[int]) -> str:
        return graph.add_weight(f"{output}_{part}", numpy.array(values, numpy.int64))

    at = {part: f"{output}_{part}" for part in ("x", "mean", "c", "dot", "shape", "length", "n", "variance", "shifted", "deviation", "scale", "scales", "all", "back")}
    # The axes of a mean became an input in opset 18.
    axes, attributes = ([integers("values", [3])], {}) if graph.opset >= 18 else ([], {"axes": [3]})
    return [
        helper.make_node("Reshape", [x, integers("by_group", [0, groups, 1, -1])], [at["x"]]),
        helper.make_node("ReduceMean", [at["x"], *axes], [at["mean"]], keepdims=1, **attributes),
        helper.make_node("Sub", [at["x"], at["mean"]], [at["c"]]),
        helper.make_node("FusedMatMul", [at["c"], at["c"]], [at["dot"]], domain=MICROSOFT, transB=1),
        helper.make_node("Shape", [at["x"]], [at["shape"]]),
        helper.make_node("Gather", [at["shape"], integers("last", [3])], [at["length"]]),
        helper.make_node("Cast", [at["length"]], [at["n"]], to=onnx.TensorProto.FLOAT),
        helper.make_node("Div", [at["dot"], at["n"]], [at["variance"]]),
        helper.make_node("Add", [at["variance"], graph.add_weight(f"{output}_epsilon", numpy.array(epsilon, numpy.float32))], [at["shifted"]]),
        helper.make_node("Sqrt", [at["shifted"]], [at["deviation"]]),
        helper.make_node("Div", [graph.add_weight(f"{output}_gamma", gamma), at["deviation"]], [at["scale"]]),
        helper.make_node("Reshape", [at["scale"], integers("by_channel", [0, channels, 1, 1])], [at["scales"]]),
        helper.make_node("Shape", [x], [at["all"]]),
        helper.make_node("Reshape", [at["c"], at["all"]], [at["back"]]),
        helper.make_node("Mul", [at["back"], at["scales"]], [output]),
    ]
