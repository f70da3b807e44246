"""Labelled images, wherever they lie: who is on them, what they show, and how they get into batches."""
