"""Codes are those of the nearest entries, stage by stage, as far as bytes can tell them apart."""

import numpy as np
import pytest

from indexer.index.byte_rows import byte_rows_of
from indexer.index.region_codes import ENTRIES, STARTS
from indexer.region_coder import code_error, encode_rows, train_codebooks

ROWS = np.random.default_rng(0).standard_normal((5000, 16)).astype(np.float16)


@pytest.fixture(scope="module")
def coded():
    codebooks = train_codebooks(ROWS)
    return codebooks, encode_rows(codebooks, *byte_rows_of(ROWS))


def test_codes_are_nearly_as_good_as_those_of_the_obvious_way(coded):
    codebooks, codes = coded
    rest = ROWS.astype(np.float32)
    for start, entries in zip(STARTS, ENTRIES, strict=False):
        book = codebooks[start : start + entries]
        rest = rest - book[(rest @ book.T - (book**2).sum(axis=1) / 2).argmax(axis=1)]
    assert code_error(codebooks, codes, ROWS) == pytest.approx((rest**2).sum(axis=1).mean(), rel=0.1, abs=0.05)


def test_the_same_rows_train_the_same_codebooks(coded):
    np.testing.assert_array_equal(train_codebooks(ROWS), coded[0])
