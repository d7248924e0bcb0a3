"""An inspection adds up to what lies on the disk."""

from pathlib import Path

from indexer.index.deletion import delete_images
from indexer.index.inspection import inspect_collection
from indexer.index.layout import SEGMENTS
from indexer.index.segment import HEAD
from tests.indexer.index.tiny import commit_images, image_id


def test_the_parts_add_up_to_the_files_of_all_segments(tmp_path: Path) -> None:
    commit_images(tmp_path, range(4))
    commit_images(tmp_path, range(4, 9))
    files = [path for path in (tmp_path / SEGMENTS).rglob("*") if path.is_file() and path.name != HEAD]
    inspection = inspect_collection(tmp_path)
    assert sum(inspection.bytes_by_part().values()) == sum(path.stat().st_size for path in files)
    assert inspection.bytes_by_part()["regions.faiss"] > 0


def test_it_tells_of_the_living_and_of_how_segments_are_searched(tmp_path: Path) -> None:
    commit_images(tmp_path, range(4))
    delete_images(tmp_path, [image_id(2)])
    first, *parts, last = inspect_collection(tmp_path).told()
    assert first == "commit 2: 3 images in 1 segments"
    assert parts[-1].startswith("  all of it") and not any("recall" in part for part in parts)
    assert last.endswith("3 of 4 images live, searched whole")
