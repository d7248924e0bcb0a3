"""Rows that are mapped from files: those that may lie on the disk are read together, not one after the other."""

import mmap
import resource
from typing import Any

from numpy.typing import NDArray

from indexer.index.kernels import ask_for_pages
from indexer.index.threads import divided

FEW = 8  # images for one that is wanted: where more are, the system reads ahead well enough by itself
LEAST = 256  # images that are worth a thread

_read = -1  # blocks that this process had read from the disk when it was last asked


def read_together(rows: NDArray[Any], offsets: NDArray[Any], images: NDArray[Any]) -> None:
    """Begin to read the rows of some images [K], if any are mapped and this process read from the disk of late.

    Where all that is searched fits into memory nothing is read after a while, and nothing asked for. Rows [sum of R,
    width], offsets [n + 1].
    """
    global _read
    before, _read = _read, resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    if before == _read or rows.flags.owndata or FEW * len(images) > len(offsets):
        return

    def ask(first: int, last: int) -> None:
        ask_for_pages(rows.ctypes.data, rows.strides[0], offsets, images, mmap.PAGESIZE, first, last)

    divided(ask, len(images), least=LEAST)
