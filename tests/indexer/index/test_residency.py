"""What is read into memory is what was mapped, and no more than there is room for."""

from pathlib import Path

import numpy as np
import pytest

from indexer.index.residency import bytes_in_memory, in_memory
from indexer.index.search import search
from indexer.index.snapshot import Snapshot, open_snapshot
from tests.indexer.index.tiny import commit_images, sentence_of


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    commit_images(tmp_path, range(10))
    commit_images(tmp_path, range(10, 13))
    return open_snapshot(tmp_path)


def test_a_search_finds_the_same_whatever_lies_in_memory(snapshot: Snapshot) -> None:
    for room in (0, 500, 10**6):
        brought = in_memory(snapshot, room=room)
        for number in range(3):
            expected = search(snapshot, sentence_of(number), limit=5).hits
            assert search(brought, sentence_of(number), limit=5).hits == expected


def test_bytes_come_before_vectors_and_nothing_in_part(snapshot: Snapshot) -> None:
    large, small = (part.segment.byte_rows.nbytes for part in snapshot.parts)
    assert bytes_in_memory(snapshot) == bytes_in_memory(in_memory(snapshot, room=small - 1)) == 0
    assert bytes_in_memory(in_memory(snapshot, room=large + small)) == large + small
    everything = in_memory(snapshot, room=10**6)
    assert bytes_in_memory(everything) == 3 * (large + small)  # a vector of float16 is twice its bytes
    for part, mapped in zip(everything.parts, snapshot.parts, strict=True):
        np.testing.assert_array_equal(part.segment.byte_rows, mapped.segment.byte_rows)


def test_what_is_in_memory_is_not_read_again(snapshot: Snapshot) -> None:
    brought = in_memory(snapshot, room=10**6)
    again = in_memory(brought, room=10**6)
    assert [part.segment for part in again.parts] == [part.segment for part in brought.parts]
    assert bytes_in_memory(again) == bytes_in_memory(brought)
