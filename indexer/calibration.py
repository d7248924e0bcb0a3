"""How many images a shortlist must hold so that the best are among them, found out by asking a segment questions."""

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ZERO, ByteRows, ByteScale, byte_scores, byte_words
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.shortlist import TOP

QUESTIONS = 100
WORDS = 11
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
CAUTION = 0.5  # share of the misses that a promise allows which may happen here: real questions are not these
CLOSENESS = (0.2, 0.8)  # cosine of a word with the region that it is made of: some mean little, and none is a region


def calibrate(
    codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale, offsets: NDArray[np.int64]
) -> dict[float, int]:
    """Recall of the exact top 10 -> images of this segment to shortlist."""
    random = np.random.default_rng(0)
    images = np.arange(len(offsets) - 1)
    alive = np.ones(len(images), np.bool_)
    ranks = []
    for image in random.choice(images, QUESTIONS):
        words = _question(byte_rows[offsets[image] : offsets[image + 1]], random, width=codes.codebooks.shape[1])
        exact = byte_scores(byte_rows, scale, offsets, images, byte_words(words))
        best = np.argsort(-exact)[:TOP]
        cheap = code_scores(codes, offsets, alive, word_tables(codes.in_bytes, words))
        at_least = np.cumsum(np.bincount(cheap)[::-1])[::-1]  # images that score so much or more
        ranks.append(at_least[cheap[best]])
    every = np.sort(np.concatenate(ranks))  # [questions * 10], the size that each of the best would have needed
    needed = {recall: len(every) - 1 - int((1 - recall) * CAUTION * len(every)) for recall in RECALLS}
    return {recall: int(every[place]) for recall, place in needed.items()}


def _question(rows: ByteRows, random: np.random.Generator, *, width: int) -> NDArray[np.float32]:
    """Words [W, D] near the regions of one image: random directions that make a given angle with them."""
    regions = _unit(rows[random.integers(0, len(rows), WORDS), :width].astype(np.float32) - ZERO)
    others = _unit(random.standard_normal(regions.shape, np.float32))
    closeness = random.uniform(*CLOSENESS, (WORDS, 1)).astype(np.float32)
    words = closeness * regions + np.sqrt(1 - closeness**2) * others
    return words.astype(np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return units
