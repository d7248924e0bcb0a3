"""Rows that are mapped from files: those that may lie on the disk are read together, not one after the other."""

import mmap
import resource
from collections.abc import Callable
from typing import Any, Final

from numpy.typing import NDArray

from indexer.index.memory_hints import ask_for_pages
from indexer.index.threads import divided

FEW = 8  # rows are asked for if at most one image of so many is wanted; for more the system reads ahead well enough
LEAST = 256  # images that are worth a thread


def _blocks_read() -> int:
    """By this process, from any disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock


class Disk:
    """Guesses whether rows may have to be read from it.

    They may when they are wanted for the first time, and whenever this process has read anything since. Where the
    system has let go of them, the next search finds out by waiting.
    """

    def __init__(self, blocks_read: Callable[[], int] = _blocks_read) -> None:
        self._blocks_read = blocks_read
        self._before: dict[int, int] = {}  # address of rows -> blocks that were read when they were last wanted

    def was_read_since(self, rows: NDArray[Any]) -> bool:
        """Since these were last wanted."""
        before, now = self._before.get(rows.ctypes.data), self._blocks_read()
        self._before[rows.ctypes.data] = now
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
