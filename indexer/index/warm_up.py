"""What is compiled when a process starts, so that no query waits for a compiler."""

import mmap

import numpy as np

from indexer.index.kernels import (
    best_cosines,
    best_products,
    count_scores,
    draw_sketches,
    scan_codes,
    scan_sketches,
)
from indexer.index.memory_hints import ask_for_pages
from indexer.index.table_kernels import deviation, entry_products, fill_tables
from indexer.index.vector_loops import CODE_BITS, LANES


def warm_up() -> None:
    """Compile what a search needs, or read it from where it is kept: seconds that no user should wait for."""
    offsets, images, alive = np.array([0, 1]), np.zeros(1, np.int64), np.ones(1, np.bool_)
    entries = np.array([0, *np.cumsum([2**bits for bits in CODE_BITS])])
    steps, zeros, scores = np.zeros((3, 1, LANES), np.float32), np.zeros((1, LANES), np.int32), np.empty(1, np.float32)
    words, products = np.zeros((1, 1, LANES, 4), np.int8), np.zeros((1, entries[-1], LANES), np.int32)
    tables = np.zeros(products.shape, np.uint8)
    rows = np.zeros((4, 4), np.uint8)
    entry_products(rows, words, 0, 4, products)
    fill_tables(products, entries, steps, tables)
    deviation(products, 0, 1, steps[0])
    codes, steps_of_codes = np.zeros(1, np.uint32), np.empty(1, np.int32)
    starts, order = np.zeros(2, np.int64), np.zeros(1, np.uint8)
    draw_sketches(codes, offsets, 1, codes, starts, order)
    scan_sketches(codes, starts, order, 1, alive, tables, 0, 1, steps_of_codes)
    scan_codes(codes, offsets, images, tables, 0, 1, steps_of_codes)
    count_scores(steps_of_codes, np.zeros(1, np.int64))
    ask_for_pages(rows.ctypes.data, rows.strides[0], offsets, images, mmap.PAGESIZE, 0, 0)
    best_products(rows, offsets, images, words, steps[0], zeros, np.zeros(1, np.int64), 0, 1, scores[None])
    best_cosines(np.zeros((1, 1), np.uint16), offsets, images, np.zeros((1, 1, LANES), np.float32), 0, 1, scores)
