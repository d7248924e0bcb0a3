"""What is live in a collection, read from its ids and records alone: vectors are neither opened nor checked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from indexer.index.errors import NoCommit, UnknownCollection
from indexer.index.id_table import keys_of
from indexer.index.manifest import Manifest, read_latest
from indexer.index.records import Record, decode_record
from indexer.index.segment import open_ids, open_records
from indexer.index.tombstones import read_tombstones

Result = TypeVar("Result")


def find_live(collection: Path, ids: Iterable[str]) -> dict[str, Record]:
    """Those of the images that are live, with their records; none where the collection is not there yet."""
    wanted = list(dict.fromkeys(ids))
    return _read(collection, lambda manifest: _find(collection, manifest, wanted), nothing={})


def select_live(collection: Path, wanted: Callable[[Record], bool]) -> list[Record]:
    """The records of those live images that are wanted."""
    return _read(collection, lambda manifest: list(filter(wanted, _records(collection, manifest))), nothing=[])


def _find(collection: Path, manifest: Manifest, wanted: Sequence[str]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for entry in manifest.segments:
        rows = open_ids(collection, entry).rows_of(keys_of(wanted))
        if (rows < 0).all():
            continue
        dead, records = set(read_tombstones(collection, entry).tolist()), open_records(collection, entry)
        for image_id, row in zip(wanted, rows.tolist(), strict=True):
            if row >= 0 and row not in dead:
                found[image_id] = decode_record(records[row].tobytes())
    return found


def _records(collection: Path, manifest: Manifest) -> Iterator[Record]:
    for entry in manifest.segments:
        dead, records = set(read_tombstones(collection, entry).tolist()), open_records(collection, entry)
        yield from (decode_record(records[row].tobytes()) for row in range(entry.images) if row not in dead)


def _read(collection: Path, read: Callable[[Manifest], Result], *, nothing: Result) -> Result:
    try:
        return read_latest(collection, read)
    except (UnknownCollection, NoCommit):
        return nothing
