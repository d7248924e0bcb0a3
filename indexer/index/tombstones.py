"""Tombstones: the deleted rows of a segment, in a file that is written once and named by the manifest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.index.durable_files import fsync_folder, make_folder, read_sealed, write_sealed
from indexer.index.layout import TOMBSTONES
from indexer.index.manifest import SegmentEntry, Tombstones

Rows = NDArray[np.int64]  # of one segment


def read_tombstones(collection: Path, entry: SegmentEntry) -> Rows:
    """The deleted rows, ascending."""
    if entry.tombstones is None:
        return np.empty(0, np.int64)
    data = read_sealed(collection / TOMBSTONES / entry.tombstones.file, entry.tombstones.seal)
    return np.frombuffer(data, "<i8")


def bury(collection: Path, entry: SegmentEntry, rows: Rows, *, generation: int) -> SegmentEntry:
    """The entry with these rows deleted too, for the manifest of the commit that is being made. Only under the lock."""
    if not len(rows):
        return entry
    dead = np.union1d(read_tombstones(collection, entry), rows)
    make_folder(collection / TOMBSTONES)
    path = collection / TOMBSTONES / f"{entry.id}-{generation}"
    path.unlink(missing_ok=True)  # left by a commit that did not come to be
    seal = write_sealed(path, dead.astype("<i8").tobytes())
    fsync_folder(path.parent)
    return replace(entry, tombstones=Tombstones(path.name, len(dead), seal))
