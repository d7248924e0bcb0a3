"""What of a snapshot lies in memory; the rest is mapped, and may have to be read from the disk at every search."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.segment import Segment
from indexer.index.snapshot import Snapshot

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Structure:
    """A part of a segment that a search reads."""

    numbers: Callable[[Segment], Numbers | None]
    with_numbers: Callable[[Segment, Numbers], Segment]


def in_memory(snapshot: Snapshot, *, room: int) -> Snapshot:
    """The snapshot with no more than `room` bytes of it read into memory: what is read most first, whole or not at all.

    The codes come first, then the bytes, then the vectors; sketches are always in memory, and not counted.
    What is in memory stays.
    """
    segments = {part.segment.id: part.segment for part in snapshot.parts}
    room -= bytes_in_memory(snapshot)
    for structure in _STRUCTURES:
        for name, segment in segments.items():
            numbers = structure.numbers(segment)
            if numbers is not None and not numbers.flags.owndata and 0 < numbers.nbytes <= room:
                segments[name] = structure.with_numbers(segment, np.array(numbers))
                room -= numbers.nbytes
    parts = [replace(part, segment=segments[part.segment.id]) for part in snapshot.parts]
    return replace(snapshot, parts=tuple(parts))


def bytes_in_memory(snapshot: Snapshot) -> int:
    arrays = [structure.numbers(part.segment) for structure in _STRUCTURES for part in snapshot.parts]
    return sum(numbers.nbytes for numbers in arrays if numbers is not None and numbers.flags.owndata)


def _codes(segment: Segment) -> Numbers | None:
    return segment.codes.codes if segment.codes is not None else None


def _with_codes(segment: Segment, numbers: Numbers) -> Segment:
    assert segment.codes is not None
    return replace(segment, codes=replace(segment.codes, codes=numbers))


def _with_vectors(segment: Segment, numbers: Numbers) -> Segment:
    channel = segment.head.shortlist_channel
    column = replace(segment.channels[channel], rows=numbers)
    return replace(segment, channels={**segment.channels, channel: column})


_STRUCTURES = (
    _Structure(_codes, _with_codes),
    _Structure(lambda segment: segment.byte_rows, lambda segment, numbers: replace(segment, byte_rows=numbers)),
    _Structure(lambda segment: segment.channels[segment.head.shortlist_channel].rows, _with_vectors),
)
