"""What is live, told while others write."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from indexer.index.deletion import delete_images
from indexer.live_images import find_live, select_live
from indexer.upkeep import keep_in_shape
from tests.indexer.index.tiny import commit_images, folder_in_memory, image_id, record_of


@pytest.fixture
def collection(tmp_path):
    return tmp_path / "collection"


def test_live_images_are_found_with_their_records_across_segments(collection):
    commit_images(collection, range(3), item="job/1")
    commit_images(collection, range(3, 6))
    delete_images(collection, [image_id(1)])
    found = find_live(collection, [image_id(number) for number in (0, 1, 4, 7)])
    assert found == {image_id(0): record_of(0, item="job/1"), image_id(4): record_of(4)}
    assert [record.metadata["number"] for record in select_live(collection, lambda _: True)] == [0, 2, 3, 4, 5]
    assert [record.id for record in select_live(collection, lambda record: record.id == image_id(3))] == [image_id(3)]


def test_nothing_is_live_where_no_collection_is(collection):
    assert find_live(collection, [image_id(1)]) == {} and select_live(collection, lambda _: True) == []
    collection.mkdir()
    assert find_live(collection, [image_id(1)]) == {} and select_live(collection, lambda _: True) == []


def test_a_merge_that_removes_segments_meanwhile_is_not_noticed():
    with folder_in_memory() as folder, ThreadPoolExecutor(1) as threads:
        collection, done = Path(folder), Event()
        commit_images(collection, [0])
        asking = threads.submit(ask_until, done, collection)
        for number in range(1, 40):
            commit_images(collection, [number])
            keep_in_shape(collection)
        done.set()
        asking.result()


def ask_until(done: Event, collection: Path) -> None:
    while not done.is_set():
        assert image_id(0) in find_live(collection, [image_id(0)])
        assert len(select_live(collection, lambda record: record.id == image_id(0))) == 1
