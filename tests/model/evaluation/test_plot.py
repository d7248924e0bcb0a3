"""The numbers behind the picture of an evaluation."""

import numpy as np
import pytest

from model.evaluation.plot import DEPTH, EDGES, plot_ranks, recalls, shares
from model.evaluation.ranks import metrics


def test_the_curve_goes_through_the_recalls_of_the_table():
    ranks = np.random.default_rng(0).integers(0, 300, 500)
    curve, table = recalls(ranks), metrics(ranks)
    assert (curve[0], curve[4], curve[9]) == (table.r1, table.r5, table.r10)
    assert len(curve) == DEPTH and curve == sorted(curve)


def test_every_query_is_counted_once_in_the_histogram():
    ranks = np.array([0, 0, 1, 4, 999, 1000, 50_000])
    assert sum(shares(ranks)) == pytest.approx(100.0)
    assert shares(ranks)[0] == pytest.approx(200 / 7) and shares(ranks)[-1] == pytest.approx(200 / 7)
    assert len(shares(ranks)) == len(EDGES)


def test_both_directions_are_drawn():
    ranks = np.arange(50)
    one, both = plot_ranks({"text to image": ranks}), plot_ranks({"text to image": ranks, "image to text": ranks // 2})
    assert one.size == both.size and one.tobytes() != both.tobytes()
