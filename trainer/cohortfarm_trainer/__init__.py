"""CohortFarm's trainer: pretrain on a synthetic cohort, finetune on real images, measure who is helped."""

__version__ = "0.1.0"
