"""Padding is not there."""

import pytest
import torch
from torch import nn

from model.selfalign.config import Scaling
from model.selfalign.places import PlaceNorm, mean_of_places, places, scale

LENGTHS = torch.tensor([4, 2, 3])


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_a_batch_norm_learns_from_real_places_alone(x):
    real = places(LENGTHS, 4, padding_counts=False)
    ours, plain = PlaceNorm(5), nn.BatchNorm1d(5)
    torch.testing.assert_close(ours(x, real)[real], plain(x[real]))
    torch.testing.assert_close(ours.running_var, plain.running_var)


def test_padding_counts_where_it_is_said_to(x):
    real = places(LENGTHS, 4, padding_counts=True)
    ours, plain = PlaceNorm(5), nn.BatchNorm1d(5)
    torch.testing.assert_close(ours(x, real).flatten(0, 1), plain(x.flatten(0, 1)))
    torch.testing.assert_close(mean_of_places(x, real), x.mean(dim=1))


def test_a_mean_is_that_of_the_real_places(x):
    means = mean_of_places(x, places(LENGTHS, 4, padding_counts=False))
    for row, length, mean in zip(x, LENGTHS, means, strict=True):
        torch.testing.assert_close(mean, row[:length].mean(dim=0))


def test_what_is_brought_to_length_one_is_a_vector_or_a_feature_over_the_places(x):
    real = places(LENGTHS, 4, padding_counts=False)
    torch.testing.assert_close(scale(x, Scaling.VECTOR, real).norm(dim=2), torch.ones(3, 4))
    for row, scaled, length in zip(x, scale(x, Scaling.FEATURE, real), LENGTHS, strict=True):
        torch.testing.assert_close(scaled[:length], row[:length] / row[:length].norm(dim=0))
    assert torch.equal(scale(x, Scaling.NONE, real), x)


def test_a_feature_that_is_nowhere_stays_zero():
    assert torch.equal(scale(torch.zeros(1, 4, 5), Scaling.FEATURE, torch.ones(1, 4)), torch.zeros(1, 4, 5))
