"""Folders that appear whole or not at all."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ExportError


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, renamed to `path` at the end. What killed runs left is removed first; one that runs is not touched.

    Raises ExportError when there is something at `path` by then: the finished folder is kept under the name in the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    unfinished, lock = make_locked(path)
    try:
        yield unfinished
        for file in unfinished.rglob("*"):
            if file.is_file():
                with open(file, "rb+") as handle:
                    os.fsync(handle.fileno())
        give_name(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(lock)


def give_name(finished: Path, path: Path) -> None:
    try:
        finished.rename(path)
    except OSError as error:
        kept = path.with_name(f"{path.name}.finished-{secrets.token_hex(4)}")
        finished.rename(kept)
        fix = f"the finished folder is kept in {kept}: give it another name, or remove it"
        raise ExportError(f"{path} cannot take its name ({error.strerror}); {fix}") from error


def make_locked(path: Path) -> tuple[Path, int]:
    """A new folder beside `path`, and the lock that its maker holds until it ends, however it ends."""
    while True:
        folder = path.with_name(f"{path.name}.unfinished-{secrets.token_hex(4)}")
        folder.mkdir()
        lock = os.open(folder, os.O_RDONLY)
        # Where the file system has no locks, what killed runs left stays.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)  # Another run took it for a leftover before it was locked.


def remove_leftovers(path: Path) -> None:
    prefix = f"{path.name}.unfinished-"
    for folder in path.parent.iterdir():
        if not (folder.name.startswith(prefix) and folder.is_dir()):
            continue
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
