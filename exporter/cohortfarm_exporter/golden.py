"""What diffusers makes of a prompt and a seed, for `cohortfarm model check --source`."""

import json
from pathlib import Path


def golden(source: str, request: Path, output: Path) -> None:
    """Writes `latents.f32` and `images.u8` (grey levels, interleaved) of the request's prompts into `output`."""
    import numpy
    import torch
    from diffusers import StableDiffusionPipeline

    wanted = json.loads(request.read_text())
    pipeline = StableDiffusionPipeline.from_pretrained(source, torch_dtype=torch.float32, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    shared = {
        "negative_prompt": wanted["negativePrompt"],
        "num_inference_steps": wanted["steps"],
        "guidance_scale": wanted["guidanceScale"],
        "height": wanted["height"],
        "width": wanted["width"],
    }
    latents = []
    for prompt, seed in zip(wanted["prompts"], wanted["seeds"], strict=True):
        generator = torch.Generator("cpu").manual_seed(seed)
        latents.append(pipeline(prompt, generator=generator, output_type="latent", **shared).images)
    together = torch.cat(latents)
    with torch.no_grad():
        decoded = torch.cat([pipeline.vae.decode(one[None] / pipeline.vae.config.scaling_factor).sample for one in together])
    images = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    together.numpy().astype("<f4").tofile(output / "latents.f32")
    (images * 255).round().astype(numpy.uint8).tofile(output / "images.u8")
