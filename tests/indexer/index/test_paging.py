"""Rows that may lie on the disk are read together; where they are in memory, nothing is asked for."""

import ctypes
import mmap
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.index import paging
from indexer.index.columns import map_array
from indexer.index.paging import read_together

IMAGES, REGIONS, WIDTH = 400, 4, 1024
OFFSETS = np.arange(0, IMAGES * REGIONS + 1, REGIONS)


@pytest.fixture
def rows(tmp_path: Path) -> NDArray[np.uint16]:
    written = np.arange(IMAGES * REGIONS * WIDTH, dtype=np.uint32).astype(np.uint16)
    written.tofile(tmp_path / "rows")
    return map_array(tmp_path / "rows", "<u2").reshape(-1, WIDTH)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every image that is asked for."""
    images: list[int] = []
    monkeypatch.setattr(paging, "ask_for_pages", lambda *ask: images.extend(ask[3][ask[5] : ask[6]].tolist()))
    monkeypatch.setattr(paging, "_read", -1)  # as if the disk had been read since
    return images


def in_memory(rows: NDArray[np.uint16]) -> bool:
    """Whether every page of rows is."""
    start = rows.ctypes.data - rows.ctypes.data % mmap.PAGESIZE
    count = rows.ctypes.data + rows.nbytes - start
    pages = (ctypes.c_ubyte * -(-count // mmap.PAGESIZE))()
    assert ctypes.CDLL(None).mincore(ctypes.c_void_p(start), ctypes.c_size_t(count), pages) == 0
    return all(page & 1 for page in pages)


def test_pages_of_the_images_come_into_memory(rows: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_read", -1)
    images = np.array([0, 7, 8, 200, IMAGES - 1])
    read_together(rows, OFFSETS, images)
    deadline = time.monotonic() + 10
    while not all(in_memory(rows[OFFSETS[image] : OFFSETS[image + 1]]) for image in images):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert rows[OFFSETS[200], 0] == OFFSETS[200] * WIDTH % 2**16


def test_a_few_images_of_many_are_asked_for_once_the_disk_was_read(
    rows: NDArray[np.uint16], asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = np.array([3, 5, 300])
    read_together(rows, OFFSETS, some)
    assert asked == [3, 5, 300]
    monkeypatch.setattr(paging.resource, "getrusage", lambda _: type("Usage", (), {"ru_inblock": 77}))
    read_together(rows, OFFSETS, some)  # 77 is more than before
    read_together(rows, OFFSETS, some)  # and here it is 77 still
    assert asked == 2 * [3, 5, 300]


def test_neither_most_images_nor_rows_in_memory_are_asked_for(rows: NDArray[np.uint16], asked: list[int]) -> None:
    read_together(rows, OFFSETS, np.arange(IMAGES // 2))
    read_together(np.array(rows), OFFSETS, np.array([1]))
    assert asked == []
