"""Trains the generator of the crossover study on the films of one hospital, and on no others.

    python generator.py TRAIN OUTPUT [--steps 400] [--from-noise] [--threads 2]
TRAIN is the `train` folder of hospital.py; only its people to train on are read. OUTPUT becomes a diffusers checkpoint.
Autoencoder and text encoder are those of the embedded model, as those of a general model would be. The UNet begins with the
embedded model's weights, which have seen phantoms of all groups alike, or, --from-noise, with random ones: then the groups
are known from the hospital alone, at the price of many more steps.
"""

import argparse
import copy
import csv
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

PHANTOM = Path(__file__).resolve().parents[2] / "models" / "phantom"
sys.path.insert(0, str(PHANTOM / "training"))
from phantom.data import Phantoms, lr_factor, round_to_half  # noqa: E402
from phantom.diffusion import EMA, batch_loss, move_average, new_scheduler, new_unet, pipeline  # noqa: E402
from phantom.people import Person  # noqa: E402
from phantom.vae import encode  # noqa: E402

BATCH, SEED = 16, 2026
LEARNING_RATE = {"adapted": 3e-4, "from noise": 1e-3}


def read_films(folder: Path) -> Phantoms:
    """Films that one prompt describes: of known race, with one finding at most."""
    films, people = [], []
    with open(folder / "metadata.csv") as file:
        for row in csv.DictReader(file):
            findings = frozenset(row["findings"].split("|")) - {"No Finding"}
            if row["race"] == "" or len(findings) > 1:
                continue
            films.append(np.asarray(Image.open(folder / row["file_name"])))
            sex = "female" if row["sex"] == "F" else "male"
            people.append(Person(sex, int(row["age"]), row["race"], findings, row["side"], row["zone"], row["degree"]))
    return Phantoms(np.stack(films), people)


def train(unet: UNet2DConditionModel, encoder, vae, tokenizer, data: Phantoms, steps: int, rate: float) -> UNet2DConditionModel:
    """The moving average of the UNet over one cosine cycle."""
    torch.manual_seed(SEED)
    rng, scheduler = np.random.default_rng(SEED), new_scheduler()
    latents = encode(vae, data.films) * vae.config.scaling_factor
    average = copy.deepcopy(unet).requires_grad_(False)
    optimizer = torch.optim.AdamW(unet.train().parameters(), lr=rate, weight_decay=0.01)
    start, running = time.time(), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * lr_factor(step, steps)
        loss = batch_loss(unet, encoder, tokenizer, scheduler, latents, data, rng, BATCH)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        move_average(average, unet, min(EMA, (step + 1) / (step + 10)))
        running.append(loss.item())
        if step % 50 == 49:
            print(f"generator {step + 1:5d} loss {np.mean(running[-50:]):.4f} {time.time() - start:.0f} s", flush=True)
    round_to_half(average)
    return average.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--from-noise", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    checkpoint = PHANTOM / "diffusers"
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae", torch_dtype=torch.float32).eval()
    encoder = CLIPTextModel.from_pretrained(checkpoint / "text_encoder", torch_dtype=torch.float32).eval().requires_grad_(False)
    tokenizer = CLIPTokenizer.from_pretrained(checkpoint / "tokenizer")
    torch.manual_seed(SEED)
    unet = new_unet() if args.from_noise else UNet2DConditionModel.from_pretrained(checkpoint / "unet", torch_dtype=torch.float32)
    rate = LEARNING_RATE["from noise" if args.from_noise else "adapted"]
    data = read_films(args.train)
    print(f"generator: {len(data.people)} films to train on", flush=True)
    unet = train(unet, encoder, vae, tokenizer, data, args.steps, rate)
    unfinished = args.output.with_name(f"{args.output.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    pipeline(vae, encoder, unet, tokenizer).to(dtype=torch.float16).save_pretrained(unfinished)
    unfinished.rename(args.output)


if __name__ == "__main__":
    main()
