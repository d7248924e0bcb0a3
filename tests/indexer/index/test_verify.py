"""Verification tells faults from leftovers, and goes on after the first."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer.index.deletion import delete_images
from indexer.index.errors import NoCommit, UnknownCollection
from indexer.index.layout import MANIFEST, SEGMENTS, TOMBSTONES
from indexer.index.manifest import read_manifest, write_manifest
from indexer.index.tombstones import bury
from indexer.index.verify import Verification, verify_collection
from tests.indexer.index.tiny import commit_images, embedding_of, image_id, record_of, writer_for


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    for first in (0, 5):
        commit_images(tmp_path, range(first, first + 5))
    delete_images(tmp_path, [image_id(2), image_id(8)])
    return tmp_path


def test_a_sound_collection_has_no_faults(collection: Path) -> None:
    assert verify_collection(collection) == Verification((), ())


def test_every_damaged_file_is_named(collection: Path) -> None:
    damaged = sorted((collection / SEGMENTS).glob("*/records.rows")) + sorted((collection / TOMBSTONES).iterdir())
    for file in damaged:
        file.write_bytes(b"x")
    (gone, _) = (collection / SEGMENTS).glob("*/thumbnails.rows")
    gone.unlink()
    assert sorted(fault.file for fault in verify_collection(collection).faults) == sorted([*damaged, gone])


def test_a_damaged_manifest_is_the_fault(collection: Path) -> None:
    (collection / MANIFEST).write_bytes(b"{}")
    (fault,) = verify_collection(collection).faults
    assert fault.file == collection / MANIFEST


def test_a_segment_that_is_gone_is_a_fault(collection: Path) -> None:
    gone = collection / SEGMENTS / read_manifest(collection).segments[0].id
    shutil.rmtree(gone)
    (fault,) = verify_collection(collection).faults
    assert fault.file.parent == gone and fault.what == "it is missing"


@pytest.mark.parametrize("rows", [[-1], [5], [7, 2]])
def test_tombstones_of_rows_that_are_none_are_a_fault(collection: Path, rows: list[int]) -> None:
    manifest = read_manifest(collection)
    entry = bury(collection, manifest.segments[0], np.array(rows), generation=9)
    write_manifest(collection, manifest.next([entry, manifest.segments[1]]))
    (fault,) = verify_collection(collection).faults
    assert "rows that it has not" in fault.what


def test_what_a_crash_left_is_no_fault(collection: Path) -> None:
    (collection / SEGMENTS / "0123.draft").mkdir()
    (collection / SEGMENTS / "4567").mkdir()
    (collection / TOMBSTONES / "old-1").touch()
    (collection / f"{MANIFEST}.draft").touch()
    verification = verify_collection(collection)
    assert verification.faults == ()
    assert sorted(path.name for path in verification.leftovers if "-" not in path.name) == [
        "0123.draft",
        "4567",
        "manifest.json.draft",
    ]


def test_a_segment_that_is_being_written_is_no_fault(collection: Path) -> None:
    with writer_for(collection) as writer:
        writer.add(record_of(9), embedding_of(9), b"")
        verification = verify_collection(collection)
    assert verification.faults == () and len(verification.leftovers) == 1


def test_only_a_collection_that_is_not_there_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(NoCommit):
        verify_collection(tmp_path)
    with pytest.raises(UnknownCollection):
        verify_collection(tmp_path / "nothing")
