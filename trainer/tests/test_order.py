"""The order of images: every epoch once, whoever takes them. Laws, over random sizes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cohortfarm_trainer.data.order import Stream, epoch_order, positions_of, share

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


@settings(deadline=None)
@given(
    blob_sizes,
    st.integers(1, 4),
    st.floats(0.3, 70, allow_nan=False),
    st.integers(0, 9),
    st.integers(0, 300),
)
def test_ranks_and_steps_share_the_stream_without_loss_or_repetition(sizes, world, rate, seed, resumed_at):
    """Over some steps, all ranks together take each position of the stream once, wherever the training was resumed."""
    blobs = blobs_of(sizes)
    stream = Stream(blobs, seed)
    steps = range(resumed_at, resumed_at + max(3, int(2.5 * len(blobs) / rate)))
    taken = [position for step in steps for rank in range(world) for position in positions_of(step, rate, rank, world)]
    assert sorted(taken) == list(range(int(steps.start * rate), int(steps.stop * rate)))
    # Whole epochs within those positions hold every image once.
    n = len(blobs)
    for epoch in range(-(-int(steps.start * rate) // n), int(steps.stop * rate) // n):
        whole = stream.at(range(epoch * n, (epoch + 1) * n))
        assert sorted(whole.tolist()) == list(range(n))


@given(st.integers(0, 200), st.integers(1, 7))
def test_what_is_measured_is_shared_by_all_ranks(n, world):
    parts = np.concatenate([share(n, rank, world) for rank in range(world)])
    assert sorted(parts.tolist()) == list(range(n))


def test_epochs_and_seeds_differ():
    blobs = blobs_of([200])
    orders = [tuple(epoch_order(blobs, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
