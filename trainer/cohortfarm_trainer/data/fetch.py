"""Bytes of images: what lies together in an object is fetched by one request, and the next batch while this one is decoded."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from .records import Records

GAP = 64 << 10  # bytes between two images that are still read together
THREADS = 8
AHEAD = 4096  # images that may wait to be asked for, at most

Group = tuple[int, ...]  # positions of records, near each other in one object


class Fetcher:
    """Fetches images of some records. It may be used after a fork."""

    def __init__(self, records: Records):
        self.records = records
        self._process = 0
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[Group, Future[bytes]] = {}

    def __getstate__(self):
        return {**self.__dict__, "_process": 0, "_pool": None, "_ahead": {}}

    def start(self, indices: list[int]) -> None:
        """Begins to fetch images that will be asked for, all at once, soon."""
        self._after_fork()
        if sum(map(len, self._ahead)) > AHEAD:
            self._ahead.clear()  # what was begun was never asked for
        for group in self._groups(indices):
            if group not in self._ahead:
                self._ahead[group] = self._submit(group)

    def fetch(self, indices: list[int]) -> Iterator[tuple[int, memoryview]]:
        """The bytes of each image, in any order."""
        self._after_fork()
        groups = self._groups(indices)
        waiting = [self._ahead.pop(group) if group in self._ahead else self._submit(group) for group in groups]
        for group, future in zip(groups, waiting):
            view = memoryview(future.result())
            start = self.records.offset[group[0]]
            for i in group:
                at, size = int(self.records.offset[i] - start), int(self.records.size[i])
                yield i, view[at:] if size < 0 else view[at : at + size]

    def _submit(self, group: Group) -> Future[bytes]:
        assert self._pool is not None
        return self._pool.submit(self._get, group)

    def _get(self, group: Group) -> bytes:
        records, first, last = self.records, group[0], group[-1]
        blob = records.blobs[records.blob[first]]
        if records.size[first] < 0:
            return blob.store.get(blob.key)
        return blob.store.get(blob.key, int(records.offset[first]), int(records.offset[last] + records.size[last]))

    def _after_fork(self) -> None:
        """Threads do not outlive a fork, nor does what they were fetching."""
        if self._process != os.getpid():
            self._process, self._pool, self._ahead = os.getpid(), ThreadPoolExecutor(THREADS), {}

    def _groups(self, indices: list[int]) -> list[Group]:
        records = self.records
        ordered = sorted(indices, key=lambda i: (records.blob[i], records.offset[i]))
        groups: list[list[int]] = []
        for i in ordered:
            last = groups[-1][-1] if groups else None
            near = (
                last is not None
                and records.blob[last] == records.blob[i]
                and records.size[i] >= 0
                and records.offset[i] - records.offset[last] - records.size[last] <= GAP
            )
            groups[-1].append(i) if near else groups.append([i])
        return [tuple(group) for group in groups]
