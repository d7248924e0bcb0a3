"""How far below the tenth best of a step the exact ten best are found: a segment is asked questions to find it out.

A step ranks by an approximate score. Whether an image may be passed over is told by how far it lies below the tenth
best of that step, in doubts: how far images may lie apart, for these words, whose scores are the same, about. That is
alike for sentences that are easy and for those that are hard, and in collections of any size; how many images lie so
near to the best is not.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ZERO, ByteRows, ByteScale, byte_scores, byte_words
from indexer.index.region_codes import RegionCodes, Tables, code_scores, word_tables
from indexer.index.segment import Reach
from indexer.index.shortlist import TOP, score_reached_by
from indexer.index.sketches import sketch_scores

QUESTIONS = 120  # of either kind
ASKED = 2**15  # images, and no more: margins hardly grow with their number
WORDS = 11
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
ALLOWED = 0.3  # share of the misses of a promise that each of two steps may make here: real questions are not these
CLOSENESS = (0.2, 0.8)  # cosine of a word with the region that it is made of: some mean little, and none is a region
LEAST_DOUBT = 1e-6  # codebooks of which all entries are the same tell no images apart

Turn = Callable[[ByteRows, np.random.Generator], NDArray[np.float32]]


def calibrate(codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale) -> tuple[Reach, Reach]:
    """By codes, and by sketches before that.

    The greater margin of two kinds of questions counts: which of them is harder depends on how well the codes fit.
    """
    random, every = np.random.default_rng(0), len(codes.offsets) - 1
    images = np.sort(random.permutation(every)[:ASKED])
    ask = partial(_ask, codes, byte_rows, scale, images, random=random)
    by_codes, by_sketches = zip(*map(ask, (_to_others, _anywhere)), strict=True)
    return _reach(by_codes, every / len(images)), _reach(by_sketches, every / len(images))


@dataclass(frozen=True, slots=True, eq=False)
class _Ranking:
    """What one step made of one question."""

    counts: NDArray[np.int64]  # score -> images that have it
    best: NDArray[np.int32]  # [10], the scores of the exact ten best
    doubt: float

    @classmethod
    def of(cls, scores: NDArray[np.int32], best: NDArray[np.int64], tables: Tables) -> "_Ranking":
        return cls(np.bincount(scores), scores[best], max(tables.doubt, LEAST_DOUBT))

    @property
    def tenth(self) -> int:
        """The score of the tenth best by this step."""
        return score_reached_by(self.counts, TOP)

    def margins(self) -> NDArray[np.float64]:
        """That the exact best would have needed."""
        margins: NDArray[np.float64] = np.maximum(self.tenth - self.best, 0) / self.doubt
        return margins

    def needed(self) -> int:
        """Images among which all of the exact best are."""
        return int(self.counts[self.best.min() :].sum())

    def within(self, margin: float) -> int:
        """Images that lie so near to the best."""
        return int(self.counts[max(0, math.floor(self.tenth - margin * self.doubt)) :].sum())


def _ask(
    codes: RegionCodes,
    byte_rows: ByteRows,
    scale: ByteScale,
    images: NDArray[np.int64],
    turn: Turn,
    *,
    random: np.random.Generator,
) -> tuple[list[_Ranking], list[_Ranking]]:
    alive = np.ones(len(codes.offsets) - 1, np.bool_)
    by_codes, by_sketches = [], []
    for image in random.choice(images, QUESTIONS):
        words = _question(codes, byte_rows, image, random, turn)
        (exact,) = byte_scores(byte_rows, scale, codes.offsets, images, [byte_words(words)])
        best = np.argsort(-exact)[:TOP]
        tables = word_tables(codes.codebooks, words)
        scores = code_scores(codes, images, tables.codes.worth)
        by_codes.append(_Ranking.of(scores, best, tables.codes))
        scores = sketch_scores(codes.sketches, alive, tables.sketches.worth)[images]
        by_sketches.append(_Ranking.of(scores, best, tables.sketches))
    return by_codes, by_sketches


def _reach(kinds: Sequence[Sequence[_Ranking]], times: float) -> Reach:
    """`times` as many images are in the segment as were asked."""
    every = [ranking for rankings in kinds for ranking in rankings]
    needed = [np.sort(np.concatenate([ranking.margins() for ranking in rankings])) for rankings in kinds]
    margins = {recall: max(_margin(some, recall) for some in needed) for recall in RECALLS}
    usual = {
        recall: math.ceil(times * np.mean([ranking.within(margin) for ranking in every]))
        for recall, margin in margins.items()
    }
    return Reach(margins, usual, most=math.ceil(times * max(ranking.needed() for ranking in every)))


def _margin(needed: NDArray[np.float64], recall: float) -> float:
    """Ascending."""
    return float(needed[len(needed) - 1 - int((1 - recall) * ALLOWED * len(needed))])


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
