"""The loops that make the tables of a sentence: what every entry of the codebooks is worth to every word."""

from typing import Any

import numpy as np
from numba import njit

from indexer.index.compiled import compiled
from indexer.index.kernels import four_products
from indexer.index.vector_loops import LANES


@compiled
def entry_products(entries: Any, words: Any, first: int, last: int, products: Any) -> None:
    """Byte rows [first:last] times words [blocks, quads, 16, 4], into `products` [blocks, entries, 16] int32."""
    for block in range(words.shape[0]):
        for row in range(first, last, 4):
            four_products(entries, row, last, words, block, products[block, row:])


@compiled
def fill_tables(products: Any, starts: Any, steps: Any, tables: Any) -> Any:
    """Worths in bytes, of products [blocks, entries, 16] int32; how many steps of the tables 1 is.

    Steps [stages, blocks, 16]: what one of a product is worth. A step of the tables is so coarse that one entry of each
    stage add up to 255 at most. Entries of the first stage below their mean count as the mean: the region that answers
    a word is better than that.
    """
    stages, blocks = steps.shape[0], steps.shape[1]
    lowest = np.empty((stages, blocks, LANES), np.int32)
    most = np.float32(0.0)
    for block in range(blocks):
        span = np.zeros(LANES, np.float32)
        for stage in range(stages):
            low, high, total = _extremes(products[block, starts[stage] : starts[stage + 1]])
            for lane in range(LANES):
                if stage == 0:
                    low[lane] = total[lane] // (starts[1] - starts[0])
                lowest[stage, block, lane] = low[lane]
                span[lane] += steps[stage, block, lane] * np.float32(high[lane] - low[lane])
        most = max(most, span.max())
    in_bytes = np.float32(255 - stages) / most if most > 0 else np.float32(0.0)
    for block in range(blocks):
        for stage in range(stages):
            for entry in range(starts[stage], starts[stage + 1]):
                for lane in range(LANES):
                    above = max(products[block, entry, lane] - lowest[stage, block, lane], 0)
                    worth = np.float32(above) * (steps[stage, block, lane] * in_bytes) + np.float32(0.5)
                    tables[block, entry, lane] = np.uint8(np.int32(worth))
    return in_bytes


@compiled
def deviation(products: Any, first: int, last: int, steps: Any) -> Any:
    """The standard deviation of what the entries [first:last] are worth to a sentence; products and steps as above.

    Its square is the variance of what all words say together and, on top, that of what every word says: an error in
    the code of a region reaches a score by all of them or by one.
    """
    blocks, count = products.shape[0], last - first
    together = np.zeros(count, np.float32)
    variance = 0.0
    for block in range(blocks):
        sums, squares = _sums_of_lanes(products[block, first:last], steps[block], together)
        for lane in range(LANES):
            variance += squares[lane] / count - (sums[lane] / count) ** 2
    return np.sqrt(max(0.0, variance + together.var()))


@njit(nogil=True, fastmath=True)
def _sums_of_lanes(products: Any, steps: Any, together: Any) -> Any:
    """The sum and the sum of squares of every lane of [n, 16] int32, counted from the first row; lanes are added up."""
    sums, squares = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    for row in range(len(products)):
        total = np.float32(0.0)
        for lane in range(LANES):
            worth = steps[lane] * np.float32(products[row, lane] - products[0, lane])
            sums[lane] += worth
            squares[lane] += worth * worth
            total += worth
        together[row] += total
    return sums, squares


@njit(nogil=True)
def _extremes(products: Any) -> Any:
    """The lowest, the highest and the sum of every lane of [n, 16] int32."""
    low, high, total = products[0].copy(), products[0].copy(), np.zeros(LANES, np.int64)
    for row in range(len(products)):
        for lane in range(LANES):
            low[lane] = min(low[lane], products[row, lane])
            high[lane] = max(high[lane], products[row, lane])
            total[lane] += products[row, lane]
    return low, high, total
