"""The peers of the benchmarks, each a process that answers one JSON line per request: {"seconds": ..}.

python peers.py diffusers MODEL | diffusers-bfloat16 MODEL | optimum MODEL | webdataset DIR
Requests: {"images": n, "batch": b, "steps": s, "height": h, "width": w} or, for webdataset, {"images": n, "bytes": b}.
"""

import json
import shutil
import sys
import time
from pathlib import Path

PROMPT = "63 year old BLACK female. Moderate cardiomegaly ."
GUIDANCE = 3.0


def diffusion(pipeline):
    """Times whole pipeline calls, from prompt to PIL images."""
    import torch

    pipeline.set_progress_bar_config(disable=True)

    def run(request):
        begin = time.perf_counter()
        for first in range(0, request["images"], request["batch"]):
            count = min(request["batch"], request["images"] - first)
            generators = [torch.Generator("cpu").manual_seed(first + i) for i in range(count)]
            pipeline(
                [PROMPT] * count,
                num_inference_steps=request["steps"],
                guidance_scale=GUIDANCE,
                height=request["height"],
                width=request["width"],
                generator=generators,
            )
        return time.perf_counter() - begin

    return run


def diffusers(model, dtype="float32"):
    import torch
    from diffusers import StableDiffusionPipeline

    return diffusion(StableDiffusionPipeline.from_pretrained(model, torch_dtype=getattr(torch, dtype), safety_checker=None))


def diffusers_bfloat16(model):
    return diffusers(model, "bfloat16")


def optimum(model):
    from optimum.onnxruntime import ORTStableDiffusionPipeline

    return diffusion(ORTStableDiffusionPipeline.from_pretrained(model, provider="CPUExecutionProvider"))


def webdataset(folder):
    """Times writing ready-encoded images into shards of 1,000."""
    import numpy
    from webdataset import ShardWriter

    random = numpy.random.default_rng(0)

    def run(request):
        images = [random.bytes(request["bytes"]) for _ in range(64)]
        target = Path(folder) / "webdataset"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        begin = time.perf_counter()
        with ShardWriter(str(target / "shard-%06d.tar"), maxcount=1000, verbose=0) as writer:
            for i in range(request["images"]):
                record = {"index": i, "prompt": PROMPT, "seed": i, "attempt": 0, "axes": {"sex": "female"}}
                writer.write({"__key__": f"{i:09d}", "jpg": images[i % 64], "txt": PROMPT, "json": record})
        return time.perf_counter() - begin

    return run


def main():
    kind, argument = sys.argv[1:]
    run = {"diffusers": diffusers, "diffusers-bfloat16": diffusers_bfloat16, "optimum": optimum, "webdataset": webdataset}[kind](argument)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": run(json.loads(line))}), flush=True)


main()
