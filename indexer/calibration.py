"""How many images a shortlist must hold so that the best are among them, found out by asking a segment questions."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ZERO, ByteRows, ByteScale, byte_scores, byte_words
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.shortlist import TOP
from indexer.index.sketches import sketch_scores

QUESTIONS = 100
WORDS = 11
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
ALLOWED = 0.25  # share of the misses of a promise that each of two steps may make here: real questions are not these
CLOSENESS = (0.2, 0.8)  # cosine of a word with the region that it is made of: some mean little, and none is a region

Sizes = dict[float, int]
Turn = Callable[[ByteRows, np.random.Generator], NDArray[np.float32]]


def calibrate(codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale) -> tuple[Sizes, Sizes]:
    """Recall of the exact top 10 -> images to shortlist by their codes, and by their sketches before that.

    The harder of two kinds of questions decides: which of them that is depends on how well the codes fit.
    """
    by_codes, by_sketches = zip(
        *(_sizes(codes, byte_rows, scale, turn) for turn in (_to_others, _anywhere)), strict=True
    )
    return _greater(*by_codes), _greater(*by_sketches)


def _sizes(codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale, turn: Turn) -> tuple[Sizes, Sizes]:
    random = np.random.default_rng(0)
    images = np.arange(len(codes.offsets) - 1)
    alive = np.ones(len(images), np.bool_)
    of_codes, of_sketches = [], []
    for image in random.choice(images, QUESTIONS):
        words = _question(codes, byte_rows, image, random, turn)
        exact = byte_scores(byte_rows, scale, codes.offsets, images, byte_words(words))
        best = np.argsort(-exact)[:TOP]
        tables = word_tables(codes.codebooks, words)
        of_codes.append(_ranks(code_scores(codes, images, tables.codes), best))
        of_sketches.append(_ranks(sketch_scores(codes.sketches, alive, tables.sketches), best))
    return _needed(of_codes), _needed(of_sketches)


def _greater(one: Sizes, other: Sizes) -> Sizes:
    return {recall: max(size, other[recall]) for recall, size in one.items()}


def _ranks(scores: NDArray[np.int32], best: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many images score as much as each of the best, or more."""
    at_least: NDArray[np.int64] = np.cumsum(np.bincount(scores)[::-1])[::-1]
    return at_least[scores[best]]


def _needed(ranks: list[NDArray[np.int64]]) -> Sizes:
    every = np.sort(np.concatenate(ranks))  # [questions * 10], the size that each of the best would have needed
    places = {recall: len(every) - 1 - int((1 - recall) * ALLOWED * len(every)) for recall in RECALLS}
    return {recall: int(every[place]) for recall, place in places.items()}


def _question(
    codes: RegionCodes, byte_rows: ByteRows, image: int, random: np.random.Generator, turn: Turn
) -> NDArray[np.float32]:
    """Words [W, D], each at a given angle from a region of one image."""
    regions = _vectors(byte_rows, random.integers(codes.offsets[image], codes.offsets[image + 1], WORDS))
    closeness = random.uniform(*CLOSENESS, (WORDS, 1)).astype(np.float32)
    words = closeness * _unit(regions) + np.sqrt(1 - closeness**2) * _unit(turn(byte_rows, random))
    return words.astype(np.float32)


def _to_others(byte_rows: ByteRows, random: np.random.Generator) -> NDArray[np.float32]:
    """Towards where regions differ: there images are told apart."""
    one, other = random.integers(0, len(byte_rows), (2, WORDS))
    return _vectors(byte_rows, one) - _vectors(byte_rows, other)


def _anywhere(byte_rows: ByteRows, random: np.random.Generator) -> NDArray[np.float32]:
    """Towards what codebooks that fit too well do not know."""
    return random.standard_normal((WORDS, byte_rows.shape[1]), np.float32)


def _vectors(byte_rows: ByteRows, places: NDArray[np.int64]) -> NDArray[np.float32]:
    return byte_rows[places].astype(np.float32) - np.float32(ZERO)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return units
