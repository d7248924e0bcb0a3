"""Ranks and metrics against sorting by hand."""

import numpy as np
import pytest

from model.evaluation.ranks import image_to_text_ranks, metrics, rsum, text_to_image_ranks


def test_ranks_are_those_of_a_sorted_list():
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 4, (6, 12)).astype(np.float32)  # many ties
    owners = np.arange(12) // 2
    for caption in range(12):
        order = sorted(range(6), key=lambda image: (-scores[image, caption], image))
        assert text_to_image_ranks(scores, owners)[caption] == order.index(owners[caption])
    for image in range(6):
        order = sorted(range(12), key=lambda caption: (-scores[image, caption], caption))
        first = min(order.index(caption) for caption in range(12) if owners[caption] == image)
        assert image_to_text_ranks(scores, owners)[image] == first


def test_what_is_no_number_is_found_last():
    scores = np.full((3, 3), np.nan, np.float32)
    assert text_to_image_ranks(scores, np.arange(3)).tolist() == [3, 3, 3]
    assert image_to_text_ranks(scores, np.arange(3)).tolist() == [3, 3, 3]


def test_metrics_count_ranks_from_one():
    found = metrics(np.array([0, 0, 3, 4, 9, 10]))
    assert (found.r1, found.r5, found.r10) == (pytest.approx(100 / 3), pytest.approx(400 / 6), pytest.approx(500 / 6))
    assert (found.medr, found.meanr) == (4.0, pytest.approx(26 / 6 + 1))
    assert rsum(found, found) == pytest.approx(2 * (found.r1 + found.r5 + found.r10))
