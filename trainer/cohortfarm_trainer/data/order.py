"""In what order images are trained on, and who takes which: pure functions of seed and step, without loss or repetition.

A stream is the endless sequence of all epochs, each a permutation of all images in runs that are read together. A training
that takes `rate` images a step takes the positions from floor(k * rate) to floor((k + 1) * rate) of it at step k, once those
of a block of steps have been mixed: so a batch holds images of many runs, and few requests fetch a block. Rank r of w takes
every w-th of a step, and loader workers take whole blocks in turn. Nothing depends on how many workers load, and a training
that stops at a step resumes there.
"""

from functools import lru_cache

import numpy as np

RUN = 32  # records that are read together
BLOCK = 8  # steps whose images are mixed
CHUNK = 1024  # images that are drawn with one generator of random numbers


class Stream:
    """The endless order of n images. `blobs` int32 [n] says in which object each lies, in order of their place there."""

    def __init__(self, blobs: np.ndarray, seed: int, run: int = RUN):
        self.blobs, self.seed, self.run = blobs, seed, run
        self.n = len(blobs)
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key != "_epoch"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def _make_epoch(self, epoch: int) -> np.ndarray:
        return epoch_order(self.blobs, self.seed, epoch, self.run)

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Indices of the images at some positions, int64."""
        return np.array([self._epoch(position // self.n)[position % self.n] for position in positions.tolist()], np.int64)

    def block(self, cut: list[int]) -> list[np.ndarray]:
        """Positions that all ranks together take at each step of a block, int64; `cut` has where each begins, and the last ends."""
        mixed = mix(cut[0], cut[-1], self.n, np.random.default_rng([self.seed, cut[0], BLOCK]))
        return [mixed[first - cut[0] : last - cut[0]] for first, last in zip(cut, cut[1:])]


class Draws:
    """The endless sequence of draws with replacement, as of torch's WeightedRandomSampler. `chances` float64 [n] add up to 1."""

    def __init__(self, chances: np.ndarray, seed: int):
        self.chances, self.seed = chances, seed

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Indices of the images at some positions, int64."""
        chunks = {chunk: self._drawn(chunk) for chunk in np.unique(positions // CHUNK).tolist()}
        return np.array([chunks[position // CHUNK][position % CHUNK] for position in positions.tolist()], np.int64)

    def block(self, cut: list[int]) -> list[np.ndarray]:
        """As of a Stream; draws need no mixing."""
        return [np.arange(first, last) for first, last in zip(cut, cut[1:])]

    def _drawn(self, chunk: int) -> np.ndarray:
        return np.random.default_rng([self.seed, chunk]).choice(len(self.chances), CHUNK, p=self.chances)


def epoch_order(blobs: np.ndarray, seed: int, epoch: int, run: int = RUN) -> np.ndarray:
    """A permutation of 0..n-1, int64 [n], in which up to `run` neighbours of one blob stay together.

    Neighbours are fetched by one request. Where runs begin differs from epoch to epoch, so that no two images are bound to
    each other.
    """
    rng = np.random.default_rng([seed, epoch])
    n = len(blobs)
    starts = np.flatnonzero(np.r_[True, blobs[1:] != blobs[:-1]])
    ends = np.r_[starts[1:], n]
    cuts = [
        np.r_[start, np.arange(start + 1 + rng.integers(run), end, run)] for start, end in zip(starts, ends)
    ]
    first = np.unique(np.concatenate(cuts))
    last = np.r_[first[1:], n]
    chosen = rng.permutation(len(first))
    lengths = (last - first)[chosen]
    # Of each run the start, repeated, plus 0, 1, 2, ...
    within = np.arange(n) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(first[chosen], lengths) + within


def mix(start: int, stop: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """The positions from start to before stop in another order, int64, in which those of an epoch of n stay together."""
    bounds = [start, *range((start // n + 1) * n, stop, n), stop]
    return np.concatenate([rng.permutation(np.arange(first, last)) for first, last in zip(bounds, bounds[1:])])


def share(n: int, rank: int, world: int) -> np.ndarray:
    """What one rank measures of n images, int64: together all, each once."""
    return np.arange(rank, n, world)
