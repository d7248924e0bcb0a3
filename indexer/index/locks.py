"""Who may write: one at a time commits to a collection, and a folder that is being written belongs to its writer.

The kernel lets go of these locks when their process ends, however it ends. A child made by fork holds them on: start
the workers of a writing process by spawn or forkserver.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.index.errors import UnknownCollection, WriterBusy
from indexer.index.layout import WRITER_LOCK

RETRY = 0.01  # seconds


@contextmanager
def writer_lock(collection: Path, *, patience: float = 30.0) -> Iterator[None]:
    """Be the only one who commits to a collection; WriterBusy after `patience` seconds of waiting."""
    try:
        lock = os.open(collection / WRITER_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        raise UnknownCollection(f"there is no collection at {collection}: create it or index an image") from None
    try:
        _wait_for(lock, collection, patience)
        yield
    finally:
        os.close(lock)


def claim_folder(folder: Path) -> int | None:
    """Hold a folder until the returned descriptor is closed; None if another holds it, or has just moved it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    if _locked(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _wait_for(lock: int, collection: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while not _locked(lock):
        if time.monotonic() > until:
            raise WriterBusy(f"another writer has held {collection} for {patience:g} s: is a process stuck? Try again")
        time.sleep(RETRY)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
