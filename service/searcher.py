"""The way of a sentence to an answer."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from indexer.index.engine import Engine
from indexer.index.shortlist import FULL_RECALL
from indexer.index.snapshot import Snapshot
from service.cache import Cache, cache_key
from service.errors import Overloaded
from service.hits import find_hits
from service.live_index import LiveIndex
from service.metrics import Metrics
from service.query_batcher import QueryBatcher
from service.schemas import SearchRequest, SearchResponse, Took


class Searcher:
    def __init__(
        self,
        batcher: QueryBatcher,
        index: LiveIndex,
        engine: Engine,
        *,
        cache: Cache,
        metrics: Metrics,
        model: str,
        at_once: int,
        max_queries: int,
    ) -> None:
        self._batcher = batcher
        self._index = index
        self._engine = engine
        self._cache = cache
        self._metrics = metrics
        self._model = model
        self._free = asyncio.Semaphore(at_once)  # more searches than cores only wait on one another
        self._max_queries = max_queries
        self._queries = 0  # that wait or are answered

    async def search(self, request: SearchRequest, *, request_id: str) -> SearchResponse:
        """Raises BadSentence, IndexFault, and Overloaded at once when too many wait already."""
        began = time.perf_counter()
        with self._admission():
            snapshot = await asyncio.to_thread(self._index.snapshot, request.collection)  # one for the whole query
            key = _key(snapshot, request)
            known = await self._known(key)
            if known is not None:
                took = Took(encode=0.0, shortlist=0.0, rerank=0.0, total=_ms_since(began))
                return known.model_copy(
                    update={"request_id": request_id, "took_ms": took, "degraded": self._degraded()}
                )
            response = await self._answer(snapshot, request, request_id=request_id, began=began)
            await self._cache.put(key, response.model_dump_json().encode())
        return response

    @contextmanager
    def _admission(self) -> Iterator[None]:
        if self._queries >= self._max_queries:
            raise Overloaded(f"{self._queries} queries are being answered already: try again in a moment")
        self._queries += 1
        try:
            yield
        finally:
            self._queries -= 1

    async def _known(self, key: str) -> SearchResponse | None:
        answer = await self._cache.get(key)
        try:
            known = SearchResponse.model_validate_json(answer) if answer is not None else None
        except ValidationError:  # another release has put it there, or something else has
            known = None
        self._metrics.cache_lookup(hit=known is not None)
        return known

    async def _answer(
        self, snapshot: Snapshot, request: SearchRequest, *, request_id: str, began: float
    ) -> SearchResponse:
        sentence = await self._batcher.encode(request.text)
        encode_ms = _ms_since(began)
        async with self._free:
            found, results = await asyncio.to_thread(
                find_hits,
                snapshot,
                sentence,
                collection=request.collection,
                limit=request.limit,
                recall=FULL_RECALL if request.exact else request.recall,
                shortlist_size=request.shortlist,
                with_explanation=request.explain,
                engine=self._engine,
            )
        took = Took(encode=encode_ms, shortlist=found.shortlist_ms, rerank=found.rerank_ms, total=_ms_since(began))
        self._metrics.searched(took)
        return SearchResponse(
            results=results,
            total_shortlisted=found.shortlisted,
            index_version=f"{request.collection}@{snapshot.generation}",
            model=self._model,
            took_ms=took,
            degraded=self._degraded(),
            request_id=request_id,
        )

    def _degraded(self) -> list[str]:
        return [] if self._cache.available else ["cache_unavailable"]


def _key(snapshot: Snapshot, request: SearchRequest) -> str:
    """A new commit misses by itself. Segments have unique ids, so it does when a collection was begun anew, too."""
    segments = [part.segment.id for part in snapshot.parts]
    return cache_key(snapshot.fingerprint, snapshot.generation, segments, request.model_dump_json())


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
