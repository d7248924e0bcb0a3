"""The way of a sentence to an answer."""

import asyncio
import time

import orjson

from service.cache import Cache, cache_key
from service.hits import find_hits
from service.live_index import LiveIndex
from service.metrics import Metrics
from service.query_batcher import QueryBatcher
from service.schemas import SearchRequest, SearchResponse, Took


class Searcher:
    def __init__(
        self, batcher: QueryBatcher, index: LiveIndex, *, cache: Cache, metrics: Metrics, model: str, at_once: int
    ) -> None:
        self._batcher = batcher
        self._index = index
        self._cache = cache
        self._metrics = metrics
        self._model = model
        self._free = asyncio.Semaphore(at_once)  # more searches than cores only wait on one another

    async def search(self, request: SearchRequest, *, request_id: str) -> SearchResponse:
        """Raises BadSentence, IndexFault or Overloaded."""
        began = time.perf_counter()
        snapshot = await asyncio.to_thread(self._index.snapshot, request.collection)  # one for the whole query
        key = cache_key(snapshot.fingerprint, request.collection, snapshot.generation, request.model_dump_json())
        known = await self._cache.get(key)
        self._metrics.cache_lookup(hit=known is not None)
        if known is not None:
            return _renewed(known, request_id=request_id, took_ms=_ms_since(began))
        sentence = await self._batcher.encode(request.text)
        encode_ms = _ms_since(began)
        async with self._free:
            found, results = await asyncio.to_thread(
                find_hits,
                snapshot,
                sentence,
                collection=request.collection,
                limit=request.limit,
                shortlist_size=request.shortlist,
                with_explanation=request.explain,
            )
        response = SearchResponse(
            results=results,
            total_shortlisted=found.shortlisted,
            index_version=f"{request.collection}@{snapshot.generation}",
            model=self._model,
            took_ms=Took(
                encode=encode_ms, shortlist=found.shortlist_ms, rerank=found.rerank_ms, total=_ms_since(began)
            ),
            degraded=[] if self._cache.available else ["cache_unavailable"],
            request_id=request_id,
        )
        self._metrics.searched(response.took_ms)
        await self._cache.put(key, orjson.dumps(response.model_dump()))
        return response


def _renewed(known: bytes, *, request_id: str, took_ms: float) -> SearchResponse:
    """A known answer under the name of this request, which took next to nothing."""
    took = Took(encode=0.0, shortlist=0.0, rerank=0.0, total=took_ms)
    return SearchResponse(**orjson.loads(known) | {"request_id": request_id, "took_ms": took})


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
