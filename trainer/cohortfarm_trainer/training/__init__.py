"""One training run: steps, validation, checkpoints, and what it leaves."""
