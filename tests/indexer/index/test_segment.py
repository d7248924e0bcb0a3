"""A segment in which any byte is not as it was written is not opened."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.index.deletion import delete_images
from indexer.index.errors import Damaged, UnknownFormat
from indexer.index.layout import FORMAT, SEGMENTS, TOMBSTONES
from indexer.index.manifest import read_manifest
from indexer.index.segment import HEAD, files_of, open_ids, open_records, open_segment
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from tests.indexer.index.tiny import WIDTHS, commit_images, folder_in_memory, image_id

FILES = [*sorted(files_of(WIDTHS, coded=False)), HEAD]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    collection = tmp_path_factory.mktemp("whole")
    commit_images(collection, range(6))
    delete_images(collection, [image_id(3)])
    return collection


@pytest.fixture
def collection(whole: Path) -> Iterator[Path]:
    """A copy to be damaged."""
    with folder_in_memory() as folder:
        yield Path(shutil.copytree(whole, folder, dirs_exist_ok=True))


def file_in(collection: Path, name: str) -> Path:
    return collection / SEGMENTS / read_manifest(collection).segments[0].id / name


def assert_damage_is_told(collection: Path, file: Path) -> None:
    with pytest.raises(Damaged) as caught:
        open_snapshot(collection)
    assert caught.value.file == file
    assert [fault.file for fault in verify_collection(collection).faults] == [file]


def test_a_segment_has_the_files_that_it_should_have(collection: Path) -> None:
    assert sorted(path.name for path in file_in(collection, "").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.6, 0.999])
def test_a_flipped_bit_is_told(collection: Path, name: str, place: float) -> None:
    file = file_in(collection, name)
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << int(place * 7)
    file.write_bytes(data)
    assert_damage_is_told(collection, file)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.999])
def test_a_cut_file_is_told(collection: Path, name: str, kept: float) -> None:
    file = file_in(collection, name)
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    assert_damage_is_told(collection, file)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_told(collection: Path, name: str) -> None:
    file = file_in(collection, name)
    file.unlink()
    assert_damage_is_told(collection, file)


def test_damaged_tombstones_are_told(collection: Path) -> None:
    (file,) = (collection / TOMBSTONES).iterdir()
    file.write_bytes(bytes(file.stat().st_size))
    assert_damage_is_told(collection, file)


def test_what_a_commit_reads_is_checked_as_well(collection: Path) -> None:
    (entry,) = read_manifest(collection).segments
    for open_part, name in ((open_ids, "ids"), (open_records, "records.rows")):
        file_in(collection, name).write_bytes(b"")
        with pytest.raises(Damaged, match=name):
            open_part(collection, entry)


def test_a_segment_of_a_later_format_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.index.segment.FORMAT", FORMAT + 1)
    with pytest.raises(
        UnknownFormat, match=f"segment.json is of format {FORMAT + 1}, this program reads format {FORMAT}"
    ):
        commit_images(tmp_path, [1])


def test_open_segments_know_their_id(collection: Path) -> None:
    (entry,) = read_manifest(collection).segments
    assert open_segment(collection, entry).id == entry.id
