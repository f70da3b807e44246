"""What diffusers makes of a prompt and a seed, for `cohortfarm model check --source`."""

import json
from pathlib import Path


def golden(source: str, request: Path, output: Path) -> None:
    """Writes `latents.f32` and `images.u8` (grey levels, interleaved) of the request's prompts into `output`."""
    import diffusers
    import numpy
    import torch

    wanted = json.loads(request.read_text())
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(source, torch_dtype=torch.float32, safety_checker=None, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    scheduler = wanted.get("schedulerClass")
    # The folder's own class is kept as it is: `from_config` would undo what the pipeline has corrected in it.
    if scheduler is not None and scheduler != type(pipeline.scheduler).__name__:
        pipeline.scheduler = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config)
    shared = {"num_inference_steps": wanted["steps"], "height": wanted["height"], "width": wanted["width"]}
    latents = []
    for prompt, seed in zip(wanted["prompts"], wanted["seeds"], strict=True):
        generator = torch.Generator("cpu").manual_seed(seed)
        guidance = guided(pipeline, prompt, wanted)
        latents.append(pipeline(generator=generator, output_type="latent", **guidance, **shared).images)
    together = torch.cat(latents)
    with torch.no_grad():
        decoded = torch.cat([pipeline.vae.decode(one[None] / pipeline.vae.config.scaling_factor).sample for one in together])
    images = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    together.numpy().astype("<f4").tofile(output / "latents.f32")
    (images * 255).round().astype(numpy.uint8).tofile(output / "images.u8")


def guided(pipeline, prompt: str, wanted: dict) -> dict:
    """Arguments for guidance in an interval of the steps, which the pipeline has only by a callback after each step."""
    import torch

    scale, interval = wanted["guidanceScale"], wanted.get("guidanceInterval")
    if interval is None:
        return {"prompt": prompt, "negative_prompt": wanted["negativePrompt"], "guidance_scale": scale}
    positive, negative = pipeline.encode_prompt(prompt, "cpu", 1, True, wanted["negativePrompt"])
    pipeline.scheduler.set_timesteps(wanted["steps"])
    calls = len(pipeline.scheduler.timesteps)
    first, end = int(interval["start"] * calls), int(interval["stop"] * calls)

    def after(pipe, step, _timestep, _tensors):
        is_guided = first <= step + 1 < end
        pipe._guidance_scale = scale if is_guided else 1.0
        return {"prompt_embeds": torch.cat([negative, positive]) if is_guided else positive}

    return {
        "prompt_embeds": positive,
        "negative_prompt_embeds": negative,
        "guidance_scale": scale if first == 0 < end else 1.0,
        "callback_on_step_end": after,
        "callback_on_step_end_tensor_inputs": ["prompt_embeds"],
    }
