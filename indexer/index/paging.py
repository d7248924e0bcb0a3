"""Rows that are mapped from files: those that may lie on the disk are read together, not one after the other."""

import mmap
import resource
import time
from typing import Any, Final

from numpy.typing import NDArray

from indexer.index.memory_hints import ask_for_pages
from indexer.index.threads import divided

FEW = 8  # images for one that is wanted: where more are wanted, the system reads ahead well enough by itself
LEAST = 256  # images that are worth a thread
PATIENCE = 10.0  # seconds after the last time that anything was read


class Disk:
    """Knows whether this process has to read from it: where all that is searched is in memory, nothing is asked for."""

    def __init__(self) -> None:
        self._read, self._since = -1, 0.0  # blocks, and when they became so many

    def was_read_of_late(self) -> bool:
        read, now = resource.getrusage(resource.RUSAGE_SELF).ru_inblock, time.monotonic()
        if read != self._read:
            self._read, self._since = read, now
        return now - self._since < PATIENCE


DISK: Final = Disk()


def read_together(rows: NDArray[Any], offsets: NDArray[Any], images: NDArray[Any], *, disk: Disk = DISK) -> None:
    """Begin to read the rows of some images [K], if they are mapped and the disk was read of late.

    Rows [sum of R, width], offsets [n + 1].
    """
    if rows.flags.owndata or FEW * len(images) > len(offsets) or not disk.was_read_of_late():
        return

    def ask(first: int, last: int) -> None:
        ask_for_pages(rows.ctypes.data, rows.strides[0], offsets, images, mmap.PAGESIZE, first, last)

    divided(ask, len(images), least=LEAST)
