"""Scores by bytes are those of the bytes, and wrong by no more than they say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.index.byte_rows import (
    ZERO,
    byte_rows_of,
    byte_scores,
    byte_words,
    most_wrong,
    open_byte_rows,
    write_byte_rows,
)
from indexer.index.errors import Missing
from indexer.index.faiss_codes import map_index


def images_of(counts: list[int], width: int, seed: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    rows = np.random.default_rng(seed).standard_normal((sum(counts), width)).astype(np.float16)
    return rows, np.cumsum([0, *counts])


@settings(deadline=None)  # the first call compiles
@given(
    counts=st.lists(st.integers(1, 100), min_size=1, max_size=8),
    width=st.integers(1, 40),
    words=st.integers(1, 200),
    seed=st.integers(0, 100),
)
def test_a_score_is_wrong_by_no_more_than_is_said(counts: list[int], width: int, words: int, seed: int) -> None:
    rows, offsets = images_of(counts, width, seed)
    asked = np.random.default_rng(seed + 1).standard_normal((words, width)).astype(np.float32)
    bytes_of, scale = byte_rows_of(rows)
    images = np.arange(len(counts))[::-1].copy()
    (scores,) = byte_scores(bytes_of, scale, offsets, images, [byte_words(asked)])
    exact = [(asked @ rows[offsets[i] : offsets[i + 1]].astype(np.float32).T).max(axis=1).sum() for i in images]
    assert np.abs(scores - exact).max() <= most_wrong(scale, byte_words(asked)) + 1e-3


def test_the_bytes_are_multiplied_exactly() -> None:
    rows = np.random.default_rng(0).integers(-127, 128, (50, 12)).astype(np.float16)
    rows[0, 0] = 127  # so that a step is one
    words = np.random.default_rng(1).integers(-127, 128, (20, 12)).astype(np.float32)
    words[:, 0] = 127
    bytes_of, scale = byte_rows_of(rows)
    (scores,) = byte_scores(bytes_of, scale, np.array([0, 1, 8, 50]), np.array([0, 1, 2]), [byte_words(words)])
    cosines = words @ rows.astype(np.float32).T
    expected = [cosines[:, a:b].max(axis=1).sum() for a, b in ((0, 1), (1, 8), (8, 50))]
    assert scores == pytest.approx(expected, rel=1e-6) and scale.error == 0


@settings(deadline=None)
@given(words=st.lists(st.integers(1, 40), min_size=1, max_size=5), seed=st.integers(0, 100))
def test_of_many_sentences_each_is_scored_as_if_it_were_alone(words: list[int], seed: int) -> None:
    rows, offsets = images_of([3, 1, 7, 20], 12, seed)
    bytes_of, scale = byte_rows_of(rows)
    random, images = np.random.default_rng(seed), np.array([2, 0, 3])
    sentences = [byte_words(random.standard_normal((count, 12)).astype(np.float32)) for count in words]
    together = byte_scores(bytes_of, scale, offsets, images, sentences)
    alone = [byte_scores(bytes_of, scale, offsets, images, [sentence])[0] for sentence in sentences]
    np.testing.assert_array_equal(together, alone)


def test_the_number_of_threads_changes_nothing() -> None:
    rows, offsets = images_of([3] * 1000, 16, 0)
    words, (bytes_of, scale) = byte_words(np.ones((5, 16), np.float32)), byte_rows_of(rows)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(byte_scores(bytes_of, scale, offsets, np.arange(1000), [words]).tolist())
    torch.set_num_threads(before)
    assert found[0] == found[1]


def test_nothing_but_zeros_is_told_in_bytes() -> None:
    bytes_of, scale = byte_rows_of(np.zeros((4, 5), np.float16))
    words = byte_words(np.zeros((2, 5), np.float32))
    assert byte_scores(bytes_of, scale, np.array([0, 4]), np.array([0]), [words]).tolist() == [[0.0]]


def test_faiss_keeps_the_bytes_and_decodes_the_vectors_that_they_stand_for(tmp_path) -> None:
    rows, _ = images_of([3, 5], 6, seed=0)
    bytes_of, scale = byte_rows_of(rows)
    with (tmp_path / "rows").open("wb") as file:
        write_byte_rows(bytes_of, scale, file.write)
    opened = open_byte_rows(tmp_path / "rows")
    np.testing.assert_array_equal(opened, bytes_of)
    decoded = map_index(tmp_path / "rows").reconstruct_n(0, len(rows))
    np.testing.assert_allclose(decoded, (bytes_of.astype(np.float32) - ZERO) * scale.step, atol=1e-6)
    with pytest.raises(Missing):
        open_byte_rows(tmp_path / "nothing")
