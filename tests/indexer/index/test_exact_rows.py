"""Exact scores are those of float16 rows in float32, and of an image the same in any company."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.columns import Column, column_of
from indexer.index.exact_rows import exact_scores, exact_words


def random_column(counts: list[int], width: int, seed: int) -> Column:
    rows = np.random.default_rng(seed).standard_normal((sum(counts), width)).astype(np.float16)
    return column_of(rows, np.cumsum([0, *counts]))


@settings(deadline=None)  # the first call compiles
@given(
    counts=st.lists(st.integers(1, 100), min_size=1, max_size=8),
    width=st.integers(1, 40),
    words=st.integers(0, 200),
    seed=st.integers(0, 100),
)
def test_scores_are_those_of_the_obvious_way(counts: list[int], width: int, words: int, seed: int) -> None:
    column = random_column(counts, width, seed)
    asked = np.random.default_rng(seed + 1).standard_normal((words, width)).astype(np.float32)
    images = np.arange(len(counts))[::-1].copy()
    expected = [(asked @ column[image].astype(np.float32).T).max(axis=1, initial=-np.inf).sum() for image in images]
    np.testing.assert_allclose(exact_scores(column, images, exact_words(asked)), expected, rtol=1e-5, atol=1e-4)


def test_every_finite_float16_is_read_as_it_is() -> None:
    every = np.arange(2**16).astype(np.uint16).view(np.float16)
    every = every[np.isfinite(every)][:, None]
    column = Column(every, np.arange(len(every) + 1), None)
    scores = exact_scores(column, np.arange(len(every)), exact_words(np.ones((1, 1), np.float32)))
    np.testing.assert_array_equal(scores, every[:, 0].astype(np.float32))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_score_of_an_image_depends_on_no_other(threads: int) -> None:
    column, words = random_column([7] * 100, 33, seed=0), exact_words(np.eye(20, 33, dtype=np.float32))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    together = exact_scores(column, np.arange(100), words)
    torch.set_num_threads(before)
    assert together.tolist() == [float(exact_scores(column, np.array([image]), words)[0]) for image in range(100)]
