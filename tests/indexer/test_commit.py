"""Commits make images appear at once, and no content twice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from indexer.commit import CommitResult, commit_segment, create_collection
from indexer.index.deletion import delete_images
from indexer.index.errors import ModelMismatch
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
    writer_for,
)


def test_the_first_commit_makes_the_collection(tmp_path: Path) -> None:
    result = commit_images(tmp_path / "new", [1, 2])
    assert result == CommitResult(generation=1, added=(image_id(1), image_id(2)), duplicates={})
    assert live_numbers(open_snapshot(tmp_path / "new")) == [1, 2]


def test_a_collection_may_be_made_before_its_first_image(tmp_path: Path) -> None:
    assert [create_collection(tmp_path / "new", encoder=ENCODER) for _ in range(2)] == [1, 1]
    assert commit_images(tmp_path / "new", [1]).generation == 2
    assert create_collection(tmp_path / "new", encoder=ENCODER) == 2


def test_content_that_is_live_is_not_added_again(tmp_path: Path) -> None:
    commit_images(tmp_path, [1, 2], item="first")
    commit_images(tmp_path, [3])
    result = commit_images(tmp_path, [2, 4, 3], item="second")
    assert result == CommitResult(3, (image_id(4),), {image_id(2): "first", image_id(3): None})
    assert live_numbers(open_snapshot(tmp_path)) == [1, 2, 3, 4]


def test_a_commit_that_adds_nothing_changes_nothing(tmp_path: Path) -> None:
    commit_images(tmp_path, [1, 2])
    manifest = (tmp_path / "manifest.json").read_bytes()
    assert commit_images(tmp_path, [2, 1]).generation == 1
    assert (tmp_path / "manifest.json").read_bytes() == manifest


def test_of_all_who_race_with_the_same_content_one_wins() -> None:
    with folder_in_memory() as folder, ThreadPoolExecutor(4) as threads:
        collection, together = Path(folder), Barrier(4)
        for first in range(0, 50, 5):
            results = list(
                threads.map(lambda numbers: race(collection, numbers, together), 4 * [range(first, first + 5)])
            )
            assert sorted(len(result.added) for result in results) == [0, 0, 0, 5]
        assert live_numbers(open_snapshot(collection)) == list(range(50))
        assert verify_collection(collection).faults == ()


def race(collection: Path, numbers: range, together: Barrier) -> CommitResult:
    with writer_for(collection) as writer:
        for number in numbers:
            writer.add(record_of(number), embedding_of(number), b"")
        entry = writer.finish()
        assert entry is not None
        together.wait()
        return commit_segment(collection, entry, encoder=ENCODER)


def test_deleted_content_may_come_again(tmp_path: Path) -> None:
    commit_images(tmp_path, [1, 2], item="first")
    delete_images(tmp_path, [image_id(1)])
    assert commit_images(tmp_path, [1], item="second").added == (image_id(1),)
    assert live_numbers(open_snapshot(tmp_path)) == [2, 1]
    delete_images(tmp_path, [image_id(1)])
    assert live_numbers(open_snapshot(tmp_path)) == [2]


def test_an_item_that_runs_again_does_not_bring_back_what_was_deleted(tmp_path: Path) -> None:
    commit_images(tmp_path, [1, 2], item="first")
    delete_images(tmp_path, [image_id(1)])
    again = commit_images(tmp_path, [1, 2], item="first")
    assert again == CommitResult(2, (), {image_id(1): "first", image_id(2): "first"})
    assert live_numbers(open_snapshot(tmp_path)) == [2]


def test_vectors_of_other_weights_are_refused(tmp_path: Path) -> None:
    commit_images(tmp_path, [1])
    other = replace(ENCODER, fingerprint="2" * 64)
    with pytest.raises(ModelMismatch, match=f"{'1' * 64}.*{'2' * 64}"):
        commit_images(tmp_path, [2], encoder=other)
    with pytest.raises(ModelMismatch):
        create_collection(tmp_path, encoder=other)
    assert live_numbers(open_snapshot(tmp_path)) == [1]


def test_a_segment_of_other_widths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch, match=r"'regions': 8.*'regions': 9"):
        commit_images(tmp_path, [1], encoder=replace(ENCODER, channel_widths={**WIDTHS, "regions": 9}))


def test_a_segment_that_is_committed_twice_is_there_once(tmp_path: Path) -> None:
    with writer_for(tmp_path) as writer:
        writer.add(record_of(1), embedding_of(1), b"")
        entry = writer.finish()
        assert entry is not None
        results = [commit_segment(tmp_path, entry, encoder=ENCODER) for _ in range(2)]
    assert [result.generation for result in results] == [1, 1]
    assert merge(tmp_path) is None and live_numbers(open_snapshot(tmp_path)) == [1]
