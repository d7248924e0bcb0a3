"""Deletions: images disappear at once and for good, though the segments that hold them never change."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.index.id_table import keys_of
from indexer.index.locks import writer_lock
from indexer.index.manifest import SegmentEntry, read_manifest, write_manifest
from indexer.index.records import is_image_id
from indexer.index.segment import open_ids
from indexer.index.tombstones import bury, read_tombstones


@dataclass(frozen=True, slots=True)
class DeleteResult:
    generation: int
    deleted: tuple[str, ...]


def delete_images(collection: Path, ids: Iterable[str]) -> DeleteResult:
    """Delete what is live of these images; snapshots opened from now on do not show them."""
    keys = keys_of(image_id for image_id in ids if is_image_id(image_id))
    with writer_lock(collection):
        manifest = read_manifest(collection)
        entries: list[SegmentEntry] = []
        deleted: list[str] = []
        for entry in manifest.segments:
            table = open_ids(collection, entry)
            rows = np.setdiff1d(table.rows_of(keys), np.append(read_tombstones(collection, entry), -1))
            entries.append(bury(collection, entry, rows, generation=manifest.generation + 1))
            deleted += [table.id_of(row) for row in rows]
        if deleted:
            manifest = manifest.next(entries)
            write_manifest(collection, manifest)
    return DeleteResult(manifest.generation, tuple(deleted))
