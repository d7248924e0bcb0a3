"""Codes for the regions of a new segment: a residual quantiser of three stages, and how far its shortlists go."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.calibration import calibrate
from indexer.index.byte_rows import ByteRows, ByteScale, byte_words
from indexer.index.durable_files import check_seal, checksum_of
from indexer.index.errors import NoCommit, UnknownCollection
from indexer.index.kernels import nearest_entries
from indexer.index.layout import SEGMENTS
from indexer.index.manifest import Manifest, read_latest
from indexer.index.region_codes import (
    ENTRIES,
    STARTS,
    Codebooks,
    Codes,
    RegionCodes,
    open_codebooks,
    write_region_codes,
)
from indexer.index.segment import REGION_CODES, Coding, read_head
from indexer.index.threads import divided
from indexer.index.vector_loops import CODE_BITS

TRAINED_FROM = 150_000  # regions that make codebooks; fewer are compared by their bytes, quickly enough
CODED_FROM = 36_000  # regions that are coded where there are codebooks
FEWEST = 100  # images that are told apart by codes, however many regions they have
DRIFT = 1.2  # by which the error of codes may have grown before codebooks are trained anew
POINTS = 32  # rows of the sample for every entry of the largest codebook
TURNS = 8  # of k-means
LEAST = 4096  # rows that are worth a thread


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The codebooks of a collection."""

    codebooks: Codebooks
    trained_error: float


@dataclass(frozen=True, slots=True, eq=False)
class CodedRegions:
    codebooks: Codebooks
    codes: Codes
    coding: Coding

    def write(self, write: Callable[[bytes], int]) -> None:
        write_region_codes(self.codebooks, self.codes, write)


def code_regions(
    rows: NDArray[np.float16], byte_rows: ByteRows, scale: ByteScale, offsets: NDArray[np.int64], *, known: Known | None
) -> CodedRegions | None:
    """Codes for rows [n, D], None if they are too few; codebooks are trained if none are known or they fit no more."""
    if len(rows) < (TRAINED_FROM if known is None else CODED_FROM) or len(offsets) <= FEWEST:
        return None
    if known is not None:
        codes = encode_rows(known.codebooks, byte_rows, scale)
        error = code_error(known.codebooks, codes, rows)
        if error <= DRIFT * known.trained_error or len(rows) < TRAINED_FROM:
            return _calibrated(known, codes, error, byte_rows, scale, offsets)
    codebooks = train_codebooks(rows)
    codes = encode_rows(codebooks, byte_rows, scale)
    error = code_error(codebooks, codes, rows)
    return _calibrated(Known(codebooks, error), codes, error, byte_rows, scale, offsets)


def known_codebooks(collection: Path, rows: int) -> Known | None:
    """Those of the largest segment that is coded, for a new segment of so many rows."""
    if rows < CODED_FROM:
        return None
    with suppress(UnknownCollection, NoCommit):
        return read_latest(collection, lambda manifest: _known(collection, manifest))
    return None


def _known(collection: Path, manifest: Manifest) -> Known | None:
    for entry in sorted(manifest.segments, key=lambda entry: -entry.images):
        head = read_head(collection, entry)
        if head.coding is not None:
            path = collection / SEGMENTS / entry.id / REGION_CODES
            check_seal(path, head.files[REGION_CODES])
            return Known(open_codebooks(path), head.coding.trained_error)
    return None


def _calibrated(
    known: Known,
    codes: Codes,
    error: float,
    byte_rows: ByteRows,
    scale: ByteScale,
    offsets: NDArray[np.int64],
) -> CodedRegions:
    checksum = checksum_of(known.codebooks.tobytes())
    cutoffs = calibrate(RegionCodes.of(known.codebooks, codes, offsets), byte_rows, scale)
    return CodedRegions(known.codebooks, codes, Coding(checksum, error, known.trained_error, *cutoffs))


def train_codebooks(rows: NDArray[np.float16]) -> Codebooks:
    """From rows [n, D], at least as many as the largest codebook has entries; the same give the same."""
    count = min(len(rows), POINTS * max(ENTRIES))
    sample = np.sort(np.random.default_rng(0).choice(len(rows), count, replace=False))
    rest = rows[sample].astype(np.float32)
    codebooks = []
    for entries in ENTRIES:
        clusters: Any = faiss.Kmeans(rest.shape[1], entries, niter=TURNS, seed=0, min_points_per_centroid=1)
        clusters.train(rest)
        codebooks.append(clusters.centroids)
        rest = rest - clusters.centroids[clusters.index.search(rest, 1)[1][:, 0]]
    return np.concatenate(codebooks)


def encode_rows(codebooks: Codebooks, rows: ByteRows, scale: ByteScale) -> Codes:
    """Stage by stage the nearest entry, found by the bytes of the rows."""
    words = byte_words(codebooks)
    steps = words.steps.ravel()[: STARTS[-1]] * np.float32(scale.step)  # [entries]
    squares = (codebooks**2).sum(axis=1) / 2
    taken = codebooks @ codebooks[STARTS[1] :].T  # what an entry takes from the products with those of later stages
    zeros = words.zeros.ravel()[: STARTS[-1]]
    codes = np.empty(len(rows), np.uint32)

    def encode(first: int, last: int) -> None:
        nearest_entries(
            rows, words.values, steps, zeros, squares, taken, np.array(STARTS), CODE_BITS, first, last, codes
        )

    divided(encode, len(rows), least=LEAST)
    return codes


def code_error(codebooks: Codebooks, codes: Codes, rows: NDArray[np.float16]) -> float:
    """The mean squared distance of rows [n, D] from what their codes say, of a sample of them."""
    sample = np.sort(np.random.default_rng(0).choice(len(rows), min(len(rows), LEAST), replace=False))
    rest, shift = rows[sample].astype(np.float32), 0
    for start, bits in zip(STARTS, CODE_BITS, strict=False):
        rest -= codebooks[start + ((codes[sample] >> shift) & (2**bits - 1))]
        shift += bits
    return float((rest**2).sum(axis=1).mean())
