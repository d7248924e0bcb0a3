"""Sketches hold the distinct first stages of codes, and are scanned as the obvious way would."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.sketches import sketch_scores, sketches_of

ENTRIES = 1024


@settings(deadline=None)  # the first call compiles
@given(
    counts=st.lists(st.integers(1, 100), min_size=1, max_size=600),
    kinds=st.sampled_from([1, 5, ENTRIES]),
    blocks=st.integers(1, 3),
    threads=st.integers(1, 3),
    seed=st.integers(0, 100),
)
def test_the_scan_is_that_of_the_obvious_way(
    counts: list[int], kinds: int, blocks: int, threads: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, kinds, sum(counts), dtype=np.uint32) | random.integers(0, 2**22, dtype=np.uint32) << 10
    tables = random.integers(0, 256, (blocks, ENTRIES, 16), dtype=np.uint8)
    alive, offsets = random.random(len(counts)) < 0.8, np.cumsum([0, *counts])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    found = sketch_scores(sketches_of(codes, offsets), alive, tables)
    torch.set_num_threads(before)
    best = [tables[:, codes[a:b] % ENTRIES].max(axis=1).sum(dtype=int) for a, b in pairwise(offsets)]
    assert found.tolist() == np.where(alive, best, -1).tolist()


def test_a_first_stage_is_kept_once() -> None:
    codes = np.repeat(np.arange(4, dtype=np.uint32), 9) | np.arange(36, dtype=np.uint32) << 10
    assert len(sketches_of(codes, np.array([0, 36])).triples) == 2
