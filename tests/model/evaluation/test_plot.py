"""The numbers behind the picture of an evaluation."""

import numpy as np
import pytest

from model.evaluation.plot import DEPTH, plot_ranks, rank_ranges, recalls, shares
from model.evaluation.ranks import metrics


def test_the_curve_goes_through_the_recalls_of_the_table():
    ranks = np.random.default_rng(0).integers(0, 300, 500)
    curve, table = recalls(ranks), metrics(ranks)
    assert (curve[0], curve[4], curve[9]) == (table.r1, table.r5, table.r10)
    assert len(curve) == DEPTH and curve == sorted(curve)


def test_every_query_is_counted_once_in_the_histogram():
    ranks = np.array([0, 0, 1, 4, 999, 1000, 4999])
    found = shares(ranks, rank_ranges(5000))
    assert [round(share * 7 / 100) for share in found] == [2, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    assert sum(found) == pytest.approx(100.0)


def test_no_bar_is_for_ranks_that_there_cannot_be():
    assert rank_ranges(30) == [(1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 30)]
    assert rank_ranges(5) == [(1, 1), (2, 2), (3, 5)]
    assert rank_ranges(1) == [(1, 1)]


def test_both_directions_are_drawn():
    ranks = np.arange(50)
    one, both = (plot_ranks({"text to image": ranks} | more, items=50) for more in ({}, {"image to text": ranks // 2}))
    assert one.size == both.size and one.tobytes() != both.tobytes()
