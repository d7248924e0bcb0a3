"""Where a sentence is compared with regions: on the CPU by sketches, codes and bytes first, or on another device."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.exact_rows import exact_scores, exact_words
from indexer.index.shortlist import Candidates, find_candidates
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from model.scoring import MaxSim, ScoreSpec, score

ROUNDING = 1e-3  # more than float32 makes of a score on any way
RERANKED_AT_ONCE = 1024  # images whose vectors are in memory in float32,
NUMBERS_AT_ONCE = 2**26  # if they have no more numbers than these


class Engine(Protocol):
    """The two steps of a search that take its time; both may be called from several threads."""

    def find_candidates(
        self, snapshot: Snapshot, words: Sequence[NDArray[np.float32]], *, recall: float, limit: int, least: int
    ) -> list[Candidates]:
        """For every sentence [W, D] what may be among its best `limit`, or this share of them; `least` images or more.

        A sentence gets what it would get alone.
        """

    def exact_scores(
        self, snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding, *, spec: ScoreSpec, settled: bool = False
    ) -> Tensor:
        """Of images [K], ascending: [K] float32.

        Images that are alike may have scores that differ by rounding, unless they are `settled`: then a score is the
        same whoever is scored beside it. That is for a few, for it takes longer.
        """


class CpuEngine:
    def find_candidates(
        self, snapshot: Snapshot, words: Sequence[NDArray[np.float32]], *, recall: float, limit: int, least: int
    ) -> list[Candidates]:
        return find_candidates(snapshot, words, recall=recall, limit=limit, least=least)

    def exact_scores(
        self, snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding, *, spec: ScoreSpec, settled: bool = False
    ) -> Tensor:
        (term, *others) = spec.counting_terms
        if term.kernel == MaxSim() and not others:  # settled as they are
            return term.weight * _mrsw(snapshot, rows, sentence, channel=term.channel)
        dtype = torch.float64 if settled else torch.float32
        words, scores = sentence.to("cpu", dtype), [torch.empty(0)]
        for some in torch.split(rows, images_at_once(snapshot)) if len(rows) else ():
            candidates = {term.channel: snapshot.gather(term.channel, some).to(dtype) for term in spec.terms}
            scores.append(score(spec, candidates, words).float())
        return torch.cat(scores)


ON_CPU: Final = CpuEngine()


def _mrsw(snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding, *, channel: str) -> Tensor:
    """[K] float32"""
    words = exact_words(sentence.channels[channel].numpy(force=True).astype(np.float32, copy=False))
    runs = ((part.segment.channels[channel], images) for part, images in snapshot.runs(rows))
    return torch.from_numpy(np.concatenate([np.empty(0, np.float32), *(exact_scores(*run, words) for run in runs)]))


def images_at_once(snapshot: Snapshot) -> int:
    columns = [column for part in snapshot.parts for column in part.segment.channels.values()]
    images, numbers = sum(len(part.alive) for part in snapshot.parts), sum(column.rows.size for column in columns)
    return max(1, min(RERANKED_AT_ONCE, NUMBERS_AT_ONCE * images // max(1, numbers)))
