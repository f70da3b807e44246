#!/usr/bin/env python3
"""Replaces a Python with the exporter's packages: checks the arguments, and gives the embedded model or a gate of it."""

import shutil
import sys
from pathlib import Path

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / "exporter"))

from cohortfarm_exporter.__main__ import parse  # noqa: E402

assert sys.argv[1:3] == ["-m", "cohortfarm_exporter"], sys.argv
args = parse(sys.argv[3:])
phantom = REPO / "models" / "phantom"
if args.command == "gate":
    kind, _, name = args.source.partition(":")
    assert (kind == "xrv" and name in ("age", "race", "sex")) or (kind == "torchvision" and args.classes), args
    assert Path(args.weights).is_file(), f"the page names no weights that it has: {args.weights}"
    shutil.copytree(phantom / "gates" / ("finding" if kind == "torchvision" else name), args.output)
else:
    assert args.source.startswith("hf:") or (Path(args.source) / "unet" / "model.onnx").is_file(), args
    args.output.mkdir(parents=True)
    shutil.copy(phantom / "model_index.json", args.output)
    for part in ("scheduler", "tokenizer", "text_encoder", "unet", "vae_decoder"):
        shutil.copytree(phantom / part, args.output / part)
