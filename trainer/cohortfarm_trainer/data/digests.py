"""The objects of a published cohort against the digests of its manifest, before anything is learned from them."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import TerminalError
from ..store import Store

PIECE = 8 << 20  # bytes that one thread holds
THREADS = 8


def check_bytes(store: Store, stated: dict[str, Any], data: bytes) -> None:
    """Raises TerminalError when the bytes of an object are not those that the manifest states."""
    _compare(store, stated, len(data), hashlib.sha256(data).hexdigest())


def check_shards(store: Store, shards: list[dict[str, Any]]) -> None:
    """Reads shards once in pieces, several at a time; of a team, each process reads its share.

    Raises TerminalError that names the first that is not what the manifest states.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    with ThreadPoolExecutor(THREADS) as pool:
        checks = [pool.submit(_check_shard, store, shard) for shard in shards[rank::world]]
        try:
            for check in checks:
                check.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _check_shard(store: Store, stated: dict[str, Any]) -> None:
    key, size = stated["key"], store.size(stated["key"])
    if size is None:
        raise TerminalError(f"{store.uri}/{key} is missing; {_FIX}", "DatasetDamaged")
    digest = hashlib.sha256()
    for start in range(0, size, PIECE):
        digest.update(store.get(key, start, min(size, start + PIECE)))
    _compare(store, stated, size, digest.hexdigest())


def _compare(store: Store, stated: dict[str, Any], size: int, digest: str) -> None:
    if (size, digest) != (stated["bytes"], stated["sha256"]):
        found, wanted = f"{size} bytes, SHA-256 {digest}", f"{stated['bytes']} bytes, SHA-256 {stated['sha256']}"
        raise TerminalError(f"{store.uri}/{stated['key']} has {found}; dataset.json states {wanted}; {_FIX}", "DatasetDamaged")


_FIX = "restore it (cohortfarm verify finds all faults)"
