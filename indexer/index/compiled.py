"""Functions that numba compiles for this processor when they are first called."""

from collections.abc import Callable
from typing import Any

from numba import njit

Kernel = Callable[..., Any]


def compiled(function: Kernel) -> Kernel:
    """Kept on the disk where numba finds a folder to write to; elsewhere every process compiles for itself."""
    try:
        kernel: Kernel = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no such folder
        kernel = njit(nogil=True)(function)
    return kernel
