"""Batches for training and for measuring, through torch's DataLoader."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from .augment import Augment
from .images import ImageReader
from .order import Stream, positions_of
from .records import Records


@dataclass
class Group:
    """Images that are drawn from together: all processes take `rate` of them at each step."""

    records: Records
    rate: float


class TrainingBatches(Dataset):
    """Item k is the batch of step k for one rank: uint8 [b, 1, size, size] and float32 [b, labels]."""

    def __init__(self, groups: list[Group], size: int, seed: int, augment: Augment, rank: int, world: int):
        self.groups, self.augment, self.rank, self.world = groups, augment, rank, world
        self.streams = [Stream(group.records.blob, seed + i) for i, group in enumerate(groups)]
        self.readers = [ImageReader(group.records, size) for group in groups]

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = [], []
        for k, (group, reader) in enumerate(zip(self.groups, self.readers)):
            positions, indices = self._taken(k, step)
            reader.start(indices)
            reader.start(self._taken(k, step + stride())[1])
            for position, image in zip(positions, reader.read(indices)):
                images.append(self.augment(image, position * len(self.groups) + k))
            labels.append(group.records.labels[indices])
        return torch.from_numpy(np.stack(images)).unsqueeze(1), torch.from_numpy(np.concatenate(labels))


    def _taken(self, k: int, step: int) -> tuple[range, np.ndarray]:
        """Positions in the stream of a group that this rank takes at a step, and the images there."""
        positions = positions_of(step, self.groups[k].rate, self.rank, self.world)
        return positions, self.streams[k].at(positions)


def stride() -> int:
    """How many items further this process is asked next: loader workers take turns."""
    info = get_worker_info()
    return info.num_workers if info else 1


def training_loader(batches: TrainingBatches, steps: range, workers: int, pin: bool) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of some steps, in order."""
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
        worker_init_fn=one_thread,
        multiprocessing_context="fork" if workers else None,
    )
    return iter(loader)


class FixedBatches(Dataset):
    """Item k is the k-th batch of some records, without augmentation: uint8 [b, 1, size, size]."""

    def __init__(self, records: Records, indices: np.ndarray, size: int, batch: int):
        self.reader = ImageReader(records, size)
        self.indices, self.batch = indices, batch

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch)

    def __getitem__(self, k: int) -> torch.Tensor:
        if k >= len(self):
            raise IndexError(k)
        self.reader.start(self._batch(k))
        self.reader.start(self._batch(k + stride()))
        images = self.reader.read(self._batch(k))
        return torch.from_numpy(np.stack(images)).unsqueeze(1)

    def _batch(self, k: int) -> np.ndarray:
        return self.indices[k * self.batch : (k + 1) * self.batch]


def one_thread(_: int) -> None:
    """Loader workers share the cores with the training itself."""
    torch.set_num_threads(1)
