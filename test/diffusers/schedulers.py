"""Steps diffusers' schedulers against a stated model, e = 0.1 x_in + 0.01 sin(t / 100), in float32.

Reads a JSON list of {"class", "config", "steps", "noise"} and prints one JSON line for each: {"timesteps", "sample"}.
"""

import json
import sys

import diffusers
import torch

for case in json.load(sys.stdin):
    scheduler = getattr(diffusers, case["class"]).from_config(case["config"])
    scheduler.set_timesteps(case["steps"])
    sample = torch.tensor(case["noise"], dtype=torch.float32).reshape(1, 1, 8, -1) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        model_input = scheduler.scale_model_input(sample, timestep)
        output = 0.1 * model_input + 0.01 * torch.sin(timestep / 100)
        sample = scheduler.step(output, timestep, sample).prev_sample
    print(json.dumps({"timesteps": scheduler.timesteps.tolist(), "sample": sample.flatten().tolist()}), flush=True)
