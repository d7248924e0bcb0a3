"""Random images and words, and the obvious way to find the best: every image scored alone."""

import numpy as np
import torch

from indexer.index.memory_snapshot import CHANNEL, Image
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding

WIDTH = 12


def images_of(counts: list[int], seed: int) -> list[Image]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((count, WIDTH)).astype(np.float16) for count in counts]


def words_of(count: int, seed: int) -> SentenceEmbedding:
    random = torch.Generator().manual_seed(seed)
    return SentenceEmbedding("", {CHANNEL: torch.randn(count, WIDTH, generator=random)}, (), torch.empty(0))


def brute_force(snapshot: Snapshot, sentence: SentenceEmbedding, limit: int) -> list[tuple[str, float]]:
    """Ids and MrSw, best first."""
    words, rows = sentence.channels[CHANNEL], snapshot.live_rows.tolist()
    scores = [float((snapshot.channels(row)[CHANNEL] @ words.T).amax(0).sum()) for row in rows]
    found = zip(snapshot.ids(snapshot.live_rows), scores, strict=True)
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:limit]
