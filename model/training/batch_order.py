"""Which images make which batch."""

import numpy as np
from numpy.typing import NDArray


def rows_of_batch(images: int, *, size: int, seed: int, epoch: int, number: int) -> NDArray[np.int64]:
    """`size` of so many images: every epoch has an order of its own."""
    order: NDArray[np.int64] = np.random.default_rng([seed, epoch]).permutation(images)
    return order[number * size : (number + 1) * size]
