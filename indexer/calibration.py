"""How many images a shortlist must hold so that the best are among them, found out by asking a segment questions."""

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ZERO, ByteRows, ByteScale, byte_scores, byte_words
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.shortlist import TOP
from indexer.index.sketches import sketch_scores

QUESTIONS = 100
WORDS = 11
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
CAUTION = 0.25  # share of the misses that a promise allows which each step may make here: real questions are not these
CLOSENESS = (0.2, 0.8)  # cosine of a word with the region that it is made of: some mean little, and none is a region

Sizes = dict[float, int]


def calibrate(codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale) -> tuple[Sizes, Sizes]:
    """Recall of the exact top 10 -> images to shortlist by their codes, and by their sketches before that."""
    random = np.random.default_rng(0)
    images = np.arange(len(codes.offsets) - 1)
    alive = np.ones(len(images), np.bool_)
    of_codes, of_sketches = [], []
    for image in random.choice(images, QUESTIONS):
        rows = byte_rows[codes.offsets[image] : codes.offsets[image + 1]]
        words = _question(rows, random, width=byte_rows.shape[1])
        exact = byte_scores(byte_rows, scale, codes.offsets, images, byte_words(words))
        best = np.argsort(-exact)[:TOP]
        tables = word_tables(codes.codebooks, words)
        of_codes.append(_ranks(code_scores(codes, images, tables.codes), best))
        of_sketches.append(_ranks(sketch_scores(codes.sketches, alive, tables.sketches), best))
    return _needed(of_codes), _needed(of_sketches)


def _ranks(scores: NDArray[np.int32], best: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many images score as much as each of the best, or more."""
    at_least: NDArray[np.int64] = np.cumsum(np.bincount(scores)[::-1])[::-1]
    return at_least[scores[best]]


def _needed(ranks: list[NDArray[np.int64]]) -> Sizes:
    every = np.sort(np.concatenate(ranks))  # [questions * 10], the size that each of the best would have needed
    places = {recall: len(every) - 1 - int((1 - recall) * CAUTION * len(every)) for recall in RECALLS}
    return {recall: int(every[place]) for recall, place in places.items()}


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
