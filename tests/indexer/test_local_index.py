"""Folders of this machine, indexed again and again while their photographs come and go."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from indexer.errors import NothingToKeep
from indexer.index.errors import NoCommit
from indexer.index.records import content_id
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.local_index import Summary, index_paths
from indexer.pipeline import Fate, Outcome
from tests.photographs import jpeg, truncated_jpeg, write_photographs

Index = Callable[..., Summary]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "collection"


@pytest.fixture
def index(collection, tiny_encoder, pool) -> Index:
    def index(
        *paths: Path, prune: bool = False, progress: Callable[[Sequence[Outcome]], None] = lambda _: None
    ) -> Summary:
        return index_paths(paths, collection, encoder=tiny_encoder, pool=pool, prune=prune, progress=progress)

    return index


def names(collection: Path) -> set[str]:
    snapshot = open_snapshot(collection)
    return {snapshot.record(row).name for row in snapshot.live_rows.tolist()}


def test_a_second_run_indexes_only_what_is_new(photos, collection, index):
    write_photographs(photos, range(4))
    assert index(photos).counts == {Fate.INDEXED: 4}
    generation = open_snapshot(collection).generation
    assert index(photos).counts == {Fate.DUPLICATE: 4}
    assert open_snapshot(collection).generation == generation
    write_photographs(photos / "more", range(10, 12))
    assert index(photos).counts == {Fate.DUPLICATE: 4, Fate.INDEXED: 2}
    assert not verify_collection(collection).faults


def test_failures_are_listed_and_hold_nothing_up(photos, collection, index):
    write_photographs(photos, range(2))
    (photos / "cut.jpg").write_bytes(truncated_jpeg())
    (photos / "notes.txt").write_text("not a picture, and not looked at")
    seen: list[Outcome] = []
    summary = index(photos, progress=seen.extend)
    assert [(failure.photograph.name, failure.code) for failure in summary.failures] == [("cut.jpg", "image_truncated")]
    assert summary.counts == {Fate.INDEXED: 2, Fate.FAILED: 1} and len(seen) == 3


def test_a_folder_without_one_good_photograph_makes_no_collection(photos, collection, index):
    photos.mkdir()
    assert not index(photos).counts
    (photos / "cut.jpg").write_bytes(truncated_jpeg())
    assert index(photos).counts == {Fate.FAILED: 1}
    with pytest.raises(NoCommit):
        open_snapshot(collection)


def test_pruning_deletes_what_vanished(photos, collection, index):
    paths = write_photographs(photos, range(4))
    index(photos)
    paths[1].unlink()
    assert index(photos).pruned == 0 and len(names(collection)) == 4
    assert index(photos, prune=True).pruned == 1
    assert names(collection) == {"0000.jpg", "0002.jpg", "0003.jpg"}


def test_pruning_deletes_only_below_the_paths_given(tmp_path, collection, index):
    for number, place in enumerate(("a", "ab", "b")):
        write_photographs(tmp_path / place, range(10 * number, 10 * number + 2))
    index(tmp_path / "a", tmp_path / "ab", tmp_path / "b")
    for place in ("ab", "b"):
        shutil.rmtree(tmp_path / place)
    assert index(tmp_path / "a", prune=True).pruned == 0
    write_photographs(tmp_path / "b", range(20, 21))
    assert index(tmp_path / "b", prune=True).pruned == 1
    assert open_snapshot(collection).live_count == 5


def test_a_folder_in_which_nothing_is_left_is_not_pruned(photos, collection, index):
    for path in write_photographs(photos, range(2)):
        index(photos)
        path.unlink()
    with pytest.raises(NothingToKeep, match="is a disk not mounted"):
        index(photos, prune=True)
    assert open_snapshot(collection).live_count == 2


def test_a_changed_photograph_is_indexed_anew_and_pruning_forgets_what_it_was(photos, collection, index):
    (path,) = write_photographs(photos, range(1))
    index(photos)
    path.write_bytes(jpeg(1))
    assert index(photos).counts == {Fate.INDEXED: 1}
    assert open_snapshot(collection).live_count == 2
    index(photos, prune=True)
    snapshot = open_snapshot(collection)
    assert snapshot.ids(snapshot.live_rows) == [content_id(jpeg(1))]


def test_a_photograph_that_moved_within_its_folder_is_kept(photos, collection, index):
    (path,) = write_photographs(photos, range(1))
    index(photos)
    path.rename(photos / "other.jpg")
    assert index(photos, prune=True).pruned == 0
    assert open_snapshot(collection).live_count == 1


def test_pruning_keeps_what_only_could_not_be_looked_at(photos, collection, index):
    write_photographs(photos / "closed", range(2))
    write_photographs(photos / "gone", range(2, 4))
    write_photographs(photos, range(90, 91))
    index(photos)
    shutil.rmtree(photos / "gone")
    shown = photos / "closed"
    shown.rename(photos / ".closed")  # hidden, as good as unreadable to the scan, ...
    shown.symlink_to(".closed")  # ... and yet there
    assert index(photos, prune=True).pruned == 2
    assert open_snapshot(collection).live_count == 3


def test_names_that_are_not_text_are_indexed_and_shown(photos, collection, index):
    write_photographs(photos, range(1))[0].rename(photos / os.fsdecode(b"caf\xe9.jpg"))
    assert index(photos).counts == {Fate.INDEXED: 1}
    assert names(collection) == {"caf?.jpg"}
    assert index(photos, prune=True).pruned == 0


def test_many_small_runs_are_merged(photos, collection, index):
    for number in range(9):
        write_photographs(photos, range(number, number + 1))
        index(photos)
    snapshot = open_snapshot(collection)
    assert snapshot.live_count == 9 and len(snapshot.parts) < 9
    assert not verify_collection(collection).leftovers
