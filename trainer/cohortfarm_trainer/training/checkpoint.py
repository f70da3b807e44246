"""The state of a run in the object store, from which it resumes after it was stopped or killed."""

from typing import Any

from ..errors import NotFoundError, UsageError
from ..progress import say
from ..weights import read_torch, write_torch
from .job import Job

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(job: Job, state: dict[str, Any]) -> None:
    """Replaces the checkpoint of the run, whole or not at all."""
    job.store.put(job.prefix + CHECKPOINT, write_torch({"digest": job.digest, **state}))


def load_checkpoint(job: Job) -> dict[str, Any] | None:
    """The last checkpoint of the same run; None for none, or one of another config."""
    try:
        stored = read_torch(job.store.get(job.prefix + CHECKPOINT), CHECKPOINT)
    except NotFoundError:
        return None
    except UsageError as error:
        say(f"{job.name}: {error}; it starts anew")
        return None
    if stored.get("digest") != job.digest:
        say(f"{job.name}: the checkpoint there is of another config; it starts anew")
        return None
    return stored
