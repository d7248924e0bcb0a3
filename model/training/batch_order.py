"""Which images make which batch, and what is random about it."""

import numpy as np
from numpy.typing import NDArray


def draw_batch(
    images: int, *, size: int, seed: int, epoch: int, number: int
) -> tuple[NDArray[np.int64], np.random.Generator]:
    """`size` of so many images, of which every epoch has an order of its own; what is seen of them, chance decides."""
    order: NDArray[np.int64] = np.random.default_rng([seed, epoch]).permutation(images)
    return order[number * size : (number + 1) * size], np.random.default_rng([seed, epoch, number])
