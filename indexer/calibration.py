"""How many images a shortlist must hold so that the best are among them, found out by asking a segment questions."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ZERO, ByteRows, ByteScale, byte_scores, byte_words
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.shortlist import TOP
from indexer.index.sketches import sketch_scores

QUESTIONS = 120  # of either kind
WORDS = 11
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
ALLOWED = 0.3  # share of the misses of a promise that each of two steps may make here: real questions are not these
CLOSENESS = (0.2, 0.8)  # cosine of a word with the region that it is made of: some mean little, and none is a region

Sizes = dict[float, int]
Ranks = NDArray[np.int64]  # [2, n], the sizes by codes and by sketches that each of the best would have needed
Turn = Callable[[ByteRows, np.random.Generator], NDArray[np.float32]]


def calibrate(codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale) -> tuple[Sizes, Sizes]:
    """Recall of the exact top 10 -> images to shortlist by their codes, and by their sketches before that.

    The greater size of two kinds of questions counts: which of them is harder depends on how well the codes fit.
    """
    ask = partial(_needed_ranks, codes, byte_rows, scale, random=np.random.default_rng(0))
    by_codes, by_sketches = zip(*map(ask, (_to_others, _anywhere)), strict=True)
    return _sizes(by_codes), _sizes(by_sketches)


def _needed_ranks(
    codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale, turn: Turn, *, random: np.random.Generator
) -> Ranks:
    images = np.arange(len(codes.offsets) - 1)
    alive = np.ones(len(images), np.bool_)
    ranks = []
    for image in random.choice(images, QUESTIONS):
        words = _question(codes, byte_rows, image, random, turn)
        exact = byte_scores(byte_rows, scale, codes.offsets, images, byte_words(words))
        best = np.argsort(-exact)[:TOP]
        tables = word_tables(codes.codebooks, words)
        steps = code_scores(codes, images, tables.codes), sketch_scores(codes.sketches, alive, tables.sketches)
        ranks.append([_at_least(scores)[scores[best]] for scores in steps])
    return np.concatenate(ranks, axis=1)


def _at_least(scores: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many images score so much or more, for every score."""
    counts: NDArray[np.int64] = np.cumsum(np.bincount(scores)[::-1])[::-1]
    return counts


def _sizes(kinds: Sequence[NDArray[np.int64]]) -> Sizes:
    """Of every kind of questions the sizes that their best would have needed."""
    every = [np.sort(ranks) for ranks in kinds]
    return {recall: max(_size(ranks, recall) for ranks in every) for recall in RECALLS}


def _size(ranks: NDArray[np.int64], recall: float) -> int:
    """Ranks are ascending."""
    return int(ranks[len(ranks) - 1 - int((1 - recall) * ALLOWED * len(ranks))])


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
