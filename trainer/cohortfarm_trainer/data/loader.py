"""Batches for training and for measuring, through torch's DataLoader."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from .augment import DRAWN, Augment
from .images import CACHE, CROP, ImageReader
from .order import BLOCK, Draws, Stream
from .records import Records


@dataclass
class Group:
    """Images that are drawn from together: all processes take `rate` of them at each step."""

    records: Records
    rate: float
    groups: np.ndarray | None = None  # int64 [n]: whom the objective counts each image with; all with all where it is None
    chances: np.ndarray | None = None  # float64 [n], sum 1: by which images are drawn with replacement; each comes once an epoch where it is None

    def stream(self, seed: int) -> Stream | Draws:
        return Stream(self.records.blob, seed) if self.chances is None else Draws(self.chances, seed)


@dataclass
class Batch:
    """The images of one rank in a step."""

    images: torch.Tensor  # uint8 [b, 1, size, size]
    labels: torch.Tensor  # float32 [b, labels]
    groups: torch.Tensor  # int64 [b]
    drawn: torch.Tensor  # float64 [b, len(DRAWN)]: what augmentation does to each

    def pin_memory(self) -> "Batch":
        """As torch's DataLoader asks for it."""
        return Batch(*(getattr(self, field.name).pin_memory() for field in fields(self)))


class TrainingBatches(Dataset):
    """Item k holds the batches of one rank for the k-th block of some steps."""

    def __init__(
        self, groups: list[Group], size: int, steps: range, augment: Augment, seed: int, rank: int, world: int, fit: str = CROP, cache: int = CACHE
    ):
        """`cache` is how many bytes of decoded images each process keeps."""
        self.groups, self.augment, self.rank, self.world = groups, augment, rank, world
        self.rates = np.round(np.cumsum([0.0, *(group.rate for group in groups)]), 9).tolist()
        self.streams = [group.stream(seed + i) for i, group in enumerate(groups)]
        self.members = [np.zeros(len(group.records), np.int64) if group.groups is None else group.groups for group in groups]
        self.readers = [ImageReader(group.records, size, fit, cache // len(groups)) for group in groups]
        bounds = [steps.start, *range((steps.start // BLOCK + 1) * BLOCK, steps.stop, BLOCK), steps.stop]
        self.blocks = [range(first, last) for first, last in zip(bounds, bounds[1:]) if first < last]

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, k: int) -> list[Batch]:
        parts = [self._part(g, k) for g in range(len(self.groups))]
        return [Batch(*(torch.from_numpy(np.concatenate(column)) for column in zip(*batch))) for batch in zip(*parts)]

    def _part(self, g: int, k: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """What one group gives to each batch of a block."""
        reader, labels = self.readers[g], self.groups[g].records.labels
        positions = self._taken(g, k)
        indices = [self.streams[g].at(batch) for batch in positions]
        wanted = np.concatenate(indices)
        reader.start(wanted)
        if k + stride() < len(self):
            reader.start(self.streams[g].at(np.concatenate(self._taken(g, k + stride()))))
        images = iter(reader.read(wanted))
        return [
            (
                np.array([next(images) for _ in batch], np.uint8).reshape(-1, 1, reader.size, reader.size),
                labels[chosen],
                self.members[g][chosen],
                np.array([self.augment.draw(int(place) * len(self.groups) + g) for place in batch]).reshape(-1, len(DRAWN)),
            )
            for batch, chosen in zip(positions, indices)
        ]

    def _taken(self, g: int, k: int) -> list[np.ndarray]:
        """Positions in the stream of a group that this rank takes at each step of a block.

        The images of a step are dealt out in turn, group after group, so that all ranks get the same number, or one less.
        """
        steps = self.blocks[k]
        first = steps.start // BLOCK * BLOCK
        taken = self.streams[g].block([self._start(g, step) for step in range(first, first + BLOCK + 1)])
        before = [int((step + 1) * self.rates[g]) - int(step * self.rates[g]) for step in steps]
        return [taken[step % BLOCK][(self.rank - count) % self.world :: self.world] for step, count in zip(steps, before)]

    def _start(self, g: int, step: int) -> int:
        """Where a step begins in the stream of a group: what all groups up to this one have taken, without the others.

        So the groups of a step make whole images together, as many at each step where their rates add up to a whole number.
        The rates of all but the first group are at least 1, or all rates add up to one.
        """
        return int(step * self.rates[g + 1]) - int(step * self.rates[g])


def stride() -> int:
    """How many items further this process is asked next: loader workers take turns."""
    info = get_worker_info()
    return info.num_workers if info else 1


def training_loader(batches: TrainingBatches, workers: int, pin: bool) -> Iterator[Batch]:
    """The batches of all steps, in order."""
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=1 if workers else None,
        worker_init_fn=one_thread,
        multiprocessing_context="fork" if workers else None,
    )
    return (batch for block in loader for batch in block)


class FixedBatches(Dataset):
    """Item k is the k-th batch of some records, without augmentation: uint8 [b, 1, size, size]."""

    def __init__(self, records: Records, indices: np.ndarray, size: int, batch: int, fit: str = CROP):
        self.reader = ImageReader(records, size, fit)
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
