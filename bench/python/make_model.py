"""Makes a diffusers checkpoint in the layout of Stable Diffusion with random weights.

python make_model.py midsize|real-size DIR TOKENIZER: a UNet of about 60 million parameters for images of 128x128, or exactly the
shape of Stable Diffusion 2.1 (866 million, 512x512).
"""

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SIZES = {
    "midsize": {
        "text": {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 4, "projection_dim": 256},
        "unet": {
            "sample_size": 16,
            "block_out_channels": (128, 256, 416),
            "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            "cross_attention_dim": 256,
            "attention_head_dim": 8,
        },
        "vae": {"block_out_channels": (32, 64, 64, 64), "sample_size": 128},
        "scheduler": {},
    },
    "real-size": {
        "text": {
            "vocab_size": 49408,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 23,
            "num_attention_heads": 16,
            "projection_dim": 512,
            "hidden_act": "gelu",
        },
        "unet": {
            "sample_size": 64,
            "block_out_channels": (320, 640, 1280, 1280),
            "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            "cross_attention_dim": 1024,
            "attention_head_dim": (5, 10, 20, 20),
        },
        "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512},
        "scheduler": {"prediction_type": "v_prediction"},
    },
}


def main():
    size, target, tokenizer_folder = SIZES[sys.argv[1]], Path(sys.argv[2]), sys.argv[3]
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = CLIPTextModel(CLIPTextConfig(**{"vocab_size": len(tokenizer), **size["text"]}, max_position_embeddings=tokenizer.model_max_length, **special))
    unet = UNet2DConditionModel(layers_per_block=2, use_linear_projection=True, **size["unet"])
    vae = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **size["vae"])
    scheduler = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1, **size["scheduler"])
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    print(f"UNet: {sum(p.numel() for p in unet.parameters()) / 1e6:.1f} million parameters")
    pipeline.save_pretrained(target)


main()
