"""Runs the snippets of a dataset card that need PyTorch, DuckDB or the AWS command line, as they stand, in the folder of the
dataset: run_snippets.py DIRECTORY. Prints what came of each, as JSON."""

import json
import os
import re
import sys

os.chdir(sys.argv[1])
with open("README.md") as card:
    snippets = re.findall(r"```python\n(.*?)```", card.read(), re.DOTALL)
found = {}
for name, snippet in [(name, snippet) for snippet in snippets for name in ("torch", "aws ", "duckdb") if name in snippet and "diffusers" not in snippet]:
    scope = {}
    # A loop says nothing about how many came: each round adds a line.
    counted = re.sub(r"^(for .*:)$", r"\1\n    rounds.append(1)", snippet, flags=re.MULTILINE)
    scope["rounds"] = []
    exec(compile(counted, "README.md", "exec"), scope)
    found[name.strip()] = {
        "rounds": len(scope["rounds"]),
        "shape": list(scope["images"].shape) if "images" in scope else None,
        "labels": scope.get("labels"),
        "workers": scope["loader"].num_workers if "loader" in scope else None,
        "size": list(scope["image"].size) if "image" in scope else None,
    }
print(json.dumps(found))
