"""What a model says of some images."""

import threading
from contextlib import suppress

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from ..data.images import CACHE, CROP
from ..data.loader import FixedBatches, one_thread
from ..data.order import share
from ..data.records import Records
from ..distributed import Team
from ..models import normalise

BATCH = 64


class Predictor:
    """Logits for some records, each process taking its share; decoded images are kept where they fit into memory."""

    def __init__(self, records: Records, size: int, team: Team, workers: int, fit: str = CROP):
        self.records, self.team = records, team
        self.indices = share(len(records), team.rank, team.world)
        self.batches = FixedBatches(records, self.indices, size, BATCH, fit)
        self.workers = workers if len(self.indices) * size * size > CACHE else 0
        self.decoding: threading.Thread | None = None

    def begin(self) -> None:
        """Decodes the images in a thread beside other work, where they fit into memory; another call does nothing."""
        if self.workers == 0 and self.decoding is None:
            self.decoding = threading.Thread(target=self._decode, daemon=True)
            self.decoding.start()

    def _decode(self) -> None:
        # An image that cannot be read is reported to whom it is read for.
        with suppress(Exception):
            for _ in self.batches:
                pass

    @torch.inference_mode()
    def logits(self, model: nn.Module, dtype: torch.dtype) -> np.ndarray:
        """float32 [n, labels] in the order of the records, in every process."""
        model.eval()
        if self.decoding is not None:
            self.decoding.join()
        device = self.team.device
        source = (
            DataLoader(self.batches, batch_size=None, num_workers=self.workers, worker_init_fn=one_thread)
            if self.workers
            else self.batches
        )
        parts = []
        for images in source:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                parts.append(model(normalise(images.to(device))).float().cpu().numpy())
        own = np.concatenate(parts) if parts else np.empty((0, self.records.labels.shape[1]), np.float32)
        result = np.empty_like(self.records.labels)
        for rank, rows in enumerate(self.team.gather(own)):
            result[share(len(self.records), rank, self.team.world)] = rows
        return result


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The logistic function, float64."""
    return 1 / (1 + np.exp(-logits.astype(np.float64)))
