"""The shortlist: the images that may be among the best for a sentence, found without scoring all of them exactly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import byte_scores, byte_words, most_wrong
from indexer.index.kernels import count_scores
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.segment import Coding, Reach
from indexer.index.sketches import sketch_scores
from indexer.index.snapshot import Part, Snapshot

FULL_RECALL = 1.0  # for which nothing is passed over
TOP = 10  # the best whose recall is promised
SKETCHED_FOR_ONE = 4  # images whose codes are looked at, at least, for one that is wanted at least


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Images that may be among the best."""

    rows: NDArray[np.int64]  # [K], ascending
    scores: NDArray[np.float32]  # [K], about their MrSw
    most_wrong: float  # how far a score can be from the exact one
    complete: bool  # whether no other live image can be among the best


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    part: Part
    codes: RegionCodes
    coding: Coding


def find_candidates(
    snapshot: Snapshot, words: NDArray[np.float32], *, recall: float, limit: int, least: int = 0
) -> Candidates:
    """Scan sketches of all images and codes of the best of these, and score by bytes what may hold so much of the best.

    These are `least` images or more. Segments without codes are small, and scored by bytes whole; so are all where
    more is wanted than can be promised.
    """
    promising = _scan(snapshot, words, recall=recall, limit=limit, least=least)
    in_bytes = byte_words(words)
    rows, scores, wrong = [np.empty(0, np.int64)], [np.empty(0, np.float32)], 0.0
    for part in snapshot.parts:
        segment = part.segment
        images = promising[part.start] if part.start in promising else np.flatnonzero(part.alive)
        rows.append(part.start + images)
        scores.append(byte_scores(segment.byte_rows, segment.head.byte_scale, segment.offsets, images, in_bytes))
        wrong = max(wrong, most_wrong(segment.head.byte_scale, in_bytes))
    every = np.concatenate(rows)
    return Candidates(every, np.concatenate(scores), wrong, complete=len(every) == snapshot.live_count)


def _scan(
    snapshot: Snapshot, words: NDArray[np.float32], *, recall: float, limit: int, least: int
) -> dict[int, NDArray[np.int64]]:
    """The most promising images of every segment with codes, by the row with which it begins.

    Segments of the same codebooks are ranked together, so that it does not matter how images are spread over them.
    """
    alike: dict[str, list[_Coded]] = {}
    for part in snapshot.parts:
        codes, coding = part.segment.codes, part.segment.head.coding
        if codes is not None and coding is not None:
            alike.setdefault(coding.codebooks, []).append(_Coded(part, codes, coding))
    promising: dict[int, NDArray[np.int64]] = {}
    for group in alike.values():
        by_sketches = _Bar.of([one.coding.by_sketches for one in group], recall=recall, limit=limit)
        by_codes = _Bar.of([one.coding.by_codes for one in group], recall=recall, limit=limit)
        if math.inf in (by_sketches.margin, by_codes.margin):
            continue
        tables = word_tables(group[0].codes.codebooks, words)
        scores = [sketch_scores(one.codes.sketches, one.part.alive, tables.sketches.worth) for one in group]
        images = by_sketches.reached(scores, doubt=tables.sketches.doubt, least=SKETCHED_FOR_ONE * least)
        scores = [code_scores(one.codes, some, tables.codes.worth) for one, some in zip(group, images, strict=True)]
        places = by_codes.reached(scores, doubt=tables.codes.doubt, least=least)
        found = zip(group, images, places, strict=True)
        promising |= {one.part.start: some[chosen] for one, some, chosen in found}
    return promising


@dataclass(frozen=True, slots=True)
class _Bar:
    """What the score by one step must reach."""

    rank: int  # of the image from whose score it is measured
    margin: float  # in doubts, how far below that it lies; infinite where nothing may be passed over
    most: int  # images that should reach it

    @classmethod
    def of(cls, reaches: Sequence[Reach], *, recall: float, limit: int) -> "_Bar":
        """Of segments that are ranked together."""
        rank = max(limit, TOP)
        margin = max(reach.margin(recall) for reach in reaches)
        return cls(rank, margin, most=math.ceil(sum(reach.most for reach in reaches) * rank / TOP))

    def reached(self, scores: Sequence[NDArray[np.int32]], *, doubt: float, least: int) -> list[NDArray[np.int64]]:
        """The places of all that do, `least` at least, if there are so many and none is -1."""
        counts = np.zeros(1 + max((int(some.max(initial=0)) for some in scores), default=0), np.int64)
        for some in scores:
            count_scores(some, counts)
        bar = max(score_reached_by(counts, self.rank) - self.margin * doubt, score_reached_by(counts, self.most))
        bar = max(0, math.floor(min(bar, score_reached_by(counts, least))))
        return [np.flatnonzero(some >= bar) for some in scores]


def score_reached_by(counts: NDArray[np.int64], number: int) -> int:
    """The highest score that so many reach, or 0: `counts` says how many have which."""
    reached = np.cumsum(counts[::-1])  # from the best down
    return max(0, len(counts) - 1 - int(np.searchsorted(reached, number)))
