"""The order of images: every epoch once, however many processes take them. Laws, over random sizes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cohortfarm_trainer.data.order import BLOCK, Stream, epoch_order, share

blob_sizes = st.lists(st.integers(1, 60), min_size=1, max_size=6)


def blobs_of(sizes: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


@given(blob_sizes, st.integers(0, 9), st.integers(0, 5), st.integers(1, 20))
def test_an_epoch_holds_every_image_once(sizes, seed, epoch, run):
    blobs = blobs_of(sizes)
    order = epoch_order(blobs, seed, epoch, run)
    assert sorted(order.tolist()) == list(range(len(blobs)))


@given(blob_sizes, st.integers(0, 9), st.integers(2, 20))
def test_what_is_read_together_lies_together(sizes, seed, run):
    """Breaks between neighbours are at most what runs of `run` images make, and none is over the end of a blob."""
    blobs = blobs_of(sizes)
    order = epoch_order(blobs, seed, 0, run)
    breaks = int((np.diff(order) != 1).sum())
    assert breaks <= sum(-(-size // run) + 1 for size in sizes)


def cut_of(block: int, rate: float) -> list[int]:
    return [int((block * BLOCK + k) * rate) for k in range(BLOCK + 1)]


@settings(deadline=None)
@given(blob_sizes, st.floats(0.3, 70, allow_nan=False), st.integers(0, 9), st.integers(0, 40))
def test_blocks_of_steps_share_the_stream_without_loss_or_repetition(sizes, rate, seed, first):
    """The steps of a block take each position of its part of the stream once, one epoch after the other."""
    stream = Stream(blobs_of(sizes), seed)
    blocks = range(first, first + 3)
    taken = np.concatenate([positions for number in blocks for positions in stream.block(cut_of(number, rate))])
    assert sorted(taken.tolist()) == list(range(int(blocks.start * BLOCK * rate), int(blocks.stop * BLOCK * rate)))
    assert (np.diff(taken // stream.n) >= 0).all()


@given(blob_sizes, st.integers(0, 9), st.integers(0, 5))
def test_the_stream_holds_every_image_once_in_each_epoch(sizes, seed, epoch):
    stream = Stream(blobs_of(sizes), seed)
    whole = stream.at(np.arange(epoch * stream.n, (epoch + 1) * stream.n))
    assert sorted(whole.tolist()) == list(range(stream.n))


def test_a_batch_holds_images_of_many_runs():
    stream = Stream(blobs_of([4096]), 1)
    for positions in [positions for number in range(13) for positions in stream.block(cut_of(number, 32.0))]:
        batch = np.sort(stream.at(positions))
        assert (np.diff(batch) > 32).sum() >= 3


@given(st.integers(0, 200), st.integers(1, 7))
def test_what_is_measured_is_shared_by_all_ranks(n, world):
    parts = np.concatenate([share(n, rank, world) for rank in range(world)])
    assert sorted(parts.tolist()) == list(range(n))


def test_epochs_and_seeds_differ():
    blobs = blobs_of([200])
    orders = [tuple(epoch_order(blobs, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
