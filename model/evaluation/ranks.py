"""Ranks of the right answers in a score matrix, and the retrieval metrics of Recall@K made of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]  # [N images, C sentences]
Owners = NDArray[np.int64]  # [C] the image that each sentence describes
Ranks = NDArray[np.int64]  # 0-based, one for each query


@dataclass(frozen=True, slots=True)
class Metrics:
    """Recalls in percent; medr and meanr count from one."""

    r1: float
    r5: float
    r10: float
    medr: float
    meanr: float


def text_to_image_ranks(scores: Scores, owners: Owners) -> Ranks:
    """[C]: where each sentence finds its image. Equal scores rank by image, the lower index first."""
    return _ranks_of(scores.T, owners)


def image_to_text_ranks(scores: Scores, owners: Owners) -> Ranks:
    """[N]: where each image finds the first of its sentences. Equal scores rank by sentence, the lower index first."""
    ranks = np.full(len(scores), len(owners), dtype=np.int64)
    order = np.argsort(-scores, axis=1, kind="stable")  # [N, C]
    for image, sentences in enumerate(order):
        found = np.flatnonzero((owners[sentences] == image) & ~np.isnan(scores[image, sentences]))
        if len(found):
            ranks[image] = found[0]
    return ranks


def top(scores: Scores, k: int) -> NDArray[np.int64]:
    """The k best columns of every row, best first; equal scores by column."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def metrics(ranks: Ranks) -> Metrics:
    def recall(k: int) -> float:
        return 100.0 * float(np.mean(ranks < k))

    median = float(np.floor(np.median(ranks))) + 1
    return Metrics(recall(1), recall(5), recall(10), medr=median, meanr=float(np.mean(ranks)) + 1)


def rsum(*parts: Metrics) -> float:
    """The sum of the recalls, by which the field compares whole models."""
    return sum(part.r1 + part.r5 + part.r10 for part in parts)


def mean_metrics(folds: list[Metrics]) -> Metrics:
    """The average over folds, as in the protocol of COCO 1K."""
    columns = zip(*((m.r1, m.r5, m.r10, m.medr, m.meanr) for m in folds), strict=True)
    return Metrics(*(float(np.mean(column)) for column in columns))


def _ranks_of(scores: NDArray[np.float32], right: NDArray[np.int64]) -> Ranks:
    """Rank of the right column in every row, without sorting the row; one whose score is no number is the last."""
    own = scores[np.arange(len(scores)), right][:, None]
    before = np.arange(scores.shape[1]) < right[:, None]
    ranks: Ranks = (~(scores <= own) | ((scores == own) & before)).sum(axis=1)
    return ranks
