"""Loads an exported ImageFolder as Hugging Face datasets does: read_imagefolder.py FOLDER."""

import json
import sys

import datasets

rows = datasets.load_dataset("imagefolder", data_dir=sys.argv[1], split="train")
row = rows[3]
print(json.dumps({"rows": len(rows), "key": row["key"], "prompt": row["prompt"], "size": list(row["image"].size)}))
