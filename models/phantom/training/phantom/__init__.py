"""CohortFarm's embedded model: chest phantoms, and a small latent diffusion model and gates trained on them."""
