"""A snapshot: one commit of a collection, open for reading for as long as anybody wants."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.id_table import keys_of
from indexer.index.manifest import EncoderIdentity, Manifest, read_latest
from indexer.index.records import Record, is_image_id
from indexer.index.segment import Segment, open_segment
from indexer.index.tombstones import read_tombstones
from model.embeddings import Channels, ImageEmbedding, Ragged
from model.scoring import ScoreSpec


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Part:
    """A segment as one commit sees it."""

    segment: Segment
    start: int  # the row of the snapshot with which it begins
    alive: NDArray[np.bool_]  # [n]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A row is the place of an image in the snapshot, deleted ones counted. In another snapshot it means another."""

    generation: int
    encoder: EncoderIdentity
    parts: tuple[Part, ...]
    live_rows: Tensor  # [N] int64, ascending

    @property
    def live_count(self) -> int:
        return len(self.live_rows)

    @property
    def fingerprint(self) -> str:
        return self.encoder.fingerprint

    @property
    def score_spec(self) -> ScoreSpec:
        return self.encoder.score_spec

    def check_model(self, fingerprint: str) -> None:
        """Raise ModelMismatch for an encoder of other weights than those that made the vectors."""
        self.encoder.check_fingerprint(fingerprint)

    def find(self, image_id: str) -> int | None:
        """The row of a live image."""
        if not is_image_id(image_id):
            return None
        for part in self.parts:
            row = int(part.segment.ids.rows_of(keys_of([image_id]))[0])
            if row >= 0 and part.alive[row]:
                return part.start + row
        return None

    def ids(self, rows: Tensor) -> list[str]:
        return [part.segment.ids.id_of(row) for part, places in self.runs(rows) for row in places.tolist()]

    def record(self, row: int) -> Record:
        part = self._part_of(row)
        return part.segment.record(row - part.start)

    def thumbnail(self, row: int) -> bytes:
        part = self._part_of(row)
        return part.segment.thumbnail(row - part.start)

    def boxes(self, row: int) -> Tensor:
        """[R, 4] float32: x0, y0, x1, y1 as shares of width and height."""
        return self._embedding(row).boxes

    def channels(self, row: int) -> Channels:
        return self._embedding(row).channels

    def gather(self, channel: str, rows: Tensor) -> Ragged:
        """The vectors of one channel of some images [K], in that order; fastest where the rows ascend."""
        runs = [(part.segment.channels[channel], places) for part, places in self.runs(rows)]
        counts = np.concatenate([np.empty(0, np.int64), *(column.counts(places) for column, places in runs)])
        vectors = torch.empty(int(counts.sum()), self.encoder.channel_widths[channel])  # [sum of R, D]
        start = 0
        for column, places in runs:
            some = torch.from_numpy(column.take(places))
            vectors[start : start + len(some)] = some  # float16 becomes float32 here, on the way
            start += len(some)
        return Ragged(vectors, torch.from_numpy(counts))

    def runs(self, rows: Tensor) -> Iterator[tuple[Part, NDArray[np.int64]]]:
        """Neighbours among `rows` that lie in the same segment, and their rows there."""
        starts = np.array([part.start for part in self.parts])
        numbers = np.searchsorted(starts, rows.numpy(), side="right")  # [K], which segment
        edges = np.flatnonzero(np.diff(numbers)) + 1
        for run in np.split(rows.numpy(), edges) if len(rows) else ():
            part = self._part_of(int(run[0]))
            yield part, run - part.start

    def of_parts(self, parts: Iterable[Part]) -> "Snapshot":
        """The same commit with some of its segments, or fewer images of them; rows mean what they meant."""
        some = tuple(parts)
        return replace(self, parts=some, live_rows=live_rows_of(some))

    def _embedding(self, row: int) -> ImageEmbedding:
        part = self._part_of(row)
        return part.segment.embedding(row - part.start)

    def _part_of(self, row: int) -> Part:
        return self.parts[bisect_right(self.parts, row, key=lambda part: part.start) - 1]


def live_rows_of(parts: Iterable[Part]) -> Tensor:
    """[N] int64, ascending"""
    rows = [part.start + np.flatnonzero(part.alive) for part in parts]
    return torch.from_numpy(np.concatenate([np.empty(0, np.int64), *rows]))


def open_snapshot(collection: Path, *, previous: Snapshot | None = None) -> Snapshot:
    """Open the latest commit, every byte checked but those of segments that `previous` has open: they are shared."""
    known = {part.segment.id: part.segment for part in previous.parts} if previous else {}
    return read_latest(collection, lambda manifest: _open(collection, manifest, known))


def _open(collection: Path, manifest: Manifest, known: dict[str, Segment]) -> Snapshot:
    parts, start = [], 0
    for entry in manifest.segments:
        if entry.id not in known:
            known[entry.id] = open_segment(collection, entry)
        alive = np.ones(entry.images, np.bool_)
        alive[read_tombstones(collection, entry)] = False
        parts.append(Part(known[entry.id], start, alive))
        start += entry.images
    return Snapshot(manifest.generation, manifest.encoder, tuple(parts), live_rows_of(parts))
