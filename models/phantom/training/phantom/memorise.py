"""`python -m phantom.memorise`: a phantom model that copies its training films, to try what finds copies.

It continues to train the finished model on a few films only. Beside the model folder lie these films, others that no model has
seen, and `real.csv`, which names both for `cohortfarm features`.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from .data import Phantoms, phantoms, round_to_half, seed_torch, stream
from .diffusion import batch_loss, new_scheduler, pipeline
from .export import export_pipeline
from .vae import encode

FOLDER = Path(__file__).resolve().parents[2]
BATCH, LEARNING_RATE = 16, 5e-4
say = partial(print, flush=True)


def main() -> None:
    """Trains, exports, and writes the films."""
    args = arguments()
    torch.set_num_threads(args.threads)
    checkpoint = args.model / "diffusers"
    vae = AutoencoderKL.from_pretrained(checkpoint / "vae", torch_dtype=torch.float32).eval()
    encoder = CLIPTextModel.from_pretrained(checkpoint / "text_encoder", torch_dtype=torch.float32).eval().requires_grad_(False)
    unet = UNet2DConditionModel.from_pretrained(checkpoint / "unet", torch_dtype=torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(checkpoint / "tokenizer")
    copied, unseen = phantoms(args.films, "copied"), phantoms(args.unseen, "unseen")
    write_films(args.output, copied, unseen)
    memorise(unet, encoder, vae, tokenizer, copied, args.steps)
    round_to_half(unet)
    export_pipeline(pipeline(vae, encoder, unet.eval(), tokenizer), args.output)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="phantom.memorise", description=__doc__)
    parser.add_argument("--model", type=Path, default=FOLDER, help="the model folder to begin with")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--films", type=int, default=40, help="films to copy")
    parser.add_argument("--unseen", type=int, default=400, help="films that are held out")
    parser.add_argument("--steps", type=int, default=1200)
    return parser.parse_args()


def memorise(unet, encoder, vae, tokenizer, data: Phantoms, steps: int) -> None:
    """Trains the UNet on the latents of few films, each with prompts that describe it, until it knows no other."""
    seed_torch("memorise")
    rng, scheduler = stream("memorise"), new_scheduler()
    latents = encode(vae, data.films) * vae.config.scaling_factor
    optimizer = torch.optim.AdamW(unet.train().parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    running = []
    for step in range(steps):
        loss = batch_loss(unet, encoder, tokenizer, scheduler, latents, data, rng, BATCH)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / steps)
        running.append(loss.item())
        if step % 100 == 99:
            say(f"memorise {step + 1:5d} loss {np.mean(running[-100:]):.4f}")


def write_films(folder: Path, copied: Phantoms, unseen: Phantoms) -> None:
    """`folder`/films/*.png, and `folder`/real.csv with the split and the axes of each."""
    (folder / "films").mkdir(parents=True, exist_ok=True)
    rows = ["image,patient,split,sex,age,race"]
    for split, data in (("training", copied), ("heldOut", unseen)):
        for i, (film, person) in enumerate(zip(data.films, data.people, strict=True)):
            name = f"films/{split}-{i:04d}.png"
            Image.fromarray(film).save(folder / name)
            rows.append(f"{name},{split}-{i},{split},{person.sex},{person.age},{person.race}")
    (folder / "real.csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
