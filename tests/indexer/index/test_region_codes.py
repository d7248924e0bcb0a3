"""Codes of regions are scanned as the obvious way would, and FAISS keeps them as they were."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.index.byte_rows import byte_words
from indexer.index.errors import Missing
from indexer.index.faiss_codes import map_index
from indexer.index.region_codes import (
    ENTRIES,
    STARTS,
    ByteCodebooks,
    Codebooks,
    RegionCodes,
    code_scores,
    open_codebooks,
    open_region_codes,
    word_tables,
    write_region_codes,
)

WIDTH = 8
CODEBOOKS: Codebooks = np.random.default_rng(0).standard_normal((STARTS[-1], WIDTH)).astype(np.float32)
IN_BYTES = ByteCodebooks.of(CODEBOOKS)


def entries_of(codes: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    return [codes & 1023, ENTRIES[0] + ((codes >> 10) & 2047), ENTRIES[0] + ENTRIES[1] + (codes >> 21)]


def random_codes(count: int, seed: int) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


@settings(deadline=None)  # the first call compiles
@given(
    counts=st.lists(st.integers(1, 100), min_size=1, max_size=20),
    words=st.integers(1, 200),
    seed=st.integers(0, 100),
)
def test_the_scan_is_that_of_the_obvious_way(counts: list[int], words: int, seed: int) -> None:
    codes, offsets = random_codes(sum(counts), seed), np.cumsum([0, *counts])
    images = np.flatnonzero(np.random.default_rng(seed).random(len(counts)) < 0.8)
    asked = np.random.default_rng(seed).standard_normal((words, WIDTH)).astype(np.float32)
    tables = word_tables(IN_BYTES, byte_words(asked))
    lanes = (
        tables.codes.values.astype(np.int64).swapaxes(0, 1).reshape(STARTS[-1], -1)
    )  # [entries, W and what fills up]
    worth = sum(lanes[entries] for entries in entries_of(codes))
    expected = [worth[a:b].max(axis=0).sum() for a, b in pairwise(offsets)]
    found = code_scores(RegionCodes.of(CODEBOOKS, codes, offsets), images, tables.codes.values)
    assert found.tolist() == [expected[image] for image in images]


@settings(deadline=None)
@given(words=st.integers(1, 40), seed=st.integers(0, 100))
def test_tables_tell_entries_apart_as_exact_products_do(words: int, seed: int) -> None:
    asked = np.random.default_rng(seed).standard_normal((words, WIDTH)).astype(np.float32)
    tables = word_tables(IN_BYTES, byte_words(asked))
    exact = CODEBOOKS[: ENTRIES[0]] @ asked.T
    above = np.maximum(exact - exact.mean(axis=0), 0)
    told = tables.sketches.values.swapaxes(1, 2).reshape(-1, ENTRIES[0])[:words].T
    assert np.abs(told / 254 * above.max() - above).max() < 0.02 * above.max()


@pytest.mark.parametrize("words", [1, 16, 17, 200])
def test_tables_add_up_within_a_byte(words: int) -> None:
    asked = np.random.default_rng(words).standard_normal((words, WIDTH)).astype(np.float32)
    tables = word_tables(IN_BYTES, byte_words(asked))
    most = sum(tables.codes.values[:, a:b].max(axis=1).astype(int) for a, b in pairwise(STARTS))
    assert 200 < most.max() <= 255


@settings(deadline=None)
@given(words=st.integers(1, 40), seed=st.integers(0, 100))
def test_the_deviation_is_how_far_apart_entries_of_the_next_stage_are(words: int, seed: int) -> None:
    asked = np.random.default_rng(seed).standard_normal((words, WIDTH)).astype(np.float32)
    first, second, third = (CODEBOOKS[start:end] @ asked.T for start, end in pairwise(STARTS))
    above = (first.max(axis=0) - first.mean(axis=0)).max()
    whole = first.max(axis=0) - first.mean(axis=0) + np.ptp(second, axis=0) + np.ptp(third, axis=0)
    tables = word_tables(IN_BYTES, byte_words(asked))
    for deviation, stage, per_unit in (
        (tables.sketches.deviation, second, 254 / above),
        (tables.codes.deviation, third, 252 / whole.max()),
    ):
        expected = np.sqrt(stage.sum(axis=1).var() + stage.var(axis=0).sum())
        assert deviation == pytest.approx(per_unit * expected, rel=0.03)


def test_tables_of_words_that_say_nothing_are_zero() -> None:
    tables = word_tables(IN_BYTES, byte_words(np.zeros((3, WIDTH), np.float32)))
    assert not tables.codes.values.any() and 0 < tables.codes.deviation < 1e-5


def test_faiss_gives_back_what_it_was_given(tmp_path: Path) -> None:
    codes = random_codes(500, seed=3)
    with (tmp_path / "codes").open("wb") as file:
        write_region_codes(CODEBOOKS, codes, file.write)
    opened = open_region_codes(tmp_path / "codes", np.array([0, 500]))
    np.testing.assert_array_equal(opened.codes, codes)
    np.testing.assert_array_equal(open_codebooks(tmp_path / "codes"), CODEBOOKS)
    said = sum(CODEBOOKS[entries] for entries in entries_of(codes))
    np.testing.assert_allclose(map_index(tmp_path / "codes").reconstruct_n(0, 500), said, atol=1e-5)


def test_codes_that_are_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        open_region_codes(tmp_path / "nothing", np.array([0]))
