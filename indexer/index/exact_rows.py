"""MrSw by the exact vectors, where they lie: float16 rows, accumulated in float32."""

import numpy as np
from numpy.typing import NDArray

from indexer.index.columns import Column
from indexer.index.kernels import best_cosines
from indexer.index.paging import read_together
from indexer.index.threads import divided
from indexer.index.vector_loops import LANES

LEAST = 16  # images that are worth a thread

ExactWords = NDArray[np.float32]  # [blocks, D, 16]


def exact_words(words: NDArray[np.float32]) -> ExactWords:
    """Words [W, D], in blocks of 16; those that fill up the last are zeros."""
    filled = np.zeros((-(-len(words) // LANES) * LANES, words.shape[1]), np.float32)
    filled[: len(words)] = words
    return np.ascontiguousarray(filled.reshape(-1, LANES, words.shape[1]).swapaxes(1, 2))


def exact_scores(column: Column, images: NDArray[np.int64], words: ExactWords) -> NDArray[np.float32]:
    """[K]: of an image the same whichever are scored beside it."""
    scores = np.empty(len(images), np.float32)
    bits = column.rows.view(np.uint16)
    read_together(column.rows, column.offsets, images)

    def score(first: int, last: int) -> None:
        best_cosines(bits, column.offsets, images, words, first, last, scores)

    divided(score, len(images), least=LEAST)
    return scores
