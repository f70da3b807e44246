"""Event files, by which TensorBoard draws a run.

One file holds what happened between two validations. A run that resumes writes the files of the same steps again, whole, so no step
is there twice; those of another config lie in another folder.
"""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

FOLDER = "events"
POINTS = 100  # of the training loss between two validations, at most


@dataclass(frozen=True)
class Scalar:
    """One value at a step."""

    tag: str
    step: int
    time: float  # seconds since 1970
    value: float


def events_key(digest: str, step: int) -> str:
    """Where the events up to a validation go. TensorBoard reads the files of a folder in the order of their names."""
    run = hashlib.sha256(digest.encode()).hexdigest()[:8]
    return f"{FOLDER}/{run}/events.out.tfevents.{step:010d}.cohortfarm"


def loss_scalars(losses: list[float], end: int, since: float, until: float) -> list[Scalar]:
    """The training loss of the steps before `end` as means over neighbours, at times evenly between two validations."""
    every = -(-len(losses) // POINTS) or 1
    start, found = end - len(losses), []
    for first in range(0, len(losses), every):
        last = min(first + every, len(losses))
        time = since + (until - since) * last / len(losses)
        found.append(Scalar("train/loss", start + last, time, float(np.mean(losses[first:last]))))
    return found


def event_file(scalars: list[Scalar]) -> bytes:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    begun = min((one.time for one in scalars), default=0.0)
    writer.write(Event(wall_time=begun, file_version="brain.Event:2").SerializeToString())
    for one in sorted(scalars, key=lambda one: (one.step, one.tag)):
        summary = Summary(value=[Summary.Value(tag=one.tag, simple_value=one.value)])
        writer.write(Event(wall_time=one.time, step=one.step, summary=summary).SerializeToString())
    return buffer.getvalue()
