"""NDCG of a ranking where several answers are partly right (Messina et al., TOMM 2021, section 5.1)."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.errors import BadFeatures
from model.evaluation.ranks import Scores, top

DEPTH = 25
ROUGE_BETA = 1.2


def ndcg(scores: Scores, relevance: NDArray[np.float32]) -> NDArray[np.float64]:
    """NDCG@25 of every row of `scores`; both [queries, candidates]. A query without any relevant candidate has 0."""
    k = min(DEPTH, scores.shape[1])
    gains = np.exp2(relevance.astype(np.float64)) - 1
    discounts = 1 / np.log2(np.arange(k) + 2)
    found = np.take_along_axis(gains, top(scores, k), axis=1) @ discounts
    ideal = -np.sort(-gains, axis=1)[:, :k] @ discounts
    quotients: NDArray[np.float64] = np.divide(found, ideal, out=np.zeros_like(found), where=ideal > 0)
    return quotients


def mean_image_to_text(values: NDArray[np.float64]) -> float:
    """The published mean of image queries, which leaves out zeros."""
    some = values[values != 0]
    return float(some.mean()) if len(some) else 0.0


def rouge_l(query: str, references: Sequence[str]) -> float:
    """ROUGE-L of a sentence against an image's captions, words split at spaces; best precision and recall apart."""
    words = query.lower().split(" ")
    common = [(_longest_common(words, other), len(other)) for other in (r.lower().split(" ") for r in references)]
    precision = max(length / len(words) for length, _ in common)
    recall = max(length / size for length, size in common)
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def read_relevance(path: Path, *, sentences: int, images: int) -> NDArray[np.float32]:
    """A published relevance file: raw float32 in rows of images, without the header that its suffix `.npy` promises."""
    if path.stat().st_size != sentences * images * 4:
        raise BadFeatures(f"{path} holds {path.stat().st_size} bytes, not {sentences} sentences x {images} images x 4")
    return np.fromfile(path, dtype="<f4").reshape(sentences, images)


def _longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    if not Counter(left) & Counter(right):
        return 0
    row = [0] * (len(right) + 1)
    for word in left:
        diagonal = 0
        for place, other in enumerate(right, start=1):
            diagonal, row[place] = row[place], diagonal + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]
