"""A sketch of every image, ten times as quick to compare as its codes: the distinct first stages of these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.kernels import draw_sketches, scan_sketches
from indexer.index.threads import divided

BLOCK = 256  # images, of which it is known where their sketches begin
LEAST = 16  # blocks that are worth a thread


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Made when a segment is opened: about fifteen bytes an image."""

    triples: NDArray[np.uint32]  # three entries of ten bits each; the highest bit ends an image
    starts: NDArray[np.int64]  # of the first image of every block, and the end


def sketches_of(codes: NDArray[np.uint32], offsets: NDArray[np.int64]) -> Sketches:
    """Of codes [sum of R], offsets [n + 1]."""
    images = len(offsets) - 1
    triples = np.empty(int(((np.diff(offsets) + 2) // 3).sum()), np.uint32)
    starts = np.empty(-(-images // BLOCK) + 1, np.int64)
    return Sketches(triples[: draw_sketches(codes, offsets, BLOCK, triples, starts)].copy(), starts)


def sketch_scores(sketches: Sketches, alive: NDArray[np.bool_], worth: NDArray[np.uint8]) -> NDArray[np.int32]:
    """MrSw of all images of a segment [n] by the tables of the first stage [blocks, entries, 16]; -1 for the dead."""
    scores = np.empty(len(alive), np.int32)

    def scan(first: int, last: int) -> None:
        images = min(last * BLOCK, len(alive))
        scan_sketches(sketches.triples, sketches.starts[first], alive, worth, first * BLOCK, images, scores)

    divided(scan, len(sketches.starts) - 1, least=LEAST)
    return scores
