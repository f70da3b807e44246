"""Writes graphs in float16 without any fusion, so that a CPU can run them: python half.py SOURCE TARGET GRAPH[=float32]...

`=float32` keeps the ports of a graph in float32.
"""

import sys
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from cohortfarm_exporter.optimize import fold_casts

source, target = Path(sys.argv[1]), Path(sys.argv[2])
for name in sys.argv[3:]:
    graph, _, keep = name.partition("=")
    model = onnx.load(source / graph / "model.onnx")
    fold_casts(model)
    onnx.save(convert_float_to_float16(model, keep_io_types=keep == "float32"), target / graph / "model.onnx")
