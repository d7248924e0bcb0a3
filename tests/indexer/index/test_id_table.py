"""The table of ids finds what a dictionary would."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.index.id_table import IdTable, keys_of, order_of
from tests.indexer.index.tiny import image_id

NUMBERS = st.integers(0, 50)


@given(present=st.lists(NUMBERS, min_size=1, unique=True), asked=st.lists(NUMBERS))
def test_rows_are_found_as_a_dictionary_would(present: list[int], asked: list[int]) -> None:
    keys = keys_of(image_id(number) for number in present)
    rows = IdTable(keys, order_of(keys)).rows_of(keys_of(image_id(number) for number in asked))
    expected = {number: row for row, number in enumerate(present)}
    assert rows.tolist() == [expected.get(number, -1) for number in asked]


def test_a_row_has_the_id_that_was_put_there() -> None:
    keys = keys_of([image_id(3), image_id(1)])
    table = IdTable(keys, order_of(keys))
    assert [table.id_of(row) for row in range(2)] == [image_id(3), image_id(1)]
    assert table.order.dtype == np.int64
