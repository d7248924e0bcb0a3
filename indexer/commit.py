"""Commits: what makes the images of a segment appear, all at once and for good."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.index.durable_files import make_folder
from indexer.index.errors import ModelMismatch, NoCommit
from indexer.index.id_table import IdTable
from indexer.index.locks import writer_lock
from indexer.index.manifest import EncoderIdentity, Manifest, SegmentEntry, read_manifest, write_manifest
from indexer.index.records import decode_record
from indexer.index.segment import open_ids, open_records, read_head
from indexer.index.tombstones import bury, read_tombstones


@dataclass(frozen=True, slots=True)
class CommitResult:
    generation: int
    added: tuple[str, ...]
    duplicates: Mapping[str, str | None]  # id that was there before -> the item of the ledger that had brought it


def create_collection(collection: Path, *, encoder: EncoderIdentity) -> int:
    """Commit a collection without images unless it is there, and return its generation. Raises ModelMismatch."""
    make_folder(collection)
    with writer_lock(collection):
        manifest = _current_or_new(collection, encoder)
        if manifest.generation == 0:
            manifest = manifest.next(())
            write_manifest(collection, manifest)
    return manifest.generation


def commit_segment(collection: Path, entry: SegmentEntry, *, encoder: EncoderIdentity) -> CommitResult:
    """Make the images of a finished segment live, all but those that are live already. Raises ModelMismatch."""
    _check_widths(collection, entry, encoder)
    ids = open_ids(collection, entry)
    with writer_lock(collection):
        manifest = _current_or_new(collection, encoder)
        before = _brought_before(collection, manifest, entry, ids)
        if len(before) < entry.images:
            rows = np.array(list(before), np.int64)
            added = bury(collection, entry, rows, generation=manifest.generation + 1)
            manifest = manifest.next([*manifest.segments, added])
            write_manifest(collection, manifest)
    return CommitResult(
        generation=manifest.generation,
        added=tuple(ids.id_of(row) for row in range(entry.images) if row not in before),
        duplicates={ids.id_of(row): item for row, item in before.items()},
    )


def _current_or_new(collection: Path, encoder: EncoderIdentity) -> Manifest:
    try:
        manifest = read_manifest(collection)
    except NoCommit:
        return Manifest(generation=0, encoder=encoder, segments=())
    manifest.encoder.check_fingerprint(encoder.fingerprint)
    return manifest


def _check_widths(collection: Path, entry: SegmentEntry, encoder: EncoderIdentity) -> None:
    widths = read_head(collection, entry).channel_widths
    if widths != encoder.channel_widths:
        raise ModelMismatch(
            f"segment {entry.id} has channels {dict(widths)}, "
            f"{encoder.name} ({encoder.fingerprint}) makes {dict(encoder.channel_widths)}: write it with that encoder"
        )


def _brought_before(collection: Path, manifest: Manifest, new: SegmentEntry, ids: IdTable) -> dict[int, str | None]:
    """The rows of the new segment that must not appear, and the items of the ledger that brought their content before.

    Content that is live must not be live twice. Content that was deleted may come again, but not by the item that had
    brought it: that is a worker which died between its commit and its report, and its image would rise from the dead.
    """
    new_records = open_records(collection, new)
    before: dict[int, str | None] = {}
    for old in manifest.segments:
        rows = open_ids(collection, old).rows_of(ids.ids)  # [n]
        if (rows < 0).all():
            continue
        dead = set(read_tombstones(collection, old).tolist())
        records = open_records(collection, old)
        for row in np.flatnonzero(rows >= 0).tolist():
            item = decode_record(records[rows[row]].tobytes()).item
            again = item is not None and item == decode_record(new_records[row].tobytes()).item
            if rows[row] not in dead or again:
                before[row] = item
    return before
