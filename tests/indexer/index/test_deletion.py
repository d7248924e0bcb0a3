"""Deleted images are gone, at once and once."""

from pathlib import Path

import pytest

from indexer.index.deletion import DeleteResult, delete_images
from indexer.index.errors import UnknownCollection
from indexer.index.snapshot import open_snapshot
from tests.indexer.index.tiny import commit_images, image_id, live_numbers


def test_deleted_images_are_gone_and_deleted_once(tmp_path: Path) -> None:
    commit_images(tmp_path, [1, 2])
    commit_images(tmp_path, [3])
    asked = [image_id(3), image_id(9), image_id(1), "no id", image_id(1), image_id(3) + "\0"]
    first = delete_images(tmp_path, asked)
    assert (first.generation, sorted(first.deleted)) == (3, sorted([image_id(1), image_id(3)]))
    assert delete_images(tmp_path, asked) == DeleteResult(3, ())
    assert live_numbers(open_snapshot(tmp_path)) == [2]


def test_nothing_is_deleted_where_there_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(UnknownCollection):
        delete_images(tmp_path / "nothing", [image_id(1)])
