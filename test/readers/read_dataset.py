"""Reads a published CohortFarm dataset with the tools that others use, and with nothing of CohortFarm's.

    python read_dataset.py DIRECTORY

Prints a line for each reader and exits with 0, or says which reader found what else than the manifest promises.
"""

import hashlib
import io
import json
import os
import re
import sys
import tempfile
import types
import warnings
from math import gcd
from pathlib import Path

# The caches of these libraries know files by name, not by content: an earlier dataset of the same name would be read instead.
CACHE = tempfile.TemporaryDirectory(prefix="cohortfarm-readers-")
for variable in ("CROISSANT_CACHE", "WIDS_CACHE", "HF_HOME"):
    os.environ[variable] = os.path.join(CACHE.name, variable)
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")


def check(found, wanted, what):
    """Compares, and fails with both values."""
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def version(package):
    from importlib.metadata import version as of

    return f"{package} {of(package)}"


def read_webdataset(root, manifest):
    """Every sample of every shard, decoded; returns raw bytes and records by key."""
    import webdataset

    extension = "jpg" if manifest["dataset"]["spec"]["output"]["image"]["format"] == "jpeg" else "png"
    urls = [str(root / shard["key"]) for shard in manifest["shards"]]
    raw = {sample["__key__"]: sample[extension] for sample in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)}
    records = {}
    size = (manifest["model"]["width"], manifest["model"]["height"])
    for sample in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode("pil"):
        key, record = sample["__key__"], sample["json"]
        check(sample[extension].size, size, f"size of image {key}")
        check(sample["txt"], record["prompt"], f"text of {key}")
        check(f"{record['index']:09d}", key, f"index of {key}")
        check(record["synthetic"], True, f"synthetic of {key}")
        records[key] = record
    check(len(raw), manifest["samples"]["accepted"], "samples")
    check(len(records), len(raw), "decoded samples")
    print(f"{version('webdataset')}: {len(records)} samples of {len(urls)} shards decoded (image, text, record)")
    return raw, records


def import_wids():
    """`wids` came with webdataset until 0.2.111. It wants torch for a base class and for distributed sampling, neither of
    which reading by index needs, so empty classes replace a download of gigabytes."""
    torch = types.ModuleType("torch")
    torch.distributed = types.ModuleType("torch.distributed")
    torch.utils = types.ModuleType("torch.utils")
    torch.utils.data = types.ModuleType("torch.utils.data")
    torch.utils.data.Dataset = type("Dataset", (), {"__class_getitem__": classmethod(lambda cls, item: cls)})
    torch.utils.data.Sampler = type("Sampler", (), {})
    stand_ins = {"torch": torch, "torch.distributed": torch.distributed, "torch.utils": torch.utils, "torch.utils.data": torch.utils.data}
    missing = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(missing)
    sys.path.insert(0, str(Path(sys.prefix) / "wids"))
    try:
        import wids
    finally:
        sys.path.pop(0)
        for name in missing:
            del sys.modules[name]
    return wids


def read_wids(root, raw):
    """Samples in an order that jumps between shards."""
    wids = import_wids()
    dataset = wids.ShardListDataset(str(root / "wids.json"), transformations=[lambda sample: sample])
    keys = sorted(raw)
    check(len(dataset), len(keys), "length")
    step = next(n for n in range(len(keys) // 2 + 1, 2 * len(keys) + 2) if gcd(n, len(keys)) == 1)
    for i in range(min(len(keys), 500)):
        at = i * step % len(keys)
        sample = dataset[at]
        check(sample["__key__"], keys[at], f"key at {at}")
        image = sample.get(".jpg") or sample.get(".png")
        check(image.read(), raw[keys[at]], f"image at {at}")
    print(f"wids of webdataset 0.2.111: {min(len(keys), 500)} of {len(dataset)} samples by index, in jumping order")


def read_pyarrow(root, manifest, raw, records):
    """Every row of the index against the records, and every image by its range."""
    import pyarrow.parquet as pq
    from PIL import Image

    file = pq.ParquetFile(root / "index.parquet")
    metadata = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    check(metadata["cohortfarm.plan_digest"], manifest["planDigest"], "plan digest in the metadata")
    columns = json.loads(metadata["cohortfarm.columns"])
    for group in range(file.metadata.num_row_groups):
        check(file.metadata.row_group(group).total_byte_size < 300e6, True, f"row group {group} below 300 MB")
    rows = file.read().to_pylist()
    check([row["key"] for row in rows], sorted(records), "keys in order")
    for row in rows:
        record = records[row["key"]]
        for name in ("cell", "prompt", "seed", "attempt"):
            check(row[name], record[name], f"{name} of {row['key']}")
        for part in ("axes", "exact", "scores"):
            for name, column in columns[part].items():
                check(row[column], record[part].get(name), f"{column} of {row['key']}")
        with open(root / row["shard"], "rb") as shard:
            shard.seek(row["image_offset"])
            image = shard.read(row["image_size"])
            shard.seek(row["txt_offset"])
            text = shard.read(row["txt_size"])
            shard.seek(row["json_offset"])
            own = shard.read(row["json_size"])
        check(image == raw[row["key"]], True, f"image range of {row['key']}")
        check(text.decode(), record["prompt"], f"text range of {row['key']}")
        check(json.loads(own), record, f"record range of {row['key']}")
        Image.open(io.BytesIO(image)).verify()
    print(f"{version('pyarrow')}: {len(rows)} rows in {file.metadata.num_row_groups} row groups, each member read by its range")


def read_mlcroissant(root, manifest, raw, records):
    """Validation, and every record of both record sets."""
    import logging

    logging.disable(logging.WARNING)
    import mlcroissant
    import numpy
    from PIL import Image

    dataset = mlcroissant.Dataset(str(root / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    check(sorted(issues.errors), [], "errors")
    check(str(dataset.metadata.ctx.conforms_to.value), "http://mlcommons.org/croissant/1.1", "version")
    check(len(dataset.metadata.data_limitations) > 0, True, "RAI limitations")
    samples = 0
    for row in dataset.records("samples"):
        key = row["samples/key"].decode()
        check(row["samples/prompt"].decode(), records[key]["prompt"], f"prompt of {key}")
        check(row["samples/seed"], records[key]["seed"], f"seed of {key}")
        samples += 1
    check(samples, len(records), "records of samples")
    images = 0
    for row in dataset.records("images"):
        expected = Image.open(io.BytesIO(raw[row["images/key"].decode()]))
        check(numpy.array_equal(numpy.asarray(row["images/image"]), numpy.asarray(expected)), True, f"image {row['images/key']}")
        images += 1
    check(images, len(records), "records of images")
    warned = len(issues.warnings)
    print(f"{version('mlcroissant')}: no errors, {warned} warnings; {samples} records of samples and {images} of images")


def without_none(scores):
    """A table has every column: a gate that did not judge an image has none there, and is left out of the record."""
    return {gate: score for gate, score in scores.items() if score is not None}


def read_huggingface(root, records):
    """The dataset card, as the hub's library loads a local copy."""
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(root))["train"]
    check(loaded.num_rows, len(records), "rows")
    for row in loaded.select(range(min(50, loaded.num_rows))):
        record = records[row["__key__"]]
        check(row["json"]["prompt"], record["prompt"], f"prompt of {row['__key__']}")
        check(row["json"].get("sets"), record.get("sets"), f"sets of {row['__key__']}")
        rejected = [{**entry, "scores": without_none(entry["scores"])} for entry in row["json"]["rejected"]]
        check(rejected, record["rejected"], f"rejected of {row['__key__']}")
    print(f"{version('datasets')}: {loaded.num_rows} rows by the dataset card")


def run_card(root):
    """The snippets of the dataset card, as they stand, in the folder of the dataset. snippets.test.ts runs the others."""
    snippets = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    ours = [snippet for snippet in snippets if not re.search("diffusers|torch|duckdb|aws ", snippet)]
    sys.modules["wids"] = import_wids()
    here = os.getcwd()
    os.chdir(root)
    try:
        for snippet in ours:
            exec(compile(snippet, "README.md", "exec"), {})
    finally:
        os.chdir(here)
    print(f"README.md: {len(ours)} snippets run as they stand")


def check_digests(root, manifest):
    """Sizes and SHA-256 of all that the manifest lists."""
    objects = manifest["shards"] + manifest["files"]
    for item in objects:
        content = (root / item["key"]).read_bytes()
        check(len(content), item["bytes"], f"bytes of {item['key']}")
        check(hashlib.sha256(content).hexdigest(), item["sha256"], f"SHA-256 of {item['key']}")
    print(f"hashlib: {len(objects)} objects have the digests of the manifest")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = Path(sys.argv[1]).resolve()
    manifest = json.loads((root / "dataset.json").read_text())
    check_digests(root, manifest)
    raw, records = read_webdataset(root, manifest)
    read_wids(root, raw)
    read_pyarrow(root, manifest, raw, records)
    read_mlcroissant(root, manifest, raw, records)
    read_huggingface(root, records)
    run_card(root)


if __name__ == "__main__":
    main()
