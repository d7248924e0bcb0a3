"""The region index finds the nearest rows: all of them when small, nearly all when large."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.index.durable_files import SealedFile
from indexer.index.region_index import (
    FLAT_BELOW,
    RegionIndex,
    build_region_index,
    nearest_regions,
    open_region_index,
    write_region_index,
)

LARGE = FLAT_BELOW + 1000


def clustered_rows(count: int, *, seed: int) -> NDArray[np.float16]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((100, 16))
    rows = centres[random.integers(0, 100, count)] + 0.5 * random.standard_normal((count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def written(index: RegionIndex, path: Path) -> bytes:
    file = SealedFile(path)
    write_region_index(index, file.write)
    file.seal()
    return path.read_bytes()


@pytest.mark.parametrize(("count", "recall"), [(1, 1.0), (500, 1.0), (LARGE, 0.9)])
def test_the_nearest_rows_are_those_of_brute_force(tmp_path: Path, count: int, recall: float) -> None:
    rows, words = clustered_rows(count, seed=1), clustered_rows(20, seed=2).astype(np.float32)
    written(build_region_index(rows), tmp_path / "index")
    found, similarities = nearest_regions(open_region_index(tmp_path / "index"), words, count=10, share=0.1)
    exact = words @ rows.astype(np.float32).T  # [W, n]
    nearest = np.argsort(-exact, axis=1)[:, :10]
    assert np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, nearest, strict=True)]) >= recall
    np.testing.assert_allclose(similarities, np.take_along_axis(exact, found, axis=1), atol=0.02)


@pytest.mark.parametrize("count", [500, LARGE])
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, count: int) -> None:
    rows = clustered_rows(count, seed=3)
    first, second = (written(build_region_index(rows), tmp_path / name) for name in ("first", "second"))
    assert first == second


def test_where_few_are_found_the_first_stands_in(tmp_path: Path) -> None:
    index = build_region_index(clustered_rows(LARGE, seed=1))
    words = clustered_rows(3, seed=2).astype(np.float32)
    found, similarities = nearest_regions(index, words, count=LARGE, share=0.001)
    assert found.min() >= 0
    np.testing.assert_array_equal(found[:, -1], found[:, 0])
    np.testing.assert_array_equal(similarities[:, -1], similarities.max(axis=1))


def test_a_word_that_finds_nothing_speaks_for_no_row() -> None:
    index = faiss.index_factory(2, "IVF2,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(np.repeat(np.eye(2, dtype=np.float32), 50, axis=0))
    index.add(np.float32([[1, 0]]))  # the other list stays empty
    found, similarities = nearest_regions(index, np.float32([[0, 1]]), count=1, share=0.5)
    assert (found.tolist(), similarities.tolist()) == ([[0]], [[0.0]])


def test_the_threads_of_faiss_are_left_as_they_were() -> None:
    before = faiss.omp_get_max_threads()
    nearest_regions(build_region_index(clustered_rows(LARGE, seed=1)), np.ones((1, 16), np.float32), count=1, share=1.0)
    assert faiss.omp_get_max_threads() == before
