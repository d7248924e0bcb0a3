"""The way of a sentence through a snapshot."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.engine import ON_CPU, ROUNDING, Engine
from indexer.index.errors import BadQuery
from indexer.index.shortlist import Candidates
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from model.scoring import Answer, MaxSim, Pooling, ScoreSpec, Term, align

DEFAULT_RECALL = 0.99
FULL_RECALL = 1.0  # for which nothing is passed over
BLIND_CANDIDATES = 4000  # images that are scored by bytes at least, where that says little about the score
RERANKED, RERANKED_BLINDLY = 32, 1000  # images at least, if their order by bytes says much about the score, or little
NEAR = 1e-5  # of 1 and of a score: images that are alike may be scored so far apart, by what is scored beside them


@dataclass(frozen=True, slots=True)
class Hit:
    row: int  # in the snapshot that was searched
    id: str
    score: float
    rank: int  # the best has 1


@dataclass(frozen=True, slots=True)
class SearchResult:
    hits: tuple[Hit, ...]  # best first
    shortlisted: int  # images that were scored exactly
    shortlist_ms: float
    rerank_ms: float


def search(
    snapshot: Snapshot,
    sentence: SentenceEmbedding,
    *,
    limit: int,
    recall: float = DEFAULT_RECALL,
    shortlist_size: int | None = None,
    engine: Engine = ON_CPU,
) -> SearchResult:
    """The best images by their exact score; ties by id, so that the same commit answers the same.

    `recall` is the share of the exact best that is promised of an answer: with 1.0 the answer is that of scoring all,
    and so it is in any collection of a few thousand images. `shortlist_size` says how many are scored exactly instead.
    """
    (result,) = search_many(
        snapshot, [sentence], limit=limit, recall=recall, shortlist_size=shortlist_size, engine=engine
    )
    return result


def search_many(
    snapshot: Snapshot,
    sentences: Sequence[SentenceEmbedding],
    *,
    limit: int,
    recall: float = DEFAULT_RECALL,
    shortlist_size: int | None = None,
    engine: Engine = ON_CPU,
) -> list[SearchResult]:
    """What `search` answers to each; what scans have in common is done once."""
    if not sentences:
        return []
    began = time.perf_counter()
    words = [_words(snapshot, sentence) for sentence in sentences]
    least = shortlist_size or 0
    if shortlist_size is None and _factor(snapshot, sentences[0]) is None:
        least = snapshot.live_count if recall >= FULL_RECALL else BLIND_CANDIDATES
    candidates = engine.find_candidates(snapshot, words, recall=recall, limit=limit, least=least)
    shortlist_ms = (time.perf_counter() - began) * 1000
    results = []
    for some, sentence in zip(candidates, sentences, strict=True):
        began = time.perf_counter()
        rows, scores = _rerank(snapshot, some, sentence, engine, limit=limit, recall=recall, size=shortlist_size)
        hits = _best(snapshot, rows, scores, sentence, engine, limit=limit)
        results.append(SearchResult(hits, len(rows), shortlist_ms, (time.perf_counter() - began) * 1000))
    return results


def explain(snapshot: Snapshot, row: int, sentence: SentenceEmbedding) -> list[Answer]:
    """For every word of the sentence the region of the image that answered it, and its share of the score."""
    return align(snapshot.score_spec, snapshot.channels(row), sentence)


def _words(snapshot: Snapshot, sentence: SentenceEmbedding) -> NDArray[np.float32]:
    """The words [W, D] that regions are shortlisted by. Raises BadQuery."""
    if not all(bool(vectors.isfinite().all()) for vectors in sentence.channels.values()):
        raise BadQuery(f"the vectors of {sentence.text[:80]!r} are not finite: the encoder is at fault")
    channel = snapshot.score_spec.terms[0].channel
    return sentence.channels[channel].numpy(force=True).astype(np.float32)


def _rerank(
    snapshot: Snapshot,
    candidates: Candidates,
    sentence: SentenceEmbedding,
    engine: Engine,
    *,
    limit: int,
    recall: float,
    size: int | None,
) -> tuple[Tensor, Tensor]:
    """The candidates that were scored exactly [K], ascending, and their scores [K] float32."""
    factor = _factor(snapshot, sentence)
    everything = len(candidates.rows)
    if size is None and factor is None:
        size = everything if recall >= FULL_RECALL else max(RERANKED_BLINDLY, limit)
    chosen = _highest(candidates.scores, size or max(RERANKED, 3 * limit))
    if factor is None and len(chosen) < everything:
        chosen = _highest_by_vectors(snapshot, candidates, sentence, engine, count=len(chosen))
    rows = torch.from_numpy(candidates.rows[chosen])
    scores = engine.exact_scores(snapshot, rows, sentence, spec=snapshot.score_spec)
    if size is not None or factor is None or not candidates.complete or len(rows) == everything:
        return rows, scores
    # Whoever may still belong to the best: the bytes are wrong by no more than is known.
    bar = float(scores.topk(limit).values[-1]) / factor - candidates.most_wrong - ROUNDING
    others = np.setdiff1d(np.flatnonzero(candidates.scores >= bar), chosen)
    more = torch.from_numpy(candidates.rows[others])
    further = engine.exact_scores(snapshot, more, sentence, spec=snapshot.score_spec)
    return torch.cat([rows, more]), torch.cat([scores, further])


def _highest_by_vectors(
    snapshot: Snapshot, candidates: Candidates, sentence: SentenceEmbedding, engine: Engine, *, count: int
) -> NDArray[np.int64]:
    """The places of those that are shortlisted where another score than MrSw decides: by MrSw of the exact vectors."""
    likely = _highest(candidates.scores, max(2 * count, 2 * RERANKED))
    (term, *_) = snapshot.score_spec.terms
    by_mrsw = ScoreSpec((Term(term.channel, MaxSim()),))
    rows = torch.from_numpy(candidates.rows[likely])
    return likely[_highest(engine.exact_scores(snapshot, rows, sentence, spec=by_mrsw).numpy(), count)]


def _factor(snapshot: Snapshot, sentence: SentenceEmbedding) -> float | None:
    """What makes the score of MrSw, if it is nothing else; candidates are in its order then."""
    term, *others = snapshot.score_spec.terms
    if others or not isinstance(term.kernel, MaxSim):
        return None
    pieces = len(sentence.channels[term.channel])
    factor = {Pooling.MR_SW: term.weight, Pooling.MR_AVG_W: term.weight / max(1, pieces)}.get(term.kernel.pooling)
    return factor if factor is not None and factor > 0 else None


def _highest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The places of the highest, ascending; of those that tie at the bar, the first."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def _best(
    snapshot: Snapshot, rows: Tensor, scores: Tensor, sentence: SentenceEmbedding, engine: Engine, *, limit: int
) -> tuple[Hit, ...]:
    limit = min(limit, len(rows))
    if not limit:
        return ()
    bar = float(scores.topk(limit).values[-1])
    near = NEAR * (1 + abs(bar))
    some = torch.nonzero(scores >= bar - near).flatten()  # more than `limit` if scores nearly tie at the bar
    rows, scores = rows[some], scores[some]
    tied = _have_a_neighbour(scores, near)
    if len(tied):
        scores[tied] = engine.exact_scores(snapshot, rows[tied], sentence, spec=snapshot.score_spec, settled=True)
    found = zip(scores.tolist(), snapshot.ids(rows), rows.tolist(), strict=True)
    best = sorted(found, key=lambda hit: (-hit[0], hit[1]))[:limit]
    return tuple(Hit(row, image_id, score, rank) for rank, (score, image_id, row) in enumerate(best, start=1))


def _have_a_neighbour(scores: Tensor, near: float) -> Tensor:
    """The places, ascending, of scores [K] that are that near to another one."""
    ordered = scores.sort()
    close = ordered.values.diff() <= near  # [K - 1]
    return ordered.indices[F.pad(close, (1, 0)) | F.pad(close, (0, 1))].sort().values
