"""What was written wrong is found even where every checksum is right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.index.byte_rows import byte_rows_of, write_byte_rows
from indexer.index.id_table import keys_of
from indexer.index.verify import Fault, verify_collection
from tests.indexer.index.forgery import forge
from tests.indexer.index.tiny import commit_images, image_id


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    commit_images(tmp_path, range(4))
    return tmp_path


def with_number(dtype: str, place: int, number: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        numbers = np.frombuffer(data, dtype).copy()
        numbers[place] = number
        return numbers.tobytes()

    return change


def of_one_region(_: bytes) -> bytes:
    parts: list[bytes] = []
    write_byte_rows(*byte_rows_of(np.ones((1, 8), np.float16)), lambda data: parts.append(data) or len(data))
    return b"".join(parts)


@pytest.mark.parametrize(
    ("file", "change", "what"),
    [
        ("channel.regions.rows", with_number("<f2", 5, np.nan), "not finite"),
        ("channel.context.rows", with_number("<f2", -1, np.inf), "not finite"),
        ("channel.context.offsets", with_number("<i8", 1, 0), "from 0 by 1 or more"),
        ("records.offsets", with_number("<i8", 0, 1), "do not ascend from 0 by"),
        ("thumbnails.offsets", with_number("<i8", 2, -1), "do not ascend from 0 by"),
        ("boxes.rows", with_number("<f4", 2, 1.1), "ascending shares from 0 to 1"),
        ("boxes.rows", with_number("<f4", 1, np.nan), "ascending shares from 0 to 1"),
        ("ids", lambda data: b"x" + data[1:], "not hold an image id"),
        ("ids.order", with_number("<i8", 0, 99), "not the order of the ids"),
        ("ids.order", lambda data: data[8:] + data[:8], "not the order of the ids"),
        (
            "records.rows",
            lambda data: data.replace(image_id(2).encode(), image_id(9).encode()),
            "not that of its image",
        ),
        ("regions.faiss", of_one_region, "holds 1 regions instead of"),
    ],
)
def test_a_contradiction_is_found(collection: Path, file: str, change: Callable[[bytes], bytes], what: str) -> None:
    forge(collection, file, change)
    assert any(what in fault.what for fault in verify_collection(collection).faults)


def test_offsets_that_do_not_fit_are_found(collection: Path) -> None:
    file = forge(collection, "boxes.offsets", with_number("<i8", -1, 1000))
    (fault,) = verify_collection(collection).faults
    assert fault.file == file and "do not fit 4 images" in fault.what


def test_an_id_that_is_live_in_two_segments_is_found(collection: Path) -> None:
    commit_images(collection, [10, 11, 12, 13])
    ids = keys_of(image_id(number) for number in range(3))
    forge(collection, "ids", lambda data: data[:-35] + ids[0].tobytes())
    faults = verify_collection(collection).faults
    assert Fault(collection / "manifest.json", f"{image_id(0)} is live more than once") in faults
