"""The way of a sentence through a snapshot."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from indexer.index.shortlist import shortlist
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from model.scoring import Answer, align, score

RERANKED_AT_ONCE = 1024  # images whose vectors are in memory in float32,
NUMBERS_AT_ONCE = 2**26  # if they have no more numbers than these


@dataclass(frozen=True, slots=True)
class Hit:
    row: int  # in the snapshot that was searched
    id: str
    score: float
    rank: int  # the best has 1


@dataclass(frozen=True, slots=True)
class SearchResult:
    hits: tuple[Hit, ...]  # best first
    shortlisted: int
    shortlist_ms: float
    rerank_ms: float


def search(snapshot: Snapshot, sentence: SentenceEmbedding, *, limit: int, shortlist_size: int) -> SearchResult:
    """The best images of a shortlist by their exact score; ties by id, so that the same commit answers the same."""
    began = time.perf_counter()
    candidates = shortlist(snapshot, sentence, size=shortlist_size)
    shortlisted = time.perf_counter()
    rows = candidates.rows.sort().values  # [K], the order in which they lie on the disk
    hits = _best(snapshot, rows, _exact_scores(snapshot, rows, sentence), limit=limit)
    reranked = time.perf_counter()
    return SearchResult(
        hits=hits,
        shortlisted=len(rows),
        shortlist_ms=(shortlisted - began) * 1000,
        rerank_ms=(reranked - shortlisted) * 1000,
    )


def explain(snapshot: Snapshot, row: int, sentence: SentenceEmbedding) -> list[Answer]:
    """For every word of the sentence the region of the image that answered it, and its share of the score."""
    return align(snapshot.score_spec, snapshot.channels(row), sentence)


def _exact_scores(snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding) -> Tensor:
    """[K] float32"""
    spec = snapshot.score_spec
    scores = [torch.empty(0)]
    for some in torch.split(rows, _images_at_once(snapshot)) if len(rows) else ():
        candidates = {term.channel: snapshot.gather(term.channel, some) for term in spec.terms}
        scores.append(score(spec, candidates, sentence))
    return torch.cat(scores)


def _images_at_once(snapshot: Snapshot) -> int:
    columns = [column for part in snapshot.parts for column in part.segment.channels.values()]
    images, numbers = sum(len(part.alive) for part in snapshot.parts), sum(column.rows.size for column in columns)
    return max(1, min(RERANKED_AT_ONCE, NUMBERS_AT_ONCE * images // numbers))


def _best(snapshot: Snapshot, rows: Tensor, scores: Tensor, *, limit: int) -> tuple[Hit, ...]:
    limit = min(limit, len(rows))
    if not limit:
        return ()
    bar = scores.topk(limit).values[-1]
    above = torch.nonzero(scores >= bar).flatten()  # more than `limit` if scores tie at the bar
    found = zip(scores[above].tolist(), snapshot.ids(rows[above]), rows[above].tolist(), strict=True)
    best = sorted(found, key=lambda hit: (-hit[0], hit[1]))[:limit]
    return tuple(Hit(row, image_id, score, rank) for rank, (score, image_id, row) in enumerate(best, start=1))
