"""A segment is written whole or not at all, and nothing unsound gets into it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from indexer.commit import commit_segment
from indexer.index.errors import BadEntry
from indexer.index.layout import SEGMENTS
from indexer.index.records import Record
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from model.embeddings import ImageEmbedding
from tests.indexer.index.tiny import (
    ENCODER,
    commit_images,
    embedding_of,
    image_id,
    live_numbers,
    record_of,
    writer_for,
)

NOT_FINITE = (float("nan"), float("inf"), -float("inf"), 1e5)  # the last is infinite in float16
GOOD = embedding_of(1)


def with_regions(regions: torch.Tensor) -> ImageEmbedding:
    return ImageEmbedding({**GOOD.channels, "regions": regions}, GOOD.boxes)


def with_box(*box: float) -> ImageEmbedding:
    return ImageEmbedding(GOOD.channels, torch.tensor([box]))


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes: as on a full disk, writing raises OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("record", "embedding", "complaint"),
    [
        *((record_of(1), with_regions(torch.full((2, 8), number)), "not finite") for number in NOT_FINITE),
        (record_of(1), with_regions(torch.zeros(8)), r"\[8\] instead of \[1 or more, 8\]"),
        (record_of(1), with_regions(torch.zeros(1, 2, 8)), "instead of"),
        (record_of(1), with_regions(torch.zeros(2, 7)), "instead of"),
        (record_of(1), with_regions(torch.zeros(0, 8)), "instead of"),
        (record_of(1), ImageEmbedding({"regions": torch.zeros(1, 8)}, GOOD.boxes), "instead of .'context', 'regions'"),
        (record_of(1), with_box(0.0, 0.0, 1.0), "boxes must be"),
        (record_of(1), with_box(0.0, 0.0, 1.0, 1.01), "boxes must be"),
        (record_of(1), with_box(-0.01, 0.0, 1.0, 1.0), "boxes must be"),
        (record_of(1), with_box(0.6, 0.0, 0.5, 1.0), "boxes must be"),
        (record_of(1), with_box(0.0, float("nan"), 1.0, 1.0), "boxes must be"),
        (replace(record_of(1), id="1"), GOOD, "no image id"),
        (replace(record_of(1), metadata={"x": float("nan")}), GOOD, "not JSON"),
    ],
)
def test_what_is_unsound_is_refused_and_leaves_no_trace(
    tmp_path: Path, record: Record, embedding: ImageEmbedding, complaint: str
) -> None:
    with writer_for(tmp_path) as writer:
        writer.add(record_of(2), embedding_of(2), b"")
        with pytest.raises(BadEntry, match=complaint):
            writer.add(record, embedding, b"")
        writer.add(record_of(3), embedding_of(3), b"")
        entry = writer.finish()
        assert entry is not None and entry.images == 2
        commit_segment(tmp_path, entry, encoder=ENCODER)
    assert live_numbers(open_snapshot(tmp_path)) == [2, 3]
    assert verify_collection(tmp_path).faults == ()


def test_the_same_content_is_not_added_twice(tmp_path: Path) -> None:
    with writer_for(tmp_path) as writer:
        assert image_id(1) not in writer
        writer.add(record_of(1), embedding_of(1), b"")
        assert image_id(1) in writer and len(writer) == 1
        with pytest.raises(BadEntry, match="added to this segment before"):
            writer.add(record_of(1), embedding_of(1), b"")


def test_nothing_added_is_nothing_written(tmp_path: Path) -> None:
    with writer_for(tmp_path) as writer:
        assert writer.finish() is None
    assert list((tmp_path / SEGMENTS).iterdir()) == []


def test_what_was_not_finished_is_removed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), writer_for(tmp_path) as writer:
        writer.add(record_of(1), embedding_of(1), b"")
        raise KeyboardInterrupt
    assert list((tmp_path / SEGMENTS).iterdir()) == []


def test_a_finished_segment_is_not_seen_before_its_commit(tmp_path: Path) -> None:
    commit_images(tmp_path, [1])
    with writer_for(tmp_path) as writer:
        writer.add(record_of(2), embedding_of(2), b"")
        entry = writer.finish()
        assert entry is not None
        assert live_numbers(open_snapshot(tmp_path)) == [1]
        commit_segment(tmp_path, entry, encoder=ENCODER)
    assert live_numbers(open_snapshot(tmp_path)) == [1, 2]


@pytest.mark.parametrize("room", [0, 500, 3000, 20_000])
def test_a_full_disk_leaves_nothing_behind_and_harms_nothing(tmp_path: Path, room: int) -> None:
    commit_images(tmp_path, range(3))
    with pytest.raises(OSError, match="too large"), room_for(room):
        commit_images(tmp_path, range(3, 2000))
    assert verify_collection(tmp_path).faults == verify_collection(tmp_path).leftovers == ()
    commit_images(tmp_path, [5])
    assert live_numbers(open_snapshot(tmp_path)) == [0, 1, 2, 5]
