"""A column of a segment: a matrix of any height for every image, all of one width, mapped from two files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.errors import Damaged, Missing

OFFSET_TYPE = "<i8"


@dataclass(frozen=True, slots=True)
class ColumnFormat:
    name: str
    dtype: str  # as numpy writes it
    width: int

    @property
    def rows_file(self) -> str:
        return f"{self.name}.rows"

    @property
    def offsets_file(self) -> str:
        return f"{self.name}.offsets"

    @property
    def files(self) -> tuple[str, str]:
        return self.rows_file, self.offsets_file


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    rows: NDArray[Any]  # [sum of R, width]
    offsets: NDArray[np.int64]  # [n + 1], where the rows of each image begin
    height: int | None  # the R of every image, if it is the same for all

    def __getitem__(self, image: int) -> NDArray[Any]:
        return self.rows[self.offsets[image] : self.offsets[image + 1]]  # [R, width]

    def counts(self, images: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.offsets[images + 1] - self.offsets[images]

    def take(self, images: NDArray[np.int64]) -> NDArray[Any]:
        """The rows of some images, one image after the other, [sum of their R, width]."""
        width = self.rows.shape[1]
        if self.height is not None:
            by_image = self.rows.reshape(-1, self.height * width)  # [n, R * width]
            return np.take(by_image, images, axis=0).reshape(-1, width)
        counts = self.counts(images)
        behind = np.repeat(np.cumsum(counts) - counts, counts)  # rows taken before this image's first
        first = np.repeat(self.offsets[images], counts)
        return np.take(self.rows, first + np.arange(len(first)) - behind, axis=0)


def open_column(folder: Path, column: ColumnFormat, *, images: int) -> Column:
    """Map a column; its checksums are the caller's to check."""
    rows = map_array(folder / column.rows_file, column.dtype)
    offsets = map_array(folder / column.offsets_file, OFFSET_TYPE)
    if len(offsets) != images + 1 or offsets[-1] * column.width != len(rows):
        raise Damaged(folder / column.offsets_file, f"its offsets do not fit {images} images and {len(rows)} numbers")
    return column_of(rows.reshape(-1, column.width), offsets)


def column_of(rows: NDArray[Any], offsets: NDArray[np.int64]) -> Column:
    heights = np.diff(offsets)
    same = int(heights[0]) if len(heights) and heights[0] > 0 and (heights == heights[0]).all() else None
    return Column(rows, offsets, same)


def map_array(path: Path, dtype: str) -> NDArray[Any]:
    """Raises Missing."""
    try:
        if path.stat().st_size == 0:
            return np.empty(0, dtype)  # no bytes cannot be mapped
        # Copy-on-write, because torch warns of memory that cannot be written. Nobody writes.
        return np.asarray(np.memmap(path, dtype=dtype, mode="c"))
    except FileNotFoundError:
        raise Missing(path) from None
