"""Rows that may lie on the disk are read together; where they are in memory, nothing is asked for."""

import ctypes
import mmap
import os
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.index import paging
from indexer.index.columns import map_array
from indexer.index.paging import Disk, read_together

IMAGES, REGIONS, WIDTH = 400, 4, 1024
OFFSETS = np.arange(0, IMAGES * REGIONS + 1, REGIONS)


@pytest.fixture
def rows(tmp_path: Path) -> NDArray[np.uint16]:
    """Mapped, and not in memory where the system lets go of them."""
    written = np.arange(IMAGES * REGIONS * WIDTH, dtype=np.uint32).astype(np.uint16)
    with (tmp_path / "rows").open("wb") as file:
        file.write(written.tobytes())
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return map_array(tmp_path / "rows", "<u2").reshape(-1, WIDTH)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every image that is asked for."""
    images: list[int] = []
    monkeypatch.setattr(paging, "ask_for_pages", lambda *ask: images.extend(ask[3][ask[5] : ask[6]].tolist()))
    return images


def in_memory(rows: NDArray[np.uint16]) -> bool:
    """Whether every page of rows is."""
    start = rows.ctypes.data - rows.ctypes.data % mmap.PAGESIZE
    count = rows.ctypes.data + rows.nbytes - start
    pages = (ctypes.c_ubyte * -(-count // mmap.PAGESIZE))()
    assert ctypes.CDLL(None).mincore(ctypes.c_void_p(start), ctypes.c_size_t(count), pages) == 0
    return all(page & 1 for page in pages)


def test_pages_of_the_images_come_into_memory(rows: NDArray[np.uint16]) -> None:
    images = np.array([0, 7, 8, 200, IMAGES - 1])
    if any(in_memory(rows[OFFSETS[image] : OFFSETS[image + 1]]) for image in images):
        pytest.skip("this file system keeps its files in memory")
    read_together(rows, OFFSETS, images, disk=Disk())
    deadline = time.monotonic() + 10
    while not all(in_memory(rows[OFFSETS[image] : OFFSETS[image + 1]]) for image in images):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not in_memory(rows)


def test_a_few_images_of_many_are_asked_for_where_the_disk_was_read_since(
    rows: NDArray[np.uint16], asked: list[int]
) -> None:
    blocks = iter([7, 7, 8, 8])
    disk = Disk(lambda: next(blocks))
    for times in (1, 1, 2, 2):
        read_together(rows, OFFSETS, np.array([3, 5, 300]), disk=disk)
        assert asked == times * [3, 5, 300]


def test_that_others_were_wanted_before_does_not_keep_rows_from_being_asked_for(
    rows: NDArray[np.uint16], asked: list[int]
) -> None:
    disk, others = Disk(lambda: 7), rows[OFFSETS[1] :]
    for _ in range(2):
        read_together(np.array(rows), OFFSETS, np.array([0]), disk=disk)
        read_together(others, OFFSETS[:-1], np.array([1]), disk=disk)
        read_together(rows, OFFSETS, np.array([2]), disk=disk)
    assert asked == [1, 2]


def test_neither_most_images_nor_rows_in_memory_are_asked_for(rows: NDArray[np.uint16], asked: list[int]) -> None:
    read_together(rows, OFFSETS, np.arange(IMAGES // 2), disk=Disk())
    read_together(np.array(rows), OFFSETS, np.array([1]), disk=Disk())
    assert asked == []
    read_together(rows, OFFSETS, np.array([1]), disk=Disk())
    assert asked == [1]
