"""The collections as they are now: the latest commit of each, opened once and shared by all queries."""

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from indexer.index.errors import IndexFault, NoCommit, UnknownCollection
from indexer.index.layout import MANIFEST, collection_path, list_collections
from indexer.index.residency import bytes_in_memory, in_memory
from indexer.index.snapshot import Snapshot, open_snapshot

logger = logging.getLogger(__name__)

Signature = tuple[int, int, int]  # of the manifest's file: a commit replaces it by another


@dataclass(frozen=True, slots=True)
class Opened:
    signature: Signature
    snapshot: Snapshot


class LiveIndex:
    """Safe to use from several threads."""

    def __init__(self, data: Path, *, fingerprint: str, memory_bytes: int = 0) -> None:
        """Of what searches read, no more than `memory_bytes` of all collections is kept in memory."""
        self._data = data
        self._memory_bytes = memory_bytes
        self._fingerprint = fingerprint
        self._opened: dict[str, Opened] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._faults: dict[str, IndexFault | OSError] = {}

    def snapshot(self, name: str) -> Snapshot:
        """The latest commit of a collection. Raises IndexFault when there is none, or it is of other weights.

        Where the latest cannot be opened but one before it is, that one goes on to be served.
        """
        path = collection_path(self._data, name)
        signature = self._signature(name, path)
        opened = self._opened.get(name)
        if opened is None or opened.signature != signature:
            with self._locks.setdefault(name, threading.Lock()):
                opened = self._opened.get(name)
                if opened is None or opened.signature != signature:
                    opened = self._open(name, path, signature)
        return opened.snapshot

    def names(self) -> list[str]:
        return list_collections(self._data)

    def served(self) -> list[str]:
        """The collections that can be searched, be it at an earlier commit."""
        return [name for name in self.names() if name in self._opened]

    def faults(self) -> list[str]:
        """What keeps collections from their latest commit."""
        return [f"{name}: {fault}" for name in self.names() if (fault := self._faults.get(name)) is not None]

    def _signature(self, name: str, path: Path) -> Signature:
        try:
            status = os.stat(path / MANIFEST)  # noqa: PTH116  on the way of every query
        except FileNotFoundError:
            if path.is_dir() or not self.names():
                raise NoCommit(f"collection {name!r} holds no images yet: send some to POST /index") from None
            raise UnknownCollection(f"there is no collection {name!r}; there are: {', '.join(self.names())}") from None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _open(self, name: str, path: Path, signature: Signature) -> Opened:
        before = self._opened.get(name)
        try:
            snapshot = open_snapshot(path, previous=before.snapshot if before else None)
            snapshot.check_model(self._fingerprint)
            others = [opened.snapshot for other, opened in dict(self._opened).items() if other != name]
            snapshot = in_memory(snapshot, room=self._memory_bytes - sum(map(bytes_in_memory, others)))
        except (IndexFault, OSError) as error:
            self._faults[name] = error
            if before is None:
                raise
            logger.exception("%s stays at commit %d", name, before.snapshot.generation)
            opened = Opened(signature, before.snapshot)
        else:
            self._faults.pop(name, None)
            logger.info("%s: now at commit %d, %d images", name, snapshot.generation, snapshot.live_count)
            opened = Opened(signature, snapshot)
        self._opened[name] = opened
        return opened
