"""Runs the snippets of a dataset card that need PyTorch, DuckDB or the AWS command line, as they stand, in the folder of the
dataset: run_snippets.py DIRECTORY. Prints what came of each, as JSON."""

import json
import os
import re
import sys

import numpy as np

os.chdir(sys.argv[1])
with open("README.md") as card:
    snippets = re.findall(r"```python\n(.*?)```", card.read(), re.DOTALL)
found = {}
marks = {"streaming": 'for sample in dataset:', "torch": "DataLoader", "aws": "aws s3", "duckdb": "duckdb"}
for name, snippet in [(name, snippet) for snippet in snippets for name in marks if marks[name] in snippet]:
    scope = {}
    # A loop says nothing about how many came: each round adds a line.
    counted = re.sub(r"^(for .*:)$", r"\1\n    rounds.append(1)", snippet, flags=re.MULTILINE)
    scope["rounds"] = []
    exec(compile(counted, "README.md", "exec"), scope)
    image = scope.get("images", scope.get("image"))
    found[name] = {
        "rounds": len(scope["rounds"]),
        "shape": list(scope["images"].shape) if "images" in scope else None,
        "labels": scope.get("labels"),
        "workers": scope["loader"].num_workers if "loader" in scope else None,
        "size": list(np.asarray(image).shape[:2]) if "image" in scope else None,
        "values": len(np.unique(np.asarray(image))) if image is not None else None,
    }
print(json.dumps(found))
