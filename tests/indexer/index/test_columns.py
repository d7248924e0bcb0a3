"""Columns give the rows of images as slices of the whole would."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.index.columns import Column, ColumnFormat, open_column
from indexer.index.errors import Damaged

FORMAT = ColumnFormat("numbers", "<f4", 3)


def column_of(heights: list[int]) -> Column:
    offsets = np.concatenate([[0], np.cumsum(heights)]).astype(np.int64)
    rows = np.arange(offsets[-1] * 3, dtype=np.float32).reshape(-1, 3)
    same = heights[0] if heights[0] and len(set(heights)) == 1 else None
    return Column(rows, offsets, same)


@given(data=st.data(), heights=st.lists(st.integers(0, 4), min_size=1, max_size=8) | st.just([3, 3, 3]))
def test_taken_rows_are_those_of_the_images_in_their_order(data: st.DataObject, heights: list[int]) -> None:
    column = column_of(heights)
    images = data.draw(st.lists(st.integers(0, len(heights) - 1), max_size=10))
    expected = np.concatenate([np.empty((0, 3)), *(column[image] for image in images)])
    np.testing.assert_array_equal(column.take(np.array(images, np.int64)), expected)


@pytest.mark.parametrize(("heights", "same"), [([2, 2], 2), ([2, 1], None), ([0, 0], None)])
def test_a_column_is_opened_as_it_was_written(tmp_path: Path, heights: list[int], same: int | None) -> None:
    column = column_of(heights)
    (tmp_path / FORMAT.rows_file).write_bytes(column.rows.tobytes())
    (tmp_path / FORMAT.offsets_file).write_bytes(column.offsets.tobytes())
    opened = open_column(tmp_path, FORMAT, images=2)
    np.testing.assert_array_equal(opened.rows, column.rows)
    assert (opened.offsets.tolist(), opened.height) == (column.offsets.tolist(), same)


def test_offsets_that_do_not_fit_the_rows_are_damage(tmp_path: Path) -> None:
    (tmp_path / FORMAT.rows_file).write_bytes(bytes(24))
    (tmp_path / FORMAT.offsets_file).write_bytes(np.array([0, 1, 3]).tobytes())
    with pytest.raises(Damaged, match="do not fit"):
        open_column(tmp_path, FORMAT, images=2)
