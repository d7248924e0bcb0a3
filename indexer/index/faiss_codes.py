"""Codes that FAISS keeps, read where they lie in the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.errors import Missing

FaissIndex = Any  # it has no types


class _Codes:
    """What numpy holds on to: the memory is the index's."""

    def __init__(self, index: FaissIndex) -> None:
        self._index = index
        flat = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.sa_code_size())
        self.__array_interface__ = flat.__array_interface__


def write_index(index: FaissIndex, write: Callable[[bytes], int]) -> None:
    faiss.write_index(index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]


def map_index(path: Path) -> FaissIndex:
    """FAISS answers wrongly from damaged bytes, so check them before. Raises Missing."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError:  # whatever went wrong
        if path.exists():
            raise
        raise Missing(path) from None


def codes_of(index: FaissIndex) -> NDArray[np.uint8]:
    """[n, bytes of a code], without a copy."""
    return np.asarray(_Codes(index)).reshape(index.ntotal, index.sa_code_size())
