"""The latest commit of every collection, whoever made it; and the one before, when the latest is damaged."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from indexer.index.deletion import delete_images
from indexer.index.errors import Damaged, ModelMismatch, NoCommit, UnknownCollection
from indexer.index.layout import collection_path
from indexer.index.residency import bytes_in_memory
from indexer.upkeep import keep_in_shape
from service.live_index import LiveIndex
from tests.indexer.index.tiny import ENCODER, commit_images, folder_in_memory, image_id, live_numbers


@pytest.fixture
def collection(tmp_path):
    return collection_path(tmp_path, "default")


@pytest.fixture
def live(tmp_path) -> LiveIndex:
    return LiveIndex(tmp_path, fingerprint=ENCODER.fingerprint)


def test_a_commit_is_served_at_once_and_opened_once(live, collection):
    commit_images(collection, range(3))
    first = live.snapshot("default")
    assert live.snapshot("default") is first and live_numbers(first) == [0, 1, 2]
    commit_images(collection, range(3, 5))
    delete_images(collection, [image_id(0)])
    assert live_numbers(live.snapshot("default")) == [1, 2, 3, 4]
    assert live_numbers(first) == [0, 1, 2]


def test_what_there_is_room_for_lies_in_memory_for_as_long_as_it_is_served(tmp_path, collection):
    live = LiveIndex(tmp_path, fingerprint=ENCODER.fingerprint, memory_bytes=10**6)
    commit_images(collection, range(3))
    first = live.snapshot("default")
    commit_images(collection, range(3, 5))
    second = live.snapshot("default")
    assert second.parts[0].segment is first.parts[0].segment
    assert 0 < bytes_in_memory(first) < bytes_in_memory(second) < 10**6
    assert live_numbers(second) == [0, 1, 2, 3, 4]


def test_segments_that_are_open_are_not_opened_again(live, collection):
    commit_images(collection, range(3))
    before = live.snapshot("default").parts[0].segment
    commit_images(collection, range(3, 5))
    assert live.snapshot("default").parts[0].segment is before


def test_what_is_not_there_is_told_apart(live, collection, tmp_path):
    with pytest.raises(NoCommit):
        live.snapshot("default")
    commit_images(collection, range(1))
    with pytest.raises(UnknownCollection, match="there are: default"):
        live.snapshot("other")
    with pytest.raises(ModelMismatch):
        LiveIndex(tmp_path, fingerprint="2" * 64).snapshot("default")


def test_a_damaged_commit_leaves_the_one_before_and_a_good_one_heals(live, collection):
    commit_images(collection, range(3))
    live.snapshot("default")
    commit_images(collection, range(3, 5))
    damaged = max(collection.glob("segments/*/boxes.rows"), key=lambda path: path.stat().st_mtime_ns)
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    assert live_numbers(live.snapshot("default")) == [0, 1, 2]
    assert str(damaged) in live.faults()[0] and live.served() == ["default"]
    damaged.write_bytes(whole)
    commit_images(collection, range(5, 6))
    assert live_numbers(live.snapshot("default")) == [0, 1, 2, 3, 4, 5] and not live.faults()


def test_a_collection_that_was_damaged_from_the_start_heals_when_its_file_comes_back(live, collection):
    commit_images(collection, range(3))
    (damaged,) = collection.glob("segments/*/boxes.rows")
    whole = damaged.read_bytes()
    damaged.write_bytes(b"")
    with pytest.raises(Damaged):
        live.snapshot("default")
    assert live.faults() and not live.served()
    damaged.write_bytes(whole)
    assert live_numbers(live.snapshot("default")) == [0, 1, 2] and not live.faults()


def test_every_answer_during_commits_and_merges_is_that_of_one_commit():
    """Commit n adds the images 2n and 2n + 1, so that half a commit would show."""
    with folder_in_memory() as folder, ThreadPoolExecutor(2) as threads:
        collection, done = collection_path(Path(folder), "default"), Event()
        live = LiveIndex(Path(folder), fingerprint=ENCODER.fingerprint)
        commit_images(collection, [0, 1])
        asking = [threads.submit(ask_until, done, live) for _ in range(2)]
        for number in range(1, 30):
            commit_images(collection, [2 * number, 2 * number + 1])
            assert 2 * number in live_numbers(live.snapshot("default"))
            keep_in_shape(collection)
        done.set()
        assert all(answers.result() > 1 for answers in asking)


def ask_until(done: Event, live: LiveIndex) -> int:
    """How many commits were seen."""
    seen = set()
    while not done.is_set():
        snapshot = live.snapshot("default")
        numbers = live_numbers(snapshot)
        assert sorted(numbers) == list(range(len(numbers))) and len(numbers) % 2 == 0
        seen.add(snapshot.generation)
        time.sleep(0.001)  # or who commits hardly ever gets a turn
    return len(seen)
