"""What a search found, as it is told: over HTTP and on the command line alike."""

from collections.abc import Sequence

from indexer.index.engine import ON_CPU, Engine
from indexer.index.search import Hit, SearchResult, explain, search_many
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from service.schemas import Explanation, Region, SearchHit, WordAnswer


def find_hits(
    snapshot: Snapshot,
    sentences: Sequence[SentenceEmbedding],
    *,
    collection: str,
    limit: int,
    recall: float,
    shortlist_size: int | None,
    with_explanation: bool,
    engine: Engine = ON_CPU,
) -> list[tuple[SearchResult, list[SearchHit]]]:
    """For every sentence."""
    results = search_many(snapshot, sentences, limit=limit, recall=recall, shortlist_size=shortlist_size, engine=engine)
    told = []
    for found, sentence in zip(results, sentences, strict=True):
        explained = sentence if with_explanation else None
        told.append((found, [_hit(snapshot, hit, explained, collection) for hit in found.hits]))
    return told


def thumbnail_url(image_id: str, collection: str) -> str:
    return f"/v1/images/{image_id}/thumbnail" + (f"?collection={collection}" if collection != "default" else "")


def _hit(snapshot: Snapshot, hit: Hit, sentence: SentenceEmbedding | None, collection: str) -> SearchHit:
    record = snapshot.record(hit.row)
    return SearchHit(
        id=hit.id,
        rank=hit.rank,
        score=hit.score,
        name=record.name,
        width=record.width,
        height=record.height,
        thumbnail=thumbnail_url(hit.id, collection),
        metadata=record.metadata,
        explanation=_explanation(snapshot, hit.row, sentence) if sentence is not None else None,
    )


def _explanation(snapshot: Snapshot, row: int, sentence: SentenceEmbedding) -> Explanation:
    boxes = snapshot.boxes(row).tolist()
    answers = explain(snapshot, row, sentence)
    words = [sentence.words[answer.word] for answer in answers]
    return Explanation(
        words=[
            WordAnswer(text=w.text, start=w.start, end=w.end, region=a.region, contribution=a.contribution)
            for w, a in zip(words, answers, strict=True)
        ],
        regions={str(a.region): Region(box=boxes[a.region]) for a in answers},
    )
