"""The shortlist: the images that may be among the best for a sentence, found without scoring all of them exactly."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import byte_scores, byte_words, most_wrong
from indexer.index.kernels import count_scores
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.segment import Coding
from indexer.index.sketches import sketch_scores
from indexer.index.snapshot import Part, Snapshot

FULL_RECALL = 1.0  # for which nothing is passed over
TOP = 10  # whose recall sizes are calibrated for
SKETCHED_FOR_ONE = 4  # images whose codes are looked at, at least, for one that is shortlisted
BEYOND = 4  # times the largest size that was calibrated, for a recall beyond the highest


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
    nothing may be passed over.
    """
    promising = _scan(snapshot, words, recall=recall, limit=limit, least=least) if recall < FULL_RECALL else {}
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
        tables = word_tables(group[0].codes.codebooks, words)
        size = max(least, sum(_size(one.coding.shortlist_sizes, recall=recall, limit=limit) for one in group))
        sketched = sum(_size(one.coding.sketched_sizes, recall=recall, limit=limit) for one in group)
        scores = [sketch_scores(one.codes.sketches, one.part.alive, tables.sketches) for one in group]
        images = _best_of(scores, size=max(sketched, SKETCHED_FOR_ONE * size))
        scores = [code_scores(one.codes, some, tables.codes) for one, some in zip(group, images, strict=True)]
        places = _best_of(scores, size=size)
        found = zip(group, images, places, strict=True)
        promising |= {one.part.start: some[chosen] for one, some, chosen in found}
    return promising


def _best_of(scores: list[NDArray[np.int32]], *, size: int) -> list[NDArray[np.int64]]:
    """The places of those that reach the score which at least `size` reach, if there are so many and none is -1."""
    counts = np.zeros(1 + max((int(some.max(initial=0)) for some in scores), default=0), np.int64)
    for some in scores:
        count_scores(some, counts)
    reached = np.cumsum(counts[::-1])  # from the best down
    bar = max(0, len(counts) - 1 - int(np.searchsorted(reached, size)))
    return [np.flatnonzero(some >= bar) for some in scores]


def _size(sizes: Mapping[float, int], *, recall: float, limit: int) -> int:
    """Images of one segment; more than were ever calibrated where more recall is wanted than was."""
    enough = [size for promised, size in sizes.items() if promised >= recall]
    most = BEYOND * max(sizes.values())
    return math.ceil(min(enough, default=most) * max(1.0, limit / TOP))
