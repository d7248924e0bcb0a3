"""A sketch of every image, ten times as quick to compare as its codes: the distinct first stages of these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.kernels import draw_sketches, scan_sketches
from indexer.index.threads import divided

BLOCK = 256  # images, of which it is known where their sketches begin; no more than a byte can count
LEAST = 16  # blocks that are worth a thread


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Made when a segment is opened: about sixteen bytes an image."""

    triples: NDArray[np.uint32]  # three entries of ten bits each; the highest bit ends an image
    starts: NDArray[np.int64]  # of every block, and the end
    order: NDArray[np.uint8]  # [n], which image of its block comes next

    @property
    def nbytes(self) -> int:
        return self.triples.nbytes + self.starts.nbytes + self.order.nbytes


def sketches_of(codes: NDArray[np.uint32], offsets: NDArray[np.int64]) -> Sketches:
    """Of codes [sum of R], offsets [n + 1]."""
    images = len(offsets) - 1
    triples = np.empty(int(((np.diff(offsets) + 2) // 3).sum()), np.uint32)
    starts, order = np.empty(-(-images // BLOCK) + 1, np.int64), np.empty(images, np.uint8)
    return Sketches(triples[: draw_sketches(codes, offsets, BLOCK, triples, starts, order)].copy(), starts, order)


def sketch_scores(sketches: Sketches, alive: NDArray[np.bool_], values: NDArray[np.uint8]) -> NDArray[np.int32]:
    """MrSw of all images of a segment [n] by the tables of the first stage [blocks, entries, 16]; -1 for the dead."""
    scores = np.empty(len(alive), np.int32)
    triples, starts, order = sketches.triples, sketches.starts, sketches.order

    def scan(first: int, last: int) -> None:
        scan_sketches(triples, starts, order, BLOCK, alive, values, first, last, scores)

    divided(scan, len(starts) - 1, least=LEAST)
    return scores
