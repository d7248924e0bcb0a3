"""A search on a device whose place the CPU takes where the device fails: another program has taken its memory, say."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.engine import ON_CPU, Engine
from indexer.index.shortlist import Candidates
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from model.scoring import ScoreSpec

logger = logging.getLogger(__name__)

FAILED = "the CPU does a step of a search, for the GPU failed: %s"


class SparedEngine:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def find_candidates(
        self, snapshot: Snapshot, words: Sequence[NDArray[np.float32]], *, recall: float, limit: int, least: int
    ) -> list[Candidates]:
        try:
            return self.engine.find_candidates(snapshot, words, recall=recall, limit=limit, least=least)
        except RuntimeError as error:  # as torch tells whatever goes wrong on a device
            logger.warning(FAILED, in_a_line(error))
        # Not in the handler above: until that is left, the error holds on to all that the device had computed.
        return ON_CPU.find_candidates(snapshot, words, recall=recall, limit=limit, least=least)

    def exact_scores(
        self, snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding, *, spec: ScoreSpec, settled: bool = False
    ) -> Tensor:
        try:
            return self.engine.exact_scores(snapshot, rows, sentence, spec=spec, settled=settled)
        except RuntimeError as error:
            logger.warning(FAILED, in_a_line(error))
        return ON_CPU.exact_scores(snapshot, rows, sentence, spec=spec, settled=settled)


def in_a_line(error: Exception) -> str:
    (reason, *_) = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {reason}"
