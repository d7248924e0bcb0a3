"""The shortlist: the images that may be among the best for a sentence, found without scoring all of them exactly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import ByteWords, byte_scores, byte_words, most_wrong
from indexer.index.kernels import count_scores
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.segment import Coding, Cutoff
from indexer.index.sketches import sketch_scores
from indexer.index.snapshot import Part, Snapshot

TOP = 10  # the best whose recall is promised
LEAST = 10  # images that are scored by bytes, at least, for one that is wanted
CODED = 10_000  # images whose codes are looked at, at least: that is quick, and sketches tell rare things badly,
CODED_FOR_ONE = 4  # and for one that is to be scored by bytes
NARROWED = 0.95  # share of images that are alive; below it, filters or deletions may have taken the best
WHOLE = 4000  # live images that are scored by bytes, all of them, as soon as by codes first


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Images that may be among the best."""

    rows: NDArray[np.int64]  # [K], ascending
    scores: NDArray[np.float32]  # [K], about their MrSw
    most_wrong: float  # how far a score can be from the exact one
    complete: bool  # whether no other live image can be among the best


def find_candidates(
    snapshot: Snapshot, sentences: Sequence[NDArray[np.float32]], *, recall: float, limit: int, least: int = 0
) -> list[Candidates]:
    """For every sentence [W, D], each as if it were alone.

    Scan sketches of all images and codes of the best of these, and score by bytes what may hold so much of the best:
    `least` images or more. Segments without codes are small, and scored by bytes whole, for all sentences at once; so
    are all, where few are alive or the recall asked for is higher than any that was calibrated.
    """
    groups = _groups(snapshot, recall=recall, limit=limit, least=least)
    coded = {one.part.start for group in groups for one in group.segments}
    in_bytes = [byte_words(words) for words in sentences]
    promising = [_promising(groups, words) for words in in_bytes]
    found = [_Found() for _ in sentences]
    for part in snapshot.parts:
        if part.start in coded:
            for one, some, words in zip(found, promising, in_bytes, strict=True):
                one.add(part, some[part.start], words, _byte_scores(part, some[part.start], [words])[0])
        else:
            images = np.flatnonzero(part.alive)
            for one, words, scores in zip(found, in_bytes, _byte_scores(part, images, in_bytes), strict=True):
                one.add(part, images, words, scores)
    return [one.candidates(snapshot.live_count) for one in found]


class _Found:
    """The candidates of one sentence, as segment after segment brings them."""

    def __init__(self) -> None:
        self._rows, self._scores, self._wrong = [np.empty(0, np.int64)], [np.empty(0, np.float32)], 0.0

    def add(self, part: Part, images: NDArray[np.int64], words: ByteWords, scores: NDArray[np.float32]) -> None:
        self._rows.append(part.start + images)
        self._scores.append(scores)
        self._wrong = max(self._wrong, most_wrong(part.segment.head.byte_scale, words))

    def candidates(self, live: int) -> Candidates:
        rows = np.concatenate(self._rows)
        return Candidates(rows, np.concatenate(self._scores), self._wrong, complete=len(rows) == live)


def _byte_scores(part: Part, images: NDArray[np.int64], words: Sequence[ByteWords]) -> NDArray[np.float32]:
    segment = part.segment
    return byte_scores(segment.byte_rows, segment.head.byte_scale, segment.offsets, images, words)


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    part: Part
    codes: RegionCodes
    coding: Coding


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Segments of the same codebooks: ranked together, by one margin."""

    segments: Sequence[_Coded]
    by_sketches: "_Bar"
    by_codes: "_Bar"

    @classmethod
    def of(cls, segments: Sequence[_Coded], *, live: int, recall: float, limit: int, least: int) -> "_Group":
        narrowed = live < NARROWED * sum(len(one.part.alive) for one in segments)
        cutoffs = [one.coding.narrowed if narrowed else one.coding.whole for one in segments]
        rank = max(limit, TOP)
        least = max(least, LEAST * rank)
        by_sketches = _Bar.of(
            [some.by_sketches for some in cutoffs], recall, rank=rank, least=max(CODED, CODED_FOR_ONE * least)
        )
        return cls(segments, by_sketches, _Bar.of([some.by_codes for some in cutoffs], recall, rank=rank, least=least))


def _groups(snapshot: Snapshot, *, recall: float, limit: int, least: int) -> list[_Group]:
    """Of the segments that have codes, where images may be passed over."""
    alike: dict[str, list[_Coded]] = {}
    for part in snapshot.parts:
        codes, coding = part.segment.codes, part.segment.head.coding
        if codes is not None and coding is not None and recall <= coding.most_promised:
            alike.setdefault(coding.codebooks, []).append(_Coded(part, codes, coding))
    return [
        _Group.of(segments, live=live, recall=recall, limit=limit, least=least)
        for segments in alike.values()
        if (live := sum(int(np.count_nonzero(one.part.alive)) for one in segments)) > WHOLE
    ]


def _promising(groups: Sequence[_Group], words: ByteWords) -> dict[int, NDArray[np.int64]]:
    """The images of every segment that are worth their bytes, by the row with which it begins."""
    promising: dict[int, NDArray[np.int64]] = {}
    for group in groups:
        segments = group.segments
        tables = word_tables(segments[0].codes.codebooks, words)
        scores = [sketch_scores(one.codes.sketches, one.part.alive, tables.sketches.values) for one in segments]
        images = group.by_sketches.reached(scores, tables.sketches.deviation)
        scores = [code_scores(one.codes, some, tables.codes.values) for one, some in zip(segments, images, strict=True)]
        places = group.by_codes.reached(scores, tables.codes.deviation)
        found = zip(segments, images, places, strict=True)
        promising |= {one.part.start: some[chosen] for one, some, chosen in found}
    return promising


@dataclass(frozen=True, slots=True)
class _Bar:
    """What the score by one step must reach."""

    rank: int  # the margin is measured from the score of this rank
    margin: float  # in deviations
    least: int  # so many are kept at least,
    most: int  # and so many at most, ties apart, unless `least` is more

    @classmethod
    def of(cls, cutoffs: Sequence[Cutoff], recall: float, *, rank: int, least: int) -> "_Bar":
        """Of segments that are ranked together."""
        margin = max(cutoff.margin(recall) for cutoff in cutoffs)
        return cls(rank, margin, least, most=math.ceil(sum(cutoff.most for cutoff in cutoffs) * rank / TOP))

    def reached(self, scores: Sequence[NDArray[np.int32]], deviation: float) -> list[NDArray[np.int64]]:
        """For each segment the places of the images that reach the bar; the dead, -1, never do."""
        counts = np.zeros(1 + max((int(some.max(initial=0)) for some in scores), default=0), np.int64)
        for some in scores:
            count_scores(some, counts)
        ranks = Ranks.of(counts)
        bar = max(ranks.score_below(self.rank, self.margin * deviation), ranks.score_of(self.most))
        bar = min(bar, ranks.score_of(self.least))
        return [np.flatnonzero(some >= bar) for some in scores]


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """How many images reach which score."""

    reached: NDArray[np.int64]  # from the highest score down to 0

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> "Ranks":
        """Counts says how many have which score."""
        return cls(np.cumsum(counts[::-1]))

    def score_of(self, rank: int) -> int:
        """The highest score that so many reach, or 0."""
        return max(0, len(self.reached) - 1 - int(np.searchsorted(self.reached, rank)))

    def score_below(self, rank: int, distance: float) -> int:
        """The score that lies so far below that of a rank, or 0."""
        return max(0, math.floor(self.score_of(rank) - distance))

    def images(self, score: int) -> int:
        """That reach it."""
        return int(self.reached[len(self.reached) - 1 - score])
