"""Rewrites of a fused graph for ONNX Runtime's CPU provider: the same sums, by operators that take less time and memory there."""

import numpy
import onnx
from onnx import NodeProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


class Graph:
    """A graph with its nodes and initialisers found by name; `write` puts the changes into the model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self.nodes = list(model.graph.node)
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers = {output: node for node in self.nodes for output in node.output}
        self.consumers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def producer(self, name: str, operator: str) -> NodeProto | None:
        node = self.producers.get(name)
        return node if node is not None and node.op_type == operator else None

    def only_consumer(self, name: str, operator: str) -> NodeProto | None:
        consumers = self.consumers.get(name, [])
        return consumers[0] if len(consumers) == 1 and consumers[0].op_type == operator else None

    def weight(self, name: str) -> numpy.ndarray | None:
        """The values of an initialiser, also where they are another's: equal ones are exported once."""
        same = self.producer(name, "Identity")
        if same is not None:
            return self.weight(same.input[0])
        return numpy_helper.to_array(self.tensors[name]) if name in self.tensors else None

    def add_weight(self, name: str, values: numpy.ndarray) -> str:
        self.tensors[name] = numpy_helper.from_array(numpy.ascontiguousarray(values), name)
        return name

    def replace(self, old: list[NodeProto], new: list[NodeProto]) -> None:
        """Puts `new` in the place of the last of `old`, where all inputs of it are known."""
        at = max(self.nodes.index(node) for node in old)
        self.nodes[at : at + 1] = new
        self.nodes = [node for node in self.nodes if not any(node is gone for gone in old)]

    def write(self) -> None:
        outputs = {output.name for output in self.graph.output}
        while True:
            used = outputs | {name for node in self.nodes for name in node.input}
            kept = [node for node in self.nodes if used & set(node.output)]
            if len(kept) == len(self.nodes):
                break
            self.nodes = kept
        self.graph.ClearField("node")
        self.graph.node.extend(self.nodes)
        self.graph.ClearField("initializer")
        self.graph.initializer.extend(tensor for name, tensor in self.tensors.items() if name in used)


def rewrite_for_cpu(model: onnx.ModelProto) -> dict[str, int]:
    """Changes the graph in place. @returns the new fused operators, by name"""
    graph = Graph(model)
    separate_attention(graph)
    split_gated_gelu(graph)
    norms = spread_group_norm(graph)
    graph.write()
    return {"BiasGelu": sum(node.op_type == "BiasGelu" for node in graph.nodes), "parallel GroupNorm": norms}


def separate_attention(graph: Graph) -> None:
    """`Attention` holds the whole matrix of scores, [rows, heads, tokens, tokens]; `MultiHeadAttention` works on blocks of it.

    Source: T. Dao et al., "FlashAttention" (2022); ONNX Runtime, contrib_ops/cpu/bert/multihead_attention.cc.
    """
    for node in [node for node in graph.nodes if node.op_type == "Attention"]:
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        weights, biases = graph.weight(node.input[1]), graph.weight(node.input[2])
        is_plain = not any(node.input[3:]) and set(attributes) <= {"num_heads"}
        if not is_plain or weights is None or biases is None:
            continue
        parts = numpy.split(weights, 3, axis=1)
        names = [f"{node.output[0]}_{part}" for part in ("query", "key", "value")]
        products = [
            helper.make_node("MatMul", [node.input[0], graph.add_weight(f"{name}_weight", values)], [name])
            for name, values in zip(names, parts, strict=True)
        ]
        bias = [node.input[2]] if biases.any() else []
        attention = helper.make_node("MultiHeadAttention", [*names, *bias], list(node.output), domain=MICROSOFT, num_heads=attributes["num_heads"])
        graph.replace([node], [*products, attention])


def split_gated_gelu(graph: Graph) -> None:
    """GEGLU computes both halves in one product and slices it: two products of half the width need no copies."""
    for gelu in [node for node in graph.nodes if node.op_type == "Gelu"]:
        gate, gated = graph.producer(gelu.input[0], "Slice"), graph.only_consumer(gelu.output[0], "Mul")
        if gate is None or gated is None:
            continue
        other = next((name for name in gated.input if name != gelu.output[0]), "")
        half = graph.producer(other, "Slice")
        total = graph.producer(gate.input[0], "Add")
        if half is None or total is None or half.input[0] != gate.input[0]:
            continue
        parts = product_and_bias(graph, total)
        if parts is None or not is_first_half(graph, half, gate):
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


def spread_group_norm(graph: Graph) -> int:
    """GroupNorm is exported as InstanceNormalization, which runs on one thread: sums that run on all. @returns how many"""
    if graph.opset < 18:
        return 0
    spread = 0
    for norm in [node for node in graph.nodes if node.op_type == "InstanceNormalization"]:
        grouped = graph.producer(norm.input[0], "Reshape")
        back = graph.only_consumer(norm.output[0], "Reshape")
        scaled = graph.only_consumer(back.output[0], "Mul") if back is not None else None
        if grouped is None or scaled is None:
            continue
        gamma = next((values for name in scaled.input if (values := graph.weight(name)) is not None), None)
        shape, ones, zeros = (constant(graph, name) for name in (grouped.input[1], *norm.input[1:]))
        if gamma is None or gamma.shape != (gamma.size, 1, 1) or ones is None or (ones != 1).any() or zeros is None or zeros.any():
            continue
        if shape is None or shape.size != 3 or shape[1] < 1 or gamma.size % shape[1]:
            continue
        nodes = group_norm_nodes(graph, grouped.input[0], gamma.reshape(1, int(shape[1]), -1, 1), helper.get_node_attr_value(norm, "epsilon"), scaled.output[0])
        graph.replace([norm, scaled], nodes)
        spread += 1
    return spread


def group_norm_nodes(graph: Graph, x: str, gamma: numpy.ndarray, epsilon: float, output: str) -> list[NodeProto]:
    """c * gamma / sqrt(c.c / n + epsilon) with c = x - mean(x), over the n values of each group.

    gamma: [1, groups, channels of a group, 1].
    """
    groups, channels = gamma.shape[1], gamma.size

    def constant_of(part: str, values: list[int]) -> str:
        return graph.add_weight(f"{output}_{part}", numpy.array(values, numpy.int64))

    at = {part: f"{output}_{part}" for part in ("x", "mean", "c", "dot", "shape", "n", "variance", "shifted", "deviation", "scale", "scales", "back", "all")}
    return [
        helper.make_node("Reshape", [x, constant_of("by_group", [0, groups, 1, -1])], [at["x"]]),
        helper.make_node("ReduceMean", [at["x"], constant_of("values", [3])], [at["mean"]], keepdims=1),
        helper.make_node("Sub", [at["x"], at["mean"]], [at["c"]]),
        helper.make_node("FusedMatMul", [at["c"], at["c"]], [at["dot"]], domain=MICROSOFT, transB=1),
        helper.make_node("Shape", [at["x"]], [at["shape"]], start=3, end=4),
        helper.make_node("Cast", [at["shape"]], [at["n"]], to=onnx.TensorProto.FLOAT),
        helper.make_node("Div", [at["dot"], at["n"]], [at["variance"]]),
        helper.make_node("Add", [at["variance"], graph.add_weight(f"{output}_epsilon", numpy.array(epsilon, numpy.float32))], [at["shifted"]]),
        helper.make_node("Sqrt", [at["shifted"]], [at["deviation"]]),
        helper.make_node("Div", [graph.add_weight(f"{output}_gamma", gamma), at["deviation"]], [at["scale"]]),
        helper.make_node("Reshape", [at["scale"], constant_of("by_channel", [0, channels, 1, 1])], [at["scales"]]),
        helper.make_node("Shape", [x], [at["all"]]),
        helper.make_node("Reshape", [at["c"], at["all"]], [at["back"]]),
        helper.make_node("Mul", [at["back"], at["scales"]], [output]),
    ]


def product_and_bias(graph: Graph, total: NodeProto) -> tuple[NodeProto, numpy.ndarray, numpy.ndarray] | None:
    """The product whose sum with a bias is `total`, its weights and the bias."""
    for name, bias in (total.input, reversed(total.input)):
        product, biases = graph.producer(name, "MatMul"), graph.weight(bias)
        weights = None if product is None else graph.weight(product.input[1])
        if product is not None and weights is not None and biases is not None and weights.ndim == 2 and biases.shape == weights.shape[1:]:
            return product, weights, biases
    return None


def is_first_half(graph: Graph, half: NodeProto, gate: NodeProto) -> bool:
    """Whether `half` ends where `gate` begins, and begins at 0."""
    start = constant(graph, half.input[1])
    return start is not None and not start.any() and half.input[2] == gate.input[1]


def constant(graph: Graph, name: str) -> numpy.ndarray | None:
    node = graph.producer(name, "Constant")
    return numpy_helper.to_array(node.attribute[0].t) if node is not None else graph.weight(name)
