"""What is live in a collection, read from its ids and records alone: vectors are neither opened nor checked."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from indexer.index.errors import NoCommit, UnknownCollection
from indexer.index.id_table import keys_of
from indexer.index.manifest import SegmentEntry, read_manifest
from indexer.index.records import Record, decode_record
from indexer.index.segment import open_ids, open_records
from indexer.index.tombstones import read_tombstones


def find_live(collection: Path, ids: Iterable[str]) -> dict[str, Record]:
    """Those of the images that are live, with their records; none where the collection is not there yet."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Record] = {}
    for entry in _segments(collection):
        rows = open_ids(collection, entry).rows_of(keys_of(wanted))
        if (rows < 0).all():
            continue
        dead, records = set(read_tombstones(collection, entry).tolist()), open_records(collection, entry)
        for image_id, row in zip(wanted, rows.tolist(), strict=True):
            if row >= 0 and row not in dead:
                found[image_id] = decode_record(records[row].tobytes())
    return found


def live_records(collection: Path) -> Iterator[Record]:
    """The records of all live images."""
    for entry in _segments(collection):
        dead, records = set(read_tombstones(collection, entry).tolist()), open_records(collection, entry)
        for row in range(entry.images):
            if row not in dead:
                yield decode_record(records[row].tobytes())


def _segments(collection: Path) -> tuple[SegmentEntry, ...]:
    try:
        return read_manifest(collection).segments
    except (UnknownCollection, NoCommit):
        return ()
