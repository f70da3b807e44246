"""The autoencoder: 1 x 128 x 128 grey films in -1..1 <-> 4 x 16 x 16 latents."""

import time

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from .data import Phantoms, lr_factor, round_to_half, seed_torch, to_tensor

BATCH, LEARNING_RATE, KL_WEIGHT = 16, 2e-3, 1e-4


def new_vae() -> AutoencoderKL:
    """A small f8 AutoencoderKL in the Stable Diffusion layout."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=4,
        block_out_channels=(16, 32, 48, 64),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        sample_size=128,
    )


def train_vae(data: Phantoms, steps: int, log=print) -> AutoencoderKL:
    """Reconstruction (L1, squared error, and L1 of a half-size copy) with a weak KL term; fp16-rounded at the end."""
    seed_torch("vae")
    vae = new_vae()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    start = time.time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * lr_factor(step, steps)
        x = to_tensor(data.films[torch.randint(len(data.films), (BATCH,)).numpy()])
        posterior = vae.encode(x).latent_dist
        error = vae.decode(posterior.sample()).sample - x
        coarse = F.avg_pool2d(error, 2).abs().mean()
        kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        loss = error.abs().mean() + 2 * (error**2).mean() + coarse + KL_WEIGHT * kl
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            log(f"vae {step:5d} mean error {error.abs().mean():.4f} kl {kl:.2f} {time.time() - start:.0f} s")
    return finish(vae.eval(), data)


@torch.no_grad()
def finish(vae: AutoencoderKL, data: Phantoms) -> AutoencoderKL:
    """Folds each latent channel's mean and spread into the 1x1 convolutions, rounds to fp16, sets the scaling factor.

    A diffusion model starts from noise of mean 0, so latents of mean 0 keep its images' brightness right.
    """
    latents = encode(vae, data.films[:1024])
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    gain = latents.std() / spread  # afterwards every channel has the overall spread
    before, after = vae.quant_conv, vae.post_quant_conv
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight /= gain[None, :, None, None]
    before.bias[:4] -= mean
    before.bias[:4] *= gain
    before.weight[:4] *= gain[:, None, None, None]
    before.bias[4:] += 2 * gain.log()  # the log variances follow
    round_to_half(vae)
    vae.register_to_config(scaling_factor=round(1 / encode(vae, data.films[:1024]).std().item(), 5))
    return vae


@torch.no_grad()
def encode(vae: AutoencoderKL, films, batch: int = 16) -> torch.Tensor:
    """Unscaled posterior means, float32 [n, 4, 16, 16]."""
    parts = [vae.encode(to_tensor(films[i : i + batch])).latent_dist.mean for i in range(0, len(films), batch)]
    return torch.cat(parts)


@torch.no_grad()
def round_trip(vae: AutoencoderKL, films, batch: int = 16):
    """Films through encoder and decoder: uint8 [n, 128, 128] -> uint8 [n, 128, 128]."""
    latents = encode(vae, films, batch)
    parts = [to_films(vae.decode(latents[i : i + batch]).sample) for i in range(0, len(films), batch)]
    return torch.cat(parts).numpy()


def to_films(images: torch.Tensor) -> torch.Tensor:
    """Decoder output float32 [n, 1, 128, 128] in about -1..1 -> uint8 [n, 128, 128], as diffusers rounds it."""
    return ((images / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).squeeze(1)
