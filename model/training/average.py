"""The mean of a module's weights over its last steps, which generalises better than the last ones alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    def __init__(self, module: nn.Module, *, decay: float) -> None:
        """Exponential, of what learns and of normalisations' statistics; with a `decay` of 0 it is what they are."""
        learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._learned = [*learning, *(buffer for buffer in module.buffers() if buffer.is_floating_point())]
        self._mean = [parameter.detach().clone() for parameter in self._learned]
        self._decay = decay

    def update(self, *, step: int) -> None:
        """After the step of this number, the first being 1."""
        decay = min(self._decay, (1 + step) / (10 + step))  # the random weights of the beginning are soon forgotten
        with torch.no_grad():
            for mean, parameter in zip(self._mean, self._learned, strict=True):
                mean.lerp_(parameter, 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The module has the mean weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> list[Tensor]:
        return self._mean

    def load_state(self, state: list[Tensor]) -> None:
        for mean, value in zip(self._mean, state, strict=True):
            mean.copy_(value)

    def _swap(self) -> None:
        for place, parameter in enumerate(self._learned):
            parameter.data, self._mean[place] = self._mean[place], parameter.data
