"""Regenerates samples of a published dataset in diffusers, from nothing but prompt and seed of their records.

python regenerate.py DATASET CHECKPOINT SNIPPET KEY...
Prints one JSON line per sample: {"key", "max_difference"} in grey levels (0..255); of the first one also what the snippet of
the model card makes of its prompt and seed, as "snippet".
"""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy
import torch
from diffusers import DDIMScheduler, PNDMScheduler, StableDiffusionPipeline
from PIL import Image

SCHEDULERS = {"PNDM": PNDMScheduler, "DDIM": DDIMScheduler}


def members(dataset, shards, key):
    """The files of one sample, by extension."""
    index = int(key)
    shard = next(shard for shard in shards if shard["start"] <= index < shard["end"])
    with tarfile.open(dataset / shard["key"]) as archive:
        return {
            name.split(".")[1]: archive.extractfile(name).read()
            for name in archive.getnames()
            if name.split(".")[0] == key
        }


def main():
    dataset, checkpoint, snippet, keys = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    manifest = json.loads((dataset / "dataset.json").read_text())
    sampling = manifest["plan"]["model"]["sampling"]
    pipeline = StableDiffusionPipeline.from_pretrained(checkpoint, torch_dtype=torch.float32, safety_checker=None)
    pipeline.scheduler = SCHEDULERS[sampling["scheduler"]].from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    for key in keys:
        files = members(dataset, manifest["shards"], key)
        record = json.loads(files["json"])
        image = pipeline(
            record["prompt"],
            negative_prompt=sampling["negativePrompt"],
            num_inference_steps=sampling["steps"],
            guidance_scale=sampling["guidanceScale"],
            height=sampling["height"],
            width=sampling["width"],
            generator=torch.Generator("cpu").manual_seed(record["seed"]),
        ).images[0]
        ours = numpy.asarray(Image.open(io.BytesIO(files["png"])).convert("L"), dtype=int)

        def difference(image, ours=ours):
            return int(abs(ours - numpy.asarray(image.convert("L"), dtype=int)).max())

        print(json.dumps({"key": key, "max_difference": difference(image)}), flush=True)
        if key == keys[0]:
            scope = {"prompt": record["prompt"], "seed": record["seed"]}
            exec(snippet, scope)
            print(json.dumps({"key": "snippet", "max_difference": difference(scope["image"])}), flush=True)


main()
