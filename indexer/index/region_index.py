"""The nearest regions of a word inside one segment: the structure that FAISS builds over the rows of a channel."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.errors import Missing

RegionIndex = Any  # faiss.Index, which has no types

FLAT_BELOW = 20_000  # rows: fewer are compared one by one
TRAINED_ON = 64  # rows a list
BLOCK = 65_536  # rows in float32 at once


def build_region_index(rows: NDArray[np.float16]) -> RegionIndex:
    """The same rows [n, D] give the same index."""
    index: RegionIndex = faiss.index_factory(rows.shape[1], _kind(len(rows)), faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        sample = np.random.default_rng(0).choice(len(rows), TRAINED_ON * index.nlist, replace=False)
        index.train(rows[np.sort(sample)].astype(np.float32))
    for start in range(0, len(rows), BLOCK):
        index.add(rows[start : start + BLOCK].astype(np.float32))
    return index


def write_region_index(index: RegionIndex, write: Callable[[bytes], int]) -> None:
    faiss.write_index(index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]


def open_region_index(path: Path) -> RegionIndex:
    """Map an index. FAISS answers wrongly from damaged bytes, so check them before. Raises Missing."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError:  # whatever went wrong
        if path.exists():
            raise
        raise Missing(path) from None


def nearest_regions(
    index: RegionIndex, words: NDArray[np.float32], *, count: int, share: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For every word its nearest rows, best first, and their similarities, [W, at most `count`] each.

    A large index looks only at about this share of its rows. Where it finds fewer, the first stands there again.
    """
    parameters = None
    if isinstance(index, faiss.IndexIVF):
        parameters = faiss.SearchParametersIVF(nprobe=math.ceil(share * index.nlist))  # type: ignore[call-arg]
    similarities, rows = index.search(words, min(count, index.ntotal), params=parameters)
    nothing = rows[:, 0] < 0  # [W], words whose part of the index is empty: they speak for no row
    similarities[nothing], rows[nothing] = 0.0, 0
    missing = rows < 0
    return np.where(missing, rows[:, :1], rows), np.where(missing, similarities[:, :1], similarities)


def _kind(rows: int) -> str:
    if rows < FLAT_BELOW:
        return "SQfp16"
    return f"IVF{2 ** math.floor(math.log2(math.sqrt(rows)))},SQ8"
