"""Four bytes for a region: FAISS keeps them and the codebooks, and for every query tables say what each is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from indexer.index.faiss_codes import FaissIndex, codes_of, map_index, write_index
from indexer.index.kernels import CODE_BITS, LANES, scan_codes
from indexer.index.threads import divided

ENTRIES = tuple(2**bits for bits in CODE_BITS)  # of the codebook of each stage
STARTS = tuple(int(start) for start in np.cumsum((0, *ENTRIES)))  # where each codebook begins, and where all end
LEAST = 2000  # images that are worth a thread

Codebooks = NDArray[np.float32]  # [sum of ENTRIES, D], one behind the other
Codes = NDArray[np.uint32]  # [sum of R], 12, 10 and 10 bits from the lowest
Tables = NDArray[np.uint8]  # [blocks, sum of ENTRIES, 16]


@dataclass(frozen=True, slots=True, eq=False)
class RegionCodes:
    codebooks: Codebooks
    codes: Codes


def write_region_codes(codebooks: Codebooks, codes: Codes, write: Callable[[bytes], int]) -> None:
    index = _index_with(codebooks)
    index.add_sa_codes(codes.view(np.uint8).reshape(-1, 4))
    write_index(index, write)


def open_region_codes(path: Path) -> RegionCodes:
    """Map codes that were checked. Raises Missing."""
    index = map_index(path)
    codebooks = faiss.vector_to_array(index.rq.codebooks).reshape(-1, index.d)
    return RegionCodes(codebooks, codes_of(index).reshape(-1).view("<u4"))


def word_tables(codebooks: Codebooks, words: NDArray[np.float32]) -> Tables:
    """What every entry is worth to every word [W, D], in steps so coarse that three entries add up in one byte."""
    blocks = max(1, -(-len(words) // LANES))
    worth = (torch.from_numpy(words) @ torch.from_numpy(codebooks).T).numpy()  # [W, entries]; in torch's threads
    stages = [worth[:, start:end] for start, end in pairwise(STARTS)]
    # The region that answers a word lies nearer than the mean entry: what lies farther needs no telling apart.
    lowest = [stages[0].mean(axis=1, keepdims=True), *(stage.min(axis=1, keepdims=True) for stage in stages[1:])]
    span = sum(stage.max(axis=1, keepdims=True) - low for stage, low in zip(stages, lowest, strict=True))  # [W, 1]
    step = float(np.max(span)) / (255 - len(stages)) or 1.0
    tables = np.zeros((blocks * LANES, STARTS[-1]), np.uint8)
    for start, stage, low in zip(STARTS, stages, lowest, strict=False):
        tables[: len(words), start : start + stage.shape[1]] = np.rint(np.maximum(stage - low, 0) / step)
    return np.ascontiguousarray(tables.reshape(blocks, LANES, STARTS[-1]).swapaxes(1, 2))


def code_scores(
    codes: RegionCodes, offsets: NDArray[np.int64], alive: NDArray[np.bool_], tables: Tables
) -> NDArray[np.int32]:
    """MrSw of all images of a segment [n] as their codes say, in steps of the tables; -1 for the dead."""
    scores = np.empty(len(alive), np.int32)

    def scan(first: int, last: int) -> None:
        scan_codes(codes.codes, offsets, alive, tables, first, last, scores)

    divided(scan, len(alive), least=LEAST)
    return scores


def _index_with(codebooks: Codebooks) -> FaissIndex:
    bits = faiss.UInt64Vector()
    for number in CODE_BITS:
        bits.push_back(number)
    kind = faiss.AdditiveQuantizer.ST_decompress
    index: FaissIndex = faiss.IndexResidualQuantizer(codebooks.shape[1], bits, faiss.METRIC_INNER_PRODUCT, kind)  # type: ignore[call-overload]
    faiss.copy_array_to_vector(codebooks.ravel(), index.rq.codebooks)
    index.rq.is_trained = index.is_trained = True
    return index
