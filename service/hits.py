"""What a search found, as it is told: over HTTP and on the command line alike."""

from indexer.index.engine import ON_CPU, Engine
from indexer.index.search import Hit, SearchResult, explain, search
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from service.schemas import Explanation, Region, SearchHit, WordAnswer


def find_hits(
    snapshot: Snapshot,
    sentence: SentenceEmbedding,
    *,
    collection: str,
    limit: int,
    recall: float,
    shortlist_size: int | None,
    with_explanation: bool,
    engine: Engine = ON_CPU,
) -> tuple[SearchResult, list[SearchHit]]:
    found = search(snapshot, sentence, limit=limit, recall=recall, shortlist_size=shortlist_size, engine=engine)
    return found, hits_of(snapshot, found, sentence, collection=collection, with_explanation=with_explanation)


def hits_of(
    snapshot: Snapshot, found: SearchResult, sentence: SentenceEmbedding, *, collection: str, with_explanation: bool
) -> list[SearchHit]:
    explained = sentence if with_explanation else None
    return [_hit(snapshot, hit, explained, collection) for hit in found.hits]


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
