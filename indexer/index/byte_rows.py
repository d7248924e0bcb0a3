"""A copy of vectors in bytes: a quarter of the time of exact ones, and wrong by no more than is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.faiss_codes import FaissIndex, codes_of, map_index, write_index
from indexer.index.kernels import best_products
from indexer.index.paging import read_together
from indexer.index.threads import divided
from indexer.index.vector_loops import LANES

ZERO = 128  # the byte that stands for 0
MOST = 127
BLOCK = 65_536  # rows in float32 at once
LEAST = 128  # images that are worth a thread

ByteRows = NDArray[np.uint8]  # [sum of R, width], the width filled up to a multiple of four


@dataclass(frozen=True, slots=True)
class ByteScale:
    """What the bytes of a segment stand for: (byte - 128) * step."""

    step: float
    error: float  # the farthest that a row is from what its bytes say
    longest: float  # the greatest length that the bytes of a row say

    def to_json(self) -> dict[str, float]:
        return {"step": self.step, "error": self.error, "longest": self.longest}

    @classmethod
    def from_json(cls, scale: Mapping[str, Any]) -> "ByteScale":
        return cls(float(scale["step"]), float(scale["error"]), float(scale["longest"]))


@dataclass(frozen=True, slots=True, eq=False)
class ByteWords:
    """The words of a sentence in bytes, as the kernels take them."""

    values: NDArray[np.int8]  # [blocks, quads, 16, 4]
    steps: NDArray[np.float32]  # [blocks, 16]
    zeros: NDArray[np.int32]  # [blocks, 16], the product with a row of zeros
    length: float  # of all words, added up
    error: float  # how far they are from what their bytes say, added up


def byte_width(width: int) -> int:
    return -(-width // 4) * 4


def byte_rows_of(rows: NDArray[np.float16] | NDArray[np.float32]) -> tuple[ByteRows, ByteScale]:
    """Rows [n, D] of finite numbers."""
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    step = max((float(np.abs(block).max()) for block in blocks), default=0.0) / MOST or 1.0
    error = longest = 0.0
    byte_rows = np.full((len(rows), byte_width(rows.shape[1])), ZERO, np.uint8)
    for start, block in zip(range(0, len(rows), BLOCK), blocks, strict=True):
        exact = block.astype(np.float32)
        whole = np.rint(exact / np.float32(step))
        error = max(error, float(np.linalg.norm(exact - whole * np.float32(step), axis=1).max()))
        longest = max(longest, float(np.linalg.norm(whole, axis=1).max()) * step)
        byte_rows[start : start + BLOCK, : rows.shape[1]] = whole + ZERO
    return byte_rows, ByteScale(step, error, longest)


def write_byte_rows(byte_rows: ByteRows, scale: ByteScale, write: Callable[[bytes], int]) -> None:
    """As a FAISS index that any program can search: the vectors that it decodes are those the bytes stand for."""
    kind = faiss.ScalarQuantizer.QT_8bit_uniform
    index: FaissIndex = faiss.IndexScalarQuantizer(byte_rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    least, span = -(ZERO + 0.5) * scale.step, 255 * scale.step  # FAISS decodes to least + span * (byte + 0.5) / 255
    faiss.copy_array_to_vector(np.array([least, span], np.float32), index.sq.trained)
    index.is_trained = True
    index.add_sa_codes(byte_rows)
    write_index(index, write)


def open_byte_rows(path: Path) -> ByteRows:
    """Map bytes that were checked. Raises Missing."""
    return codes_of(map_index(path))


def byte_words(words: NDArray[np.float32]) -> ByteWords:
    """Words [W, D], in blocks of 16; those that fill up the last are zeros."""
    blocks, width = max(1, -(-len(words) // LANES)), byte_width(words.shape[1])
    filled = np.zeros((blocks * LANES, width), np.float32)
    filled[: len(words), : words.shape[1]] = words
    steps = np.abs(filled).max(axis=1, keepdims=True) / MOST  # [blocks * 16, 1]
    whole = np.rint(np.divide(filled, steps, out=np.zeros_like(filled), where=steps > 0))
    return ByteWords(
        values=_in_quads(whole.astype(np.int8)),
        steps=steps.reshape(blocks, LANES),
        zeros=(ZERO * whole.sum(axis=1)).astype(np.int32).reshape(blocks, LANES),
        length=float(np.linalg.norm(words, axis=1).sum()),
        error=float(np.linalg.norm(filled - whole * steps, axis=1).sum()),
    )


def byte_scores(
    rows: ByteRows,
    scale: ByteScale,
    offsets: NDArray[np.int64],
    images: NDArray[np.int64],
    sentences: Sequence[ByteWords],
) -> NDArray[np.float32]:
    """MrSw of some images [K], about, for each of one or more sentences [sentences, K]; rows are read once for all."""
    scores = np.empty((len(sentences), len(images)), np.float32)
    words = np.concatenate([sentence.values for sentence in sentences])
    steps = np.concatenate([sentence.steps for sentence in sentences]) * np.float32(scale.step)
    zeros = np.concatenate([sentence.zeros for sentence in sentences])
    sentence_of_block = np.repeat(np.arange(len(sentences)), [len(sentence.values) for sentence in sentences])

    read_together(rows, offsets, images)

    def score(first: int, last: int) -> None:
        best_products(rows, offsets, images, words, steps, zeros, sentence_of_block, first, last, scores)

    divided(score, len(images), least=LEAST)
    return scores


def most_wrong(scale: ByteScale, words: ByteWords) -> float:
    """How far a score by bytes can be from the exact one: Cauchy-Schwarz, for every word."""
    return words.length * scale.error + words.error * scale.longest


def _in_quads(numbers: NDArray[np.int8]) -> NDArray[np.int8]:
    """[blocks * 16, width] -> [blocks, quads, 16, 4]"""
    blocks = numbers.reshape(-1, LANES, numbers.shape[1] // 4, 4)
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3))
