"""The ids of a segment: row -> id, and by binary search id -> row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.records import ID_LENGTH

ID_TYPE = f"S{ID_LENGTH}"
ROW_TYPE = "<i8"

Keys = NDArray[np.bytes_]  # ids as fixed-width bytes


@dataclass(frozen=True, slots=True, eq=False)
class IdTable:
    ids: Keys  # [n]
    order: NDArray[np.int64]  # [n], the rows in the order of their ids

    def rows_of(self, keys: Keys) -> NDArray[np.int64]:
        """The row of each id, -1 where there is none. [m] -> [m]"""
        places = np.searchsorted(self.ids, keys, sorter=self.order)
        rows = self.order[np.minimum(places, len(self.order) - 1)]
        return np.where(self.ids[rows] == keys, rows, -1)

    def id_of(self, row: int) -> str:
        return bytes(self.ids[row]).decode("ascii")


def keys_of(ids: Iterable[str]) -> Keys:
    """Valid ids alone: a longer text would be cut, and be taken for another."""
    keys: NDArray[Any] = np.array([image_id.encode("ascii") for image_id in ids], dtype=ID_TYPE)
    return keys


def order_of(keys: Keys) -> NDArray[np.int64]:
    return np.argsort(keys, kind="stable").astype(ROW_TYPE)
