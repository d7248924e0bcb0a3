"""Functions that numba compiles for this processor when they are first called."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from numba import njit

# They are made of one another, and numba keeps a compiled function until the file of that very function changes.
_FILES = ("compiled.py", "kernels.py", "memory_hints.py", "table_kernels.py", "vector_loops.py")
SOURCES: Final = sha256(b"".join((Path(__file__).parent / name).read_bytes() for name in _FILES)).hexdigest()

Kernel = Callable[..., Any]


def compiled(function: Kernel, *, sources: str = SOURCES) -> Any:
    """Kept on the disk where numba finds a folder to write to; elsewhere every process compiles for itself."""
    try:
        kernel: Any = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no such folder
        return njit(nogil=True)(function)
    kernel._cache._cache_file._source_stamp = sources
    return kernel
