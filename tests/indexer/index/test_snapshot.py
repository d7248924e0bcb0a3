"""A snapshot shows one commit, whole and for good."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.commit import create_collection
from indexer.garbage import collect_garbage
from indexer.index import manifest as manifest_file
from indexer.index.deletion import delete_images
from indexer.index.errors import Missing, ModelMismatch, NoCommit, UnknownCollection
from indexer.index.layout import SEGMENTS, TOMBSTONES
from indexer.index.manifest import Manifest, read_manifest
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.merge import merge
from tests.indexer.index.tiny import (
    ENCODER,
    WIDTHS,
    commit_images,
    embedding_of,
    folder_in_memory,
    image_id,
    live_numbers,
    record_of,
    thumbnail_of,
    writer_for,
)


@pytest.fixture
def collection() -> Iterator[Path]:
    """Images 0 to 11 in three segments; 1 and 6 are deleted."""
    with folder_in_memory() as folder:
        for first in (0, 4, 8):
            commit_images(Path(folder), range(first, first + 4), item=f"item-{first}")
        delete_images(Path(folder), [image_id(1), image_id(6)])
        yield Path(folder)


def test_every_image_is_read_as_it_was_written(collection: Path) -> None:
    snapshot = open_snapshot(collection)
    for row, number in enumerate(range(12)):
        expected = embedding_of(number)
        assert snapshot.record(row) == record_of(number, item=f"item-{number // 4 * 4}")
        assert snapshot.thumbnail(row) == thumbnail_of(number)
        assert torch.equal(snapshot.boxes(row), expected.boxes)
        assert all(torch.equal(snapshot.channels(row)[name], expected.channels[name]) for name in WIDTHS)


def test_the_deleted_are_neither_live_nor_found(collection: Path) -> None:
    snapshot = open_snapshot(collection)
    assert live_numbers(snapshot) == [0, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert snapshot.live_count == 10
    assert [snapshot.find(image_id(number)) for number in (0, 1, 6, 7, 12)] == [0, None, None, 7, None]
    assert snapshot.find("no id") is None


@pytest.mark.parametrize("rows", [[], [5], [0, 2, 11], [11, 0, 5, 5, 9, 1, 0], list(range(12))])
def test_gathered_vectors_are_those_of_the_images_in_their_order(collection: Path, rows: list[int]) -> None:
    snapshot = open_snapshot(collection)
    for channel, width in WIDTHS.items():
        expected = [snapshot.channels(row)[channel] for row in rows]
        gathered = snapshot.gather(channel, torch.tensor(rows, dtype=torch.int64))
        assert torch.equal(gathered.vectors, torch.cat([torch.empty(0, width), *expected]))
        assert gathered.counts.tolist() == [len(vectors) for vectors in expected]


def test_ids_come_in_the_order_of_the_rows(collection: Path) -> None:
    rows = [9, 0, 4, 10]
    assert open_snapshot(collection).ids(torch.tensor(rows)) == [image_id(number) for number in rows]


def test_later_commits_leave_an_open_snapshot_as_it_was(collection: Path) -> None:
    snapshot = open_snapshot(collection)
    delete_images(collection, [image_id(number) for number in range(8)])
    merge(collection)
    commit_images(collection, [20])
    assert collect_garbage(collection)
    assert live_numbers(snapshot) == [0, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert torch.equal(snapshot.channels(0)["regions"], embedding_of(0).channels["regions"])
    assert live_numbers(open_snapshot(collection)) == [8, 9, 10, 11, 20]


def test_what_a_reader_does_with_the_vectors_changes_nothing(collection: Path) -> None:
    snapshot = open_snapshot(collection)
    for number in range(2):
        snapshot.boxes(0).fill_(number)
        snapshot.channels(0)["regions"].fill_(number)
    assert torch.equal(snapshot.boxes(0), embedding_of(0).boxes)
    assert torch.equal(snapshot.channels(0)["regions"], embedding_of(0).channels["regions"])


def test_segments_that_are_open_are_shared_and_not_checked_again(collection: Path) -> None:
    first = open_snapshot(collection)
    commit_images(collection, [20])
    second = open_snapshot(collection, previous=first)
    assert [part.segment for part in second.parts[:3]] == [part.segment for part in first.parts]
    assert second.generation == first.generation + 1
    assert live_numbers(second) == [*live_numbers(first), 20]


def test_a_segment_that_vanishes_while_it_is_opened_is_looked_for_anew(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_then_change(path: Path) -> Manifest:
        """What happens if a merge and the garbage collection come just after the manifest was read."""
        manifest = read_manifest(path)
        if manifest.generation == 4:
            delete_images(path, [image_id(number) for number in range(5)])
            assert merge(path) and collect_garbage(path)
        return manifest

    monkeypatch.setattr(manifest_file, "read_manifest", read_then_change)
    snapshot = open_snapshot(collection)
    assert snapshot.generation > 4
    assert sorted(live_numbers(snapshot)) == [5, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("folder", [SEGMENTS, TOMBSTONES])
def test_what_is_missing_for_good_is_named(collection: Path, folder: str) -> None:
    shutil.rmtree(collection / folder)
    with pytest.raises(Missing, match=f"{folder}.*it is missing; restore"):
        open_snapshot(collection)


def test_a_collection_without_images_can_be_opened(tmp_path: Path) -> None:
    create_collection(tmp_path, encoder=ENCODER)
    snapshot = open_snapshot(tmp_path)
    assert (snapshot.generation, snapshot.live_count, snapshot.find(image_id(0))) == (1, 0, None)
    assert (snapshot.fingerprint, snapshot.score_spec) == (ENCODER.fingerprint, ENCODER.score_spec)


def test_where_nothing_was_committed_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(UnknownCollection):
        open_snapshot(tmp_path / "nothing")
    with writer_for(tmp_path / "draft"), pytest.raises(NoCommit):
        open_snapshot(tmp_path / "draft")


def test_an_encoder_of_other_weights_is_refused(collection: Path) -> None:
    snapshot = open_snapshot(collection)
    snapshot.check_model(ENCODER.fingerprint)
    with pytest.raises(ModelMismatch, match=ENCODER.fingerprint):
        snapshot.check_model("0" * 64)


def test_images_of_equal_height_are_gathered_without_padding(tmp_path: Path) -> None:
    commit_images(tmp_path, range(0, 30, 3))  # these all have one row of context
    context = open_snapshot(tmp_path).gather("context", torch.arange(10))
    rows, real = context.padded()
    assert bool(real.all()) and rows.data_ptr() == context.vectors.data_ptr()
    assert np.array_equal(context.counts, np.ones(10))


def test_readers_meet_a_whole_commit_however_much_is_written(tmp_path: Path) -> None:
    """A pair of images is committed together and deleted together, while all old segments are removed at once."""
    with folder_in_memory() as folder, ThreadPoolExecutor(1) as writer:
        collection = Path(folder)
        commit_images(collection, [0, 1])
        writing = writer.submit(write_pairs, collection, 80)
        generations = set()
        while not writing.done():
            snapshot = open_snapshot(collection)
            numbers = live_numbers(snapshot)
            assert {number ^ 1 for number in numbers} == set(numbers)
            assert verify_collection(collection).faults == ()
            generations.add(snapshot.generation)
        writing.result()
    assert len(generations) > 3


def write_pairs(collection: Path, pairs: int) -> None:
    for number in range(2, 2 * pairs, 2):
        commit_images(collection, [number, number + 1])
        if number % 6 == 0:
            delete_images(collection, [image_id(number - 2), image_id(number - 1)])
        merge(collection)
        collect_garbage(collection)
