"""The vectors of segments on a device, as many as there is room for, from their first search to their last."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.columns import Column
from indexer.index.segment import Segment
from indexer.index.snapshot import Part, Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class DeviceColumn:
    rows: Tensor  # [sum of R, D] float16
    offsets: Tensor  # [n + 1] int64
    column: Column  # of which they are a copy

    def take(self, images: NDArray[np.int64]) -> Tensor:
        """The rows of some images, one image after the other, [sum of their R, D]."""
        if self.column.height is not None:
            by_image = self.rows.view(-1, self.column.height * self.rows.shape[1])  # [n, R * D]
            return by_image.index_select(0, self._here(images)).view(-1, self.rows.shape[1])
        counts = self.column.counts(images)
        before = self._here(self.column.offsets[images] - (np.cumsum(counts) - counts))
        places = torch.repeat_interleave(before, self._here(counts), output_size=int(counts.sum()))
        return self.rows.index_select(0, places + torch.arange(len(places), device=self.rows.device))

    def _here(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(numbers).to(self.rows.device)


class DeviceColumns:
    """Safe to use from several threads. What nobody has open any more is forgotten, and its room is free again."""

    def __init__(self, device: torch.device, *, room: int) -> None:
        self.device, self.room = device, room
        self._columns: WeakKeyDictionary[Segment, dict[str, DeviceColumn]] = WeakKeyDictionary()
        self._alive: WeakKeyDictionary[Part, Tensor] = WeakKeyDictionary()
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes."""
        columns = [column for held in self._columns.values() for column in held.values()]
        return sum(column.rows.nbytes + column.offsets.nbytes for column in columns)

    def hold(self, snapshot: Snapshot, channels: Iterable[str]) -> None:
        """Bring over what is not there and fits, those channels first that are named first."""
        with self._lock:
            for channel in channels:
                for part in snapshot.parts:
                    held = self._columns.setdefault(part.segment, {})
                    column = part.segment.channels[channel]
                    if channel not in held and self.used + column.rows.nbytes + column.offsets.nbytes <= self.room:
                        self._bring(held, channel, column)

    def held(self, segment: Segment, channel: str) -> DeviceColumn | None:
        return self._columns.get(segment, {}).get(channel)

    def take(self, part: Part, channel: str, images: NDArray[np.int64]) -> Tensor:
        """The rows of some images of a segment, wherever they lie, [sum of their R, D] float16 on the device."""
        held = self.held(part.segment, channel)
        if held is not None:
            return held.take(images)
        rows = torch.from_numpy(part.segment.channels[channel].take(images))
        return rows.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else rows

    def alive(self, part: Part) -> Tensor:
        """[n] bool"""
        alive = self._alive.get(part)
        if alive is None:
            alive = self._alive[part] = torch.from_numpy(part.alive).to(self.device)
        return alive

    def _bring(self, held: dict[str, DeviceColumn], channel: str, column: Column) -> None:
        rows, offsets = torch.from_numpy(column.rows), torch.from_numpy(column.offsets)
        try:
            held[channel] = DeviceColumn(rows.to(self.device), offsets.to(self.device), column)
        except torch.OutOfMemoryError:  # another program has taken what was free
            self.room = self.used
