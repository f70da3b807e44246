"""The text encoder and the UNet: prompts -> float32 [n, 32, 96] -> noise prediction on latents [n, 4, 16, 16]."""

import copy
import time

import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .data import Phantoms, lr_factor, round_to_half, seed_torch, stream
from .people import AGE_RANGE, RACES, SEXES, Person
from .prompts import LENGTH, prompt, token_ids
from .vae import encode

BATCH, LEARNING_RATE, EMA, DROP_PROMPT = 32, 1e-3, 0.998, 0.1
HIDDEN = 96


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A two-layer CLIP text model over the small vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=2 * HIDDEN,
            projection_dim=HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_unet() -> UNet2DConditionModel:
    """A two-level UNet with cross attention at both levels."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=HIDDEN,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        use_linear_projection=True,
    )


def new_scheduler() -> PNDMScheduler:
    """Stable Diffusion's noise schedule."""
    return PNDMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
        timestep_spacing="leading",
    )


def targets(people: list[Person]) -> torch.Tensor:
    """What a prompt says, as float32 [n, 11]: one-hot sex, race and finding, and the age scaled to 0..1."""
    rows = []
    for person in people:
        age = (person.age - AGE_RANGE[0]) / (AGE_RANGE[1] - AGE_RANGE[0])
        one_hot = [float(person.sex == sex) for sex in SEXES] + [float(person.race == race) for race in RACES]
        rows.append([*one_hot, *person.labels.tolist(), age])
    return torch.tensor(rows)


def warm_up(encoder: CLIPTextModel, tokenizer, data: Phantoms, steps: int, log=print) -> None:
    """Teaches the encoder to read: its last token must encode the attributes, through a head that is then dropped."""
    rng, head = stream("warm-up"), nn.Linear(HIDDEN, 2 + 4 + 4 + 1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=2e-3, weight_decay=0.01)
    wanted = targets(data.people)
    for step in range(steps):
        chosen = rng.integers(len(data.people), size=128)
        ids = token_ids(tokenizer, [prompt(data.people[i], rng) for i in chosen])
        loss = F.mse_loss(head(encoder(ids).last_hidden_state[:, -1]), wanted[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            log(f"warm-up {step:4d} error {loss.item():.5f}")


def new_models(tokenizer: CLIPTokenizer, data: Phantoms, log=print) -> tuple[CLIPTextModel, UNet2DConditionModel]:
    """A text encoder that has learned to read, and an untrained UNet."""
    seed_torch("diffusion")
    encoder, unet = new_text_encoder(tokenizer), new_unet()
    warm_up(encoder, tokenizer, data, 300, log)
    return encoder, unet


def batch_loss(unet, encoder, tokenizer, scheduler, latents: torch.Tensor, data: Phantoms, rng, batch: int) -> torch.Tensor:
    """How well the UNet finds the noise in some latents, each beside a prompt of its person, or beside none."""
    chosen = rng.integers(len(latents), size=batch)
    texts = ["" if rng.random() < DROP_PROMPT else prompt(data.people[i], rng) for i in chosen]
    noise, t = torch.randn(batch, 4, 16, 16), torch.randint(0, 1000, (batch,))
    states = encoder(token_ids(tokenizer, texts)).last_hidden_state
    return F.mse_loss(unet(scheduler.add_noise(latents[chosen], noise, t), t, states).sample, noise)


def train_cycle(models, cycle: int, vae: AutoencoderKL, tokenizer, data: Phantoms, steps: int, log=print):
    """One cosine cycle on cached latents, text encoder and UNet together; returns their fp16-rounded moving averages."""
    part = "diffusion" if cycle == 1 else f"diffusion cycle {cycle}"
    if cycle > 1:  # the first continues with the random numbers of `new_models`
        seed_torch(part)
    rng, scheduler = stream(part), new_scheduler()
    latents = encode(vae, data.films) * vae.config.scaling_factor
    models = nn.ModuleList(models).train()
    encoder, unet = models
    average = copy.deepcopy(models).requires_grad_(False)
    optimizer = torch.optim.AdamW(models.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    start, running = time.time(), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * lr_factor(step, steps)
        loss = batch_loss(unet, encoder, tokenizer, scheduler, latents, data, rng, BATCH)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(models.parameters(), 1.0)
        optimizer.step()
        move_average(average, models, min(EMA, (step + 1) / (step + 10)))
        running.append(loss.item())
        if step % 100 == 99:
            log(f"diffusion {step + 1:5d} loss {np.mean(running[-100:]):.4f} {time.time() - start:.0f} s")
    round_to_half(average)
    return average[0].eval(), average[1].eval()


@torch.no_grad()
def move_average(average: nn.Module, models: nn.Module, decay: float) -> None:
    """Moves each averaged weight towards the trained one."""
    torch._foreach_lerp_(list(average.parameters()), list(models.parameters()), 1 - decay)


def pipeline(vae, encoder, unet, tokenizer) -> StableDiffusionPipeline:
    """The parts as a diffusers pipeline without a safety checker."""
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
