"""Four bytes for a region: FAISS keeps them and the codebooks, and for every query tables say what each is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ByteRows, ByteWords, byte_rows_of
from indexer.index.faiss_codes import FaissIndex, codes_of, map_index, write_index
from indexer.index.kernels import scan_codes
from indexer.index.sketches import Sketches, sketches_of
from indexer.index.table_kernels import deviation, entry_products, fill_tables
from indexer.index.threads import divided
from indexer.index.vector_loops import CODE_BITS, LANES

ENTRIES = tuple(2**bits for bits in CODE_BITS)  # of the codebook of each stage
STARTS = tuple(int(start) for start in np.cumsum((0, *ENTRIES)))  # where each codebook begins, and where all end
LEAST = 2000  # images that are worth a thread
LEAST_ENTRIES = 2048  # that are
LEAST_DEVIATION = 1e-6  # where all entries of a stage are the same

Codebooks = NDArray[np.float32]  # [sum of ENTRIES, D], one behind the other
Codes = NDArray[np.uint32]  # [sum of R], 10, 11 and 11 bits from the lowest


@dataclass(frozen=True, slots=True, eq=False)
class ByteCodebooks:
    """Codebooks in bytes: steps so fine that the tables of a query show nothing of them."""

    rows: ByteRows  # [sum of ENTRIES, width]
    steps: NDArray[np.float32]  # of each stage

    @classmethod
    def of(cls, codebooks: Codebooks) -> "ByteCodebooks":
        stages = [byte_rows_of(codebooks[start:end]) for start, end in pairwise(STARTS)]
        steps = np.array([scale.step for _, scale in stages], np.float32)
        return cls(np.concatenate([rows for rows, _ in stages]), steps)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What every entry of the first stages, or of all, is worth to every word of a sentence."""

    values: NDArray[np.uint8]  # [blocks, entries, 16]
    deviation: float  # of the score of an image for what these stages leave out, about; in steps of the values


@dataclass(frozen=True, slots=True, eq=False)
class WordTables:
    codes: Tables
    sketches: Tables  # of the first stage alone, and in finer steps


@dataclass(frozen=True, slots=True, eq=False)
class RegionCodes:
    """Of the images of one segment."""

    codebooks: ByteCodebooks
    codes: Codes
    offsets: NDArray[np.int64]  # [n + 1], where those of each image begin
    sketches: Sketches

    @classmethod
    def of(cls, codebooks: Codebooks, codes: Codes, offsets: NDArray[np.int64]) -> "RegionCodes":
        return cls(ByteCodebooks.of(codebooks), codes, offsets, sketches_of(codes, offsets))


def write_region_codes(codebooks: Codebooks, codes: Codes, write: Callable[[bytes], int]) -> None:
    index = _index_with(codebooks)
    index.add_sa_codes(codes.view(np.uint8).reshape(-1, 4))
    write_index(index, write)


def open_region_codes(path: Path, offsets: NDArray[np.int64]) -> RegionCodes:
    """Map codes that were checked. Raises Missing."""
    index = map_index(path)
    return RegionCodes.of(_codebooks_of(index), codes_of(index).reshape(-1).view("<u4"), offsets)


def open_codebooks(path: Path) -> Codebooks:
    """Of codes that were checked. Raises Missing."""
    return _codebooks_of(map_index(path))


def word_tables(codebooks: ByteCodebooks, words: ByteWords) -> WordTables:
    """In steps so coarse that the worth of a code is one byte."""
    products = np.empty((len(words.values), STARTS[-1], LANES), np.int32)

    def multiply(first: int, last: int) -> None:  # in fours, which is how the rows are multiplied
        entry_products(codebooks.rows, words.values, 4 * first, 4 * last, products)

    divided(multiply, STARTS[-1] // 4, least=LEAST_ENTRIES // 4)
    steps = codebooks.steps[:, None, None] * words.steps  # [stages, blocks, 16]
    return WordTables(_tables(products, steps, stages=len(ENTRIES)), _tables(products, steps, stages=1))


def _tables(products: NDArray[np.int32], steps: NDArray[np.float32], *, stages: int) -> Tables:
    values = np.empty((len(products), STARTS[stages], LANES), np.uint8)
    per_unit = fill_tables(products, np.array(STARTS[: stages + 1]), steps[:stages], values)
    unsaid = min(stages, len(ENTRIES) - 1)  # no stage says what the last one leaves, but it is shaped like that one
    told = deviation(products, STARTS[unsaid], STARTS[unsaid + 1], steps[unsaid])
    return Tables(values, max(LEAST_DEVIATION, float(per_unit * told)))


def code_scores(codes: RegionCodes, images: NDArray[np.int64], values: NDArray[np.uint8]) -> NDArray[np.int32]:
    """MrSw of some images [K] as their codes say, in steps of the tables [blocks, sum of ENTRIES, 16]."""
    scores = np.empty(len(images), np.int32)

    def scan(first: int, last: int) -> None:
        scan_codes(codes.codes, codes.offsets, images, values, first, last, scores)

    divided(scan, len(images), least=LEAST)
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


def _codebooks_of(index: FaissIndex) -> Codebooks:
    codebooks: Codebooks = faiss.vector_to_array(index.rq.codebooks).reshape(-1, index.d)
    return codebooks
