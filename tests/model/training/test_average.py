"""The mean of weights over steps."""

import pytest
import torch
from torch import nn

from model.training.average import WeightAverage


def test_it_is_the_exponential_mean_and_used_only_when_asked():
    module = nn.Linear(3, 2)
    average = WeightAverage(module, decay=0.9)
    expected = module.weight.detach().clone()
    for step in range(1, 30):
        with torch.no_grad():
            module.weight.add_(torch.randn(2, 3))
        average.update(step=step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.weight.detach()
    learned = module.weight.detach().clone()
    with pytest.raises(KeyError), average.in_use():
        assert torch.allclose(module.weight, expected, atol=1e-5)
        raise KeyError
    assert torch.equal(module.weight, learned)


def test_without_decay_it_is_what_was_learned_last():
    module = nn.Linear(3, 2)
    average = WeightAverage(module, decay=0.0)
    with torch.no_grad():
        module.weight.mul_(2)
    average.update(step=1)
    with average.in_use():
        used = module.weight.detach().clone()
    assert torch.equal(used, module.weight)


def test_the_statistics_of_normalisations_are_averaged_along():
    module = nn.BatchNorm1d(3)
    average = WeightAverage(module, decay=0.9)
    module(torch.randn(50, 3) + 5)
    average.update(step=1)
    learned = module.running_mean.clone()
    with average.in_use():
        assert torch.allclose(module.running_mean, learned * (1 - 2 / 11))
    assert torch.equal(module.running_mean, learned)
