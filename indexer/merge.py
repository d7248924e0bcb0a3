"""Merges: few large segments instead of many small ones, and no room for what was deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.index.locks import writer_lock
from indexer.index.manifest import Manifest, SegmentEntry, read_latest, read_manifest, write_manifest
from indexer.index.segment import Segment, open_segment
from indexer.index.tombstones import Rows, bury, read_tombstones
from indexer.segment_writer import SegmentWriter

AT_ONCE = 8  # segments of like size that are worth a merge
LARGEST = 100_000  # images of a merged segment: its region index is built in memory


@dataclass(frozen=True, slots=True)
class MergeResult:
    generation: int
    merged: tuple[str, ...]  # segments
    images: int  # in the one that stands for them


def merge(collection: Path, *, largest: int = LARGEST) -> MergeResult | None:
    """Merge once, while others commit and delete; None if nothing needs it, or another merge was quicker."""
    sources = read_latest(collection, lambda manifest: _open_sources(collection, manifest, largest=largest))
    if not sources:
        return None
    head = sources[0][0].head
    with SegmentWriter(
        collection, channel_widths=head.channel_widths, shortlist_channel=head.shortlist_channel
    ) as writer:
        new_rows = {source.id: _copy_live(source, dead, writer) for source, dead in sources}
        return _commit(collection, new_rows, writer.finish())


def segments_to_merge(segments: Sequence[SegmentEntry], *, largest: int = LARGEST) -> list[SegmentEntry]:
    """The segments that should become one next: many of like size, or one of which most is deleted.

    An image is rewritten about once for every factor of 8 that its collection grows.
    """
    for size_class in sorted({_size_class(entry) for entry in segments}):
        alike = sorted((entry for entry in segments if _size_class(entry) == size_class), key=lambda entry: entry.live)
        fitting = int(np.searchsorted(np.cumsum([entry.live for entry in alike]), largest, side="right"))
        if len(alike) >= AT_ONCE and fitting > 1:
            return [entry for entry in segments if entry in alike[:fitting]]
    return [entry for entry in segments if 2 * entry.live < entry.images][:1]


def _size_class(entry: SegmentEntry) -> int:
    """A class spans a factor of 8; all below 2,048 images are one, for they are quickly merged."""
    return max(3, entry.live.bit_length() // 3)


def _open_sources(collection: Path, manifest: Manifest, *, largest: int) -> list[tuple[Segment, Rows]]:
    """The segments to merge, each with its deleted rows."""
    chosen = segments_to_merge(manifest.segments, largest=largest)
    return [(open_segment(collection, entry), read_tombstones(collection, entry)) for entry in chosen]


def _copy_live(source: Segment, dead: Rows, writer: SegmentWriter) -> Rows:
    """Where each row of the source is now, [n]; -1 for the dead."""
    new_rows = np.full(source.head.images, -1, np.int64)
    for row in np.setdiff1d(np.arange(source.head.images), dead).tolist():
        new_rows[row] = len(writer)
        writer.add(source.record(row), source.embedding(row), source.thumbnail(row))
    return new_rows


def _commit(collection: Path, new_rows: dict[str, Rows], merged: SegmentEntry | None) -> MergeResult | None:
    with writer_lock(collection):
        manifest = read_manifest(collection)
        gone = [entry for entry in manifest.segments if entry.id in new_rows]
        if len(gone) < len(new_rows):
            return None  # another merge has taken some of them
        segments = [entry for entry in manifest.segments if entry.id not in new_rows]
        if merged is not None:
            # What was deleted while we wrote is deleted in the merged segment, too.
            dead = np.concatenate([new_rows[entry.id][read_tombstones(collection, entry)] for entry in gone])
            segments.append(bury(collection, merged, dead[dead >= 0], generation=manifest.generation + 1))
        write_manifest(collection, manifest.next(segments))
    return MergeResult(manifest.generation + 1, tuple(new_rows), images=merged.images if merged else 0)
