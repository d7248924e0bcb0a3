"""How far below the tenth best of a step the exact ten best are found: a segment is asked questions to find it out.

A step ranks by an approximate score. An image is passed over where that lies too far below the tenth best of the step,
counted in standard deviations of what the step leaves out, for the words that ask. That unit fits sentences that are
easy and those that are hard, and collections of any size; a number of images does not.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ZERO, ByteRows, ByteScale, byte_scores, byte_words
from indexer.index.region_codes import RegionCodes, Tables, code_scores, word_tables
from indexer.index.segment import Cutoff, Cutoffs
from indexer.index.shortlist import TOP, Ranks
from indexer.index.sketches import sketch_scores

QUESTIONS = 90  # of each of four kinds
ASKED = 2**15  # images, and no more: margins hardly grow with their number
WORDS = 11
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
ALLOWED = 0.3  # share of the misses of a promise that each of two steps may make here: real questions are not these
CLOSENESS = (0.2, 0.8)  # cosine of a word with the region that it is made of: some mean little, and none is a region
LEFT_OUT = 0.1  # share of the images, the best ones, left out to calibrate searches with a filter

Choose = Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.int64]]
Turn = Callable[[ByteRows, np.random.Generator], NDArray[np.float32]]


def calibrate(codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale) -> tuple[Cutoffs, Cutoffs]:
    """For searches of the whole segment, and for those of what a filter leaves of it.

    The greatest margin of four kinds of questions counts: about one image or about things that no image has all of, in
    words that lie near to what is in the segment or anywhere. Which is the hardest depends on how well the codes fit.
    """
    random, every = np.random.default_rng(0), len(codes.offsets) - 1
    images = np.sort(random.permutation(every)[:ASKED])
    kinds = []
    for choose, turn in product((_of_one_image, _of_any), (_to_others, _anywhere)):
        questions = [_question(codes, byte_rows, random, choose, turn) for _ in range(QUESTIONS)]
        kinds.append([_rank(codes, byte_rows, scale, images, words) for words in questions])
    by_codes, by_sketches, codes_narrowed, sketches_narrowed = (
        _cutoff([[rankings[place] for rankings in kind] for kind in kinds], every / len(images)) for place in range(4)
    )
    return Cutoffs(by_codes, by_sketches), Cutoffs(codes_narrowed, sketches_narrowed)


@dataclass(frozen=True, slots=True, eq=False)
class _Ranking:
    """What one step made of one question."""

    ranks: Ranks
    best: NDArray[np.int32]  # [10], the scores of the exact ten best
    deviation: float

    @classmethod
    def of(cls, scores: NDArray[np.int32], from_the_best: NDArray[np.int64], tables: Tables) -> "_Ranking":
        """Of the images that are named, in their exact order."""
        scores = scores[from_the_best]
        return cls(Ranks.of(np.bincount(scores)), scores[:TOP], tables.deviation)

    def margins(self) -> NDArray[np.float64]:
        """That the exact best would have needed."""
        margins: NDArray[np.float64] = np.maximum(self.ranks.score_of(TOP) - self.best, 0) / self.deviation
        return margins

    def needed(self) -> int:
        """Images among which all of the exact best are."""
        return self.ranks.images(int(self.best.min()))

    def within(self, margin: float, *, rank: int) -> int:
        """Images that a search keeps."""
        return self.ranks.images(self.ranks.score_below(rank, margin * self.deviation))


def _rank(
    codes: RegionCodes, byte_rows: ByteRows, scale: ByteScale, images: NDArray[np.int64], words: NDArray[np.float32]
) -> list[_Ranking]:
    """By codes and by sketches; and once more where the best images are left out."""
    in_bytes = byte_words(words)
    tables = word_tables(codes.codebooks, in_bytes)
    by_codes = code_scores(codes, images, tables.codes.values)
    alive = np.ones(len(codes.offsets) - 1, np.bool_)
    by_sketches = sketch_scores(codes.sketches, alive, tables.sketches.values)[images]
    (exact,) = byte_scores(byte_rows, scale, codes.offsets, images, [in_bytes])
    from_the_best = np.argsort(-exact)
    return [
        _Ranking.of(scores, some, its_tables)
        for some in (from_the_best, from_the_best[int(LEFT_OUT * len(images)) :])
        for scores, its_tables in ((by_codes, tables.codes), (by_sketches, tables.sketches))
    ]


def _cutoff(kinds: Sequence[Sequence[_Ranking]], times: float) -> Cutoff:
    """From what one step made of each kind of questions; `times` as many images as were asked are in the segment."""
    every = [ranking for kind in kinds for ranking in kind]
    needed = [np.sort(np.concatenate([ranking.margins() for ranking in kind])) for kind in kinds]
    margins = {recall: max(_margin(some, recall) for some in needed) for recall in RECALLS}
    rank = math.ceil(TOP / times)  # here of the tenth best there
    sizes = {
        recall: math.ceil(times * np.mean([ranking.within(margin, rank=rank) for ranking in every]))
        for recall, margin in margins.items()
    }
    return Cutoff(margins, sizes, most=math.ceil(times * max(ranking.needed() for ranking in every)))


def _margin(needed: NDArray[np.float64], recall: float) -> float:
    """Which leaves out no more of what was needed, ascending, than may be missed."""
    return float(needed[len(needed) - 1 - int((1 - recall) * ALLOWED * len(needed))])


def _question(
    codes: RegionCodes, byte_rows: ByteRows, random: np.random.Generator, choose: Choose, turn: Turn
) -> NDArray[np.float32]:
    """Words [W, D], each at a given angle from a region."""
    regions = _vectors(byte_rows, choose(codes.offsets, random))
    closeness = random.uniform(*CLOSENESS, (WORDS, 1)).astype(np.float32)
    words = closeness * _unit(regions) + np.sqrt(1 - closeness**2) * _unit(turn(byte_rows, random))
    return words.astype(np.float32)


def _of_one_image(offsets: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    image = int(random.integers(len(offsets) - 1))
    return random.integers(offsets[image], offsets[image + 1], WORDS)


def _of_any(offsets: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    return random.integers(0, offsets[-1], WORDS)


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
