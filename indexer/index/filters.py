"""Filters: which images may be found, told in terms of their metadata."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexer.index.segment import Segment
from indexer.index.snapshot import Part, Snapshot

Value = str | int | float | bool
Postings = Mapping[tuple[type, Value], NDArray[np.int64]]  # value of a field -> the rows of a segment that have it


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field must be; one that holds a list is each of its values. All that is given must hold of one value."""

    any: tuple[Value, ...] | None = None  # it is one of these
    gte: str | float | None = None  # text is compared with text alone, and numbers with numbers
    lte: str | float | None = None

    def rows(self, postings: Postings) -> Iterator[NDArray[np.int64]]:
        """Those of a segment for which it holds, value by value."""
        for kind in postings if self.any is None else dict.fromkeys(map(_kind, self.any)):
            _, value = kind
            after, before = (
                self.gte is None or _in_order(self.gte, value),
                self.lte is None or _in_order(value, self.lte),
            )
            if kind in postings and after and before:
                yield postings[kind]


Filter = Mapping[str, Condition]  # field -> what it must be; all must hold


class Metadata:
    """The fields of segments that were asked for, read once. Safe to use from several threads."""

    def __init__(self) -> None:
        self._postings: WeakKeyDictionary[Segment, dict[str, Postings]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def narrowed(self, snapshot: Snapshot, wanted: Filter) -> Snapshot:
        """The same commit with those images alone that the filter allows; scans pass over the others as if deleted."""
        return snapshot.of_parts(
            replace(part, alive=part.alive & self._allowed(part, wanted)) for part in snapshot.parts
        )

    def _allowed(self, part: Part, wanted: Filter) -> NDArray[np.bool_]:
        """[n]"""
        allowed = np.ones(len(part.alive), np.bool_)
        for name, condition in wanted.items():
            fitting = np.zeros(len(allowed), np.bool_)
            for rows in condition.rows(self._field(part.segment, name)):
                fitting[rows] = True
            allowed &= fitting
        return allowed

    def _field(self, segment: Segment, name: str) -> Postings:
        with self._lock:
            fields = self._postings.setdefault(segment, {})
            if name not in fields:
                fields[name] = _read(segment, name)
            return fields[name]


def _read(segment: Segment, name: str) -> Postings:
    rows: dict[tuple[type, Value], list[int]] = {}
    for row in range(segment.head.images):
        for value in _values(segment.record(row).metadata.get(name)):
            rows.setdefault(_kind(value), []).append(row)
    return {value: np.array(some) for value, some in rows.items()}


def _values(told: object) -> Iterator[Value]:
    """Of a field of JSON; what is no value, nor a list of them, has none."""
    for value in told if isinstance(told, list) else [told]:
        if isinstance(value, Value):
            yield value


def _kind(value: Value) -> tuple[type, Value]:
    """What makes a value itself: 1 is 1.0, and neither is true."""
    return (str if isinstance(value, str) else bool if isinstance(value, bool) else float), value


def _in_order(one: Value, other: Value) -> bool:
    """Whether both are text or both are numbers, and `one` comes not after the other."""
    (kind, first), (other_kind, second) = _kind(one), _kind(other)
    return kind is other_kind and kind is not bool and first <= second  # type: ignore[operator]
