"""Rows that are mapped from files: those that may lie on the disk are read together, not one after the other."""

import mmap
import resource
from typing import Any, Final

from numpy.typing import NDArray

from indexer.index.memory_hints import ask_for_pages
from indexer.index.threads import divided

FEW = 8  # images for one that is wanted: where more are wanted, the system reads ahead well enough by itself
LEAST = 256  # images that are worth a thread


class Disk:
    """Knows whether this process has to read from it: where all that is searched is in memory, nothing is asked for."""

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}  # address of rows -> blocks that were read when they were last wanted

    def was_read_since(self, rows: NDArray[Any]) -> bool:
        """Since these were last wanted."""
        before = self._blocks.get(rows.ctypes.data, -1)
        now = self._blocks[rows.ctypes.data] = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
        return now != before


DISK: Final = Disk()


def read_together(rows: NDArray[Any], offsets: NDArray[Any], images: NDArray[Any], *, disk: Disk = DISK) -> None:
    """Begin to read the rows of some images [K], if they are mapped and the disk was read since such were wanted.

    Rows [sum of R, width], offsets [n + 1].
    """
    if rows.flags.owndata or FEW * len(images) > len(offsets) or not disk.was_read_since(rows):
        return

    def ask(first: int, last: int) -> None:
        ask_for_pages(rows.ctypes.data, rows.strides[0], offsets, images, mmap.PAGESIZE, first, last)

    divided(ask, len(images), least=LEAST)
