"""Verify a collection: every checksum, and everything besides that must hold in and between the files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from indexer.index.contradictions import contradictions
from indexer.index.durable_files import check_seal
from indexer.index.errors import Damaged, IndexFault, UnknownFormat
from indexer.index.id_table import ID_TYPE, Keys
from indexer.index.layout import MANIFEST, SEGMENTS, TOMBSTONES
from indexer.index.leftovers import find_leftovers
from indexer.index.manifest import Manifest, SegmentEntry, read_manifest
from indexer.index.segment import map_segment, read_head
from indexer.index.tombstones import Rows, read_tombstones


@dataclass(frozen=True, slots=True)
class Fault:
    file: Path
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    faults: tuple[Fault, ...]
    leftovers: tuple[Path, ...]  # harmless: garbage collection removes them, unless they are still being written


def verify_collection(collection: Path) -> Verification:
    """Find all that is wrong with a collection. Raises if there is none, never because one is damaged."""
    try:
        manifest = read_manifest(collection)
    except (Damaged, UnknownFormat) as error:
        return Verification((Fault(collection / MANIFEST, str(error)),), ())
    faults: list[Fault] = []
    live_ids: Keys = np.empty(0, ID_TYPE)
    for entry in manifest.segments:
        found, ids = _verify_segment(collection, entry)
        faults += found
        live_ids = np.append(live_ids, ids)
    if faults and _was_replaced(collection, manifest):
        return verify_collection(collection)  # a merge has removed what we were reading
    ids, times = np.unique(live_ids, return_counts=True)
    faults += [Fault(collection / MANIFEST, f"{str(key, 'ascii')} is live more than once") for key in ids[times > 1]]
    return Verification(tuple(faults), tuple(find_leftovers(collection, manifest.segments)))


def _was_replaced(collection: Path, manifest: Manifest) -> bool:
    try:
        return read_manifest(collection) != manifest
    except IndexFault:
        return True


def _verify_segment(collection: Path, entry: SegmentEntry) -> tuple[list[Fault], Keys]:
    """What is wrong with a segment, and its live ids as far as they can be told."""
    none: Keys = np.empty(0, ID_TYPE)
    try:
        faults = list(_damaged_files(collection, entry))
        if faults:
            return faults, none
        folder, head = collection / SEGMENTS / entry.id, read_head(collection, entry)
        segment, dead = map_segment(folder, head), read_tombstones(collection, entry)
        faults = [Fault(folder / file, what) for file, what in contradictions(segment)]
        if not _are_tombstones(dead, entry):
            return [*faults, Fault(collection / TOMBSTONES, f"those of {entry.id} name rows that it has not")], none
        return faults, np.delete(segment.ids.ids, dead)
    except Damaged as error:
        return [Fault(error.file, error.what)], none
    except Exception as error:  # noqa: BLE001  whatever stands in these files, the other segments are still looked at
        return [Fault(collection / SEGMENTS / entry.id, f"it cannot be read: {error!r}")], none


def _damaged_files(collection: Path, entry: SegmentEntry) -> Iterator[Fault]:
    files = read_head(collection, entry).files
    checks: list[Callable[[], object]] = [partial(read_tombstones, collection, entry)]
    checks += [partial(check_seal, collection / SEGMENTS / entry.id / name, seal) for name, seal in files.items()]
    for check in checks:
        try:
            check()
        except Damaged as error:
            yield Fault(error.file, error.what)


def _are_tombstones(dead: Rows, entry: SegmentEntry) -> bool:
    ascending_rows = np.intersect1d(dead, np.arange(entry.images))
    return np.array_equal(dead, ascending_rows) and entry.images - len(dead) == entry.live
