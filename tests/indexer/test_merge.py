"""Merges keep every live image and bring back no deleted one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from indexer.garbage import collect_garbage
from indexer.index.deletion import delete_images
from indexer.index.durable_files import FileSeal
from indexer.index.errors import Damaged
from indexer.index.layout import SEGMENTS
from indexer.index.manifest import SegmentEntry, Tombstones, read_manifest
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.merge import merge, segments_to_merge
from indexer.segment_writer import SegmentWriter
from tests.indexer.index.tiny import (
    WIDTHS,
    commit_images,
    embedding_of,
    folder_in_memory,
    image_id,
    live_numbers,
    record_of,
    thumbnail_of,
)

SEAL = FileSeal(1, "0" * 32)


def entry_of(name: str, images: int, *, dead: int = 0) -> SegmentEntry:
    return SegmentEntry(name, images, SEAL, Tombstones(name, dead, SEAL) if dead else None)


def chosen(entries: list[SegmentEntry], *, largest: int = 100_000) -> list[str]:
    return [entry.id for entry in segments_to_merge(entries, largest=largest)]


@pytest.fixture
def collection() -> Iterator[Path]:
    """Eight segments of three images, 0 to 23."""
    with folder_in_memory() as folder:
        for first in range(0, 24, 3):
            commit_images(Path(folder), range(first, first + 3), item=f"item-{first}")
        yield Path(folder)


def during_the_merge(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen when a merge has copied all images and not yet committed."""
    finish = SegmentWriter.finish

    def act_and_finish(writer: SegmentWriter) -> SegmentEntry | None:
        monkeypatch.setattr(SegmentWriter, "finish", finish)
        act()
        return finish(writer)

    monkeypatch.setattr(SegmentWriter, "finish", act_and_finish)


def test_few_segments_are_left_alone() -> None:
    assert chosen([]) == chosen([entry_of(str(n), 100) for n in range(7)]) == []


def test_eight_of_like_size_become_one() -> None:
    small = [entry_of(str(n), 100 + n) for n in range(8)]
    assert chosen([entry_of("large", 50_000), *small]) == [entry.id for entry in small]


def test_segments_of_unlike_size_are_not_thrown_together() -> None:
    assert chosen([entry_of(str(n), 1000 * 8**n) for n in range(6)] + [entry_of(str(n), 10) for n in range(6)]) == []


def test_the_smallest_are_merged_first() -> None:
    large, small = ([entry_of(f"{size}-{n}", size) for n in range(8)] for size in (10_000, 100))
    assert chosen(large + small) == [entry.id for entry in small]


def test_no_segment_grows_beyond_the_largest() -> None:
    entries = [entry_of(str(n), 100 - n) for n in range(8)]
    assert chosen(entries, largest=300) == ["5", "6", "7"]
    assert chosen(entries, largest=150) == []


def test_a_segment_of_which_most_is_deleted_is_rewritten() -> None:
    assert chosen([entry_of("half", 10, dead=5), entry_of("most", 10, dead=6)]) == ["most"]


def test_a_merge_keeps_all_that_is_known_of_every_image(collection: Path) -> None:
    delete_images(collection, [image_id(4), image_id(23)])
    result = merge(collection)
    assert result is not None and (len(result.merged), result.images, result.generation) == (8, 22, 10)
    snapshot = open_snapshot(collection)
    for row, number in enumerate(number for number in range(24) if number not in (4, 23)):
        assert snapshot.record(row) == record_of(number, item=f"item-{number // 3 * 3}")
        assert snapshot.thumbnail(row) == thumbnail_of(number)
        assert torch.equal(snapshot.boxes(row), embedding_of(number).boxes)
        assert all(torch.equal(snapshot.channels(row)[name], embedding_of(number).channels[name]) for name in WIDTHS)
    assert verify_collection(collection).faults == ()


def test_what_is_merged_is_not_merged_again(collection: Path) -> None:
    assert merge(collection) is not None
    assert merge(collection) is None


def test_what_is_deleted_during_a_merge_stays_deleted(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_images(collection, [image_id(1)])
    during_the_merge(monkeypatch, lambda: delete_images(collection, [image_id(2), image_id(20)]))
    assert merge(collection) is not None
    expected = [number for number in range(24) if number not in (1, 2, 20)]
    assert live_numbers(open_snapshot(collection)) == expected
    assert verify_collection(collection).faults == ()


def test_what_is_added_during_a_merge_stays(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete_and_add_again() -> None:
        delete_images(collection, [image_id(5)])
        commit_images(collection, [5, 30])

    during_the_merge(monkeypatch, delete_and_add_again)
    assert merge(collection) is not None
    assert sorted(live_numbers(open_snapshot(collection))) == [*range(24), 30]
    assert verify_collection(collection).faults == ()


def test_garbage_collection_spares_a_merge(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    during_the_merge(monkeypatch, lambda: collect_garbage(collection))
    assert merge(collection) is not None
    assert live_numbers(open_snapshot(collection)) == list(range(24))


def test_of_two_merges_the_slower_gives_way(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    during_the_merge(monkeypatch, lambda: merge(collection))
    assert merge(collection) is None
    assert len(read_manifest(collection).segments) == 1
    assert live_numbers(open_snapshot(collection)) == list(range(24))


def test_segments_without_live_images_vanish(tmp_path: Path) -> None:
    commit_images(tmp_path, [1])
    commit_images(tmp_path, [2])
    delete_images(tmp_path, [image_id(1)])
    result = merge(tmp_path)
    assert result is not None and result.images == 0
    assert len(read_manifest(tmp_path).segments) == 1 and live_numbers(open_snapshot(tmp_path)) == [2]


def test_damage_is_not_copied_into_a_sound_segment(collection: Path) -> None:
    for file in sorted((collection / SEGMENTS).glob("*/thumbnails.rows"))[:1]:
        file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(Damaged, match=r"thumbnails\.rows"):
        merge(collection)
    assert len(read_manifest(collection).segments) == 8
