"""The shortlist: the images that may be among the best for a sentence, found without scoring all of them exactly."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import byte_scores, byte_words, most_wrong
from indexer.index.region_codes import RegionCodes, code_scores, word_tables
from indexer.index.segment import Coding
from indexer.index.snapshot import Part, Snapshot

FULL_RECALL = 1.0  # for which nothing is passed over
TOP = 10  # whose recall sizes are calibrated for
BEYOND = 4  # times the largest size that was calibrated, for a recall beyond the highest


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Images that may be among the best."""

    rows: NDArray[np.int64]  # [K], ascending
    scores: NDArray[np.float32]  # [K], about their MrSw
    most_wrong: float  # how far a score can be from the exact one
    complete: bool  # whether these are all live images


def find_candidates(
    snapshot: Snapshot, words: NDArray[np.float32], *, recall: float, limit: int, least: int = 0
) -> Candidates:
    """Scan the codes of all regions, and score by bytes what may hold this share of the exact best `limit`.

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
    alike: dict[str, list[tuple[Part, RegionCodes, Coding]]] = {}
    for part in snapshot.parts:
        codes, coding = part.segment.codes, part.segment.head.coding
        if codes is not None and coding is not None:
            alike.setdefault(coding.codebooks, []).append((part, codes, coding))
    promising = {}
    for group in alike.values():
        tables = word_tables(group[0][1].in_bytes, words)
        scores = [code_scores(codes, part.segment.offsets, part.alive, tables) for part, codes, _ in group]
        size = max(least, sum(_size(coding, recall=recall, limit=limit) for *_, coding in group))
        bar = _bar(scores, size=size)
        for (part, *_), some in zip(group, scores, strict=True):
            promising[part.start] = np.flatnonzero(some >= bar)
    return promising


def _bar(scores: list[NDArray[np.int32]], *, size: int) -> int:
    """The score that at least `size` images reach, if there are so many; never that of the dead, which is -1."""
    counts = np.bincount(np.concatenate(scores) + 1)[1:]  # of every score
    reached = np.cumsum(counts[::-1])  # from the best down
    return max(0, len(counts) - 1 - int(np.searchsorted(reached, size)))


def _size(coding: Coding, *, recall: float, limit: int) -> int:
    """Images of one segment; more than were ever calibrated where more recall is wanted than was."""
    enough = [size for promised, size in coding.shortlist_sizes.items() if promised >= recall]
    most = BEYOND * max(coding.shortlist_sizes.values())
    return math.ceil(min(enough, default=most) * max(1.0, limit / TOP))
