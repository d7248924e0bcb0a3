"""Work over a range, divided among threads; it runs at the same time where it holds no lock of the interpreter."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

Work = Callable[[int, int], object]  # from, to before


def divided(work: Work, count: int, *, least: int) -> None:
    """Call `work` for all of `range(count)`, in as many parts as torch has threads and none of less than `least`."""
    parts = max(1, min(torch.get_num_threads(), count // least))
    edges = [count * part // parts for part in range(parts + 1)]
    others = [_pool().submit(work, start, end) for start, end in pairwise(edges[1:])]
    work(edges[0], edges[1])
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")
