"""The way of a sentence to an answer."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError

from indexer.index.engine import Engine
from indexer.index.filters import Condition, Metadata
from indexer.index.search import FULL_RECALL, SearchResult
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding
from service.cache import Cache, cache_key
from service.errors import Overloaded
from service.hits import find_hits
from service.live_index import LiveIndex
from service.metrics import Metrics
from service.query_batcher import QueryBatcher
from service.schemas import FilterCondition, SearchHit, SearchRequest, SearchResponse, Took

Found = tuple[SearchResult, list[SearchHit]]


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A query whose answer is not known yet."""

    request: SearchRequest
    snapshot: Snapshot
    sentence: SentenceEmbedding
    key: str  # of its answer in the cache
    encode_ms: float


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
        self._metadata = Metadata()
        self._queries = 0  # that wait or are answered

    async def search(self, request: SearchRequest, *, request_id: str) -> SearchResponse:
        """Raises BadSentence, IndexFault, and Overloaded at once when too many wait already."""
        (answer,) = await self.search_batch([request], request_id=request_id)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def search_batch(
        self, requests: Sequence[SearchRequest], *, request_id: str
    ) -> list[SearchResponse | Exception]:
        """For every query its answer, or what kept it from one; those that ask alike share their scan.

        Raises Overloaded at once when too many wait already.
        """
        began = time.perf_counter()
        with self._admission(len(requests)):
            snapshots = await self._snapshots({request.collection for request in requests})
            asked = [self._ask(request, snapshots, request_id=request_id) for request in requests]
            answers: dict[int, SearchResponse | Exception] = {}
            alike: dict[str, dict[int, _Asked]] = {}
            for number, one in enumerate(await asyncio.gather(*asked)):
                if isinstance(one, _Asked):
                    alike.setdefault(_but_its_text(one.request), {})[number] = one
                else:
                    answers[number] = one
            for group in alike.values():
                of_group = await self._answer(list(group.values()), request_id=request_id, began=began)
                answers |= zip(group, of_group, strict=True)
        return [answers[number] for number in range(len(requests))]

    @contextmanager
    def _admission(self, queries: int) -> Iterator[None]:
        if self._queries + queries > self._max_queries:
            raise Overloaded(f"{self._queries} queries are being answered already: try again in a moment")
        self._queries += queries
        try:
            yield
        finally:
            self._queries -= queries

    async def _snapshots(self, names: set[str]) -> dict[str, Snapshot | Exception]:
        """One of every collection for all queries."""

        def opened(name: str) -> Snapshot | Exception:
            try:
                return self._index.snapshot(name)
            except Exception as error:  # noqa: BLE001  it is told to those who asked for this collection
                return error

        return {name: await asyncio.to_thread(opened, name) for name in names}

    async def _ask(
        self, request: SearchRequest, snapshots: Mapping[str, Snapshot | Exception], *, request_id: str
    ) -> _Asked | SearchResponse | Exception:
        """With its answer, if that is known, or what there is to find it with."""
        began = time.perf_counter()
        snapshot = snapshots[request.collection]
        if isinstance(snapshot, Exception):
            return snapshot
        key = _key(snapshot, request)
        known = await self._known(key)
        if known is not None:
            took = Took(encode=0.0, shortlist=0.0, rerank=0.0, total=_ms_since(began))
            return known.model_copy(update={"request_id": request_id, "took_ms": took, "degraded": self._degraded()})
        try:
            sentence = await self._batcher.encode(request.text)
        except Exception as error:  # noqa: BLE001  one bad sentence must not spoil a batch
            return error
        return _Asked(request, snapshot, sentence, key, _ms_since(began))

    async def _known(self, key: str) -> SearchResponse | None:
        answer = await self._cache.get(key)
        try:
            known = SearchResponse.model_validate_json(answer) if answer is not None else None
        except ValidationError:  # another release has put it there, or something else has
            known = None
        self._metrics.cache_lookup(hit=known is not None)
        return known

    async def _answer(
        self, group: Sequence[_Asked], *, request_id: str, began: float
    ) -> list[SearchResponse | Exception]:
        """Queries that differ in their text alone."""
        async with self._free:
            found = await asyncio.to_thread(self._find, group)
        answers: list[SearchResponse | Exception] = []
        for one, of_one in zip(group, found, strict=True):
            if isinstance(of_one, Exception):
                answers.append(of_one)
                continue
            result, hits = of_one
            took = Took(
                encode=one.encode_ms, shortlist=result.shortlist_ms, rerank=result.rerank_ms, total=_ms_since(began)
            )
            self._metrics.searched(took)
            response = SearchResponse(
                results=hits,
                total_shortlisted=result.shortlisted,
                index_version=f"{one.request.collection}@{one.snapshot.generation}",
                model=self._model,
                took_ms=took,
                degraded=self._degraded(),
                request_id=request_id,
            )
            await self._cache.put(one.key, response.model_dump_json().encode())
            answers.append(response)
        return answers

    def _find(self, group: Sequence[_Asked]) -> Sequence[Found | Exception]:
        request, snapshot = group[0].request, group[0].snapshot
        try:
            if request.filter:
                wanted = {name: _condition(told) for name, told in request.filter.items()}
                snapshot = self._metadata.narrowed(snapshot, wanted)
            return find_hits(
                snapshot,
                [one.sentence for one in group],
                collection=request.collection,
                limit=request.limit,
                recall=FULL_RECALL if request.exact else request.recall,
                shortlist_size=request.shortlist,
                with_explanation=request.explain,
                engine=self._engine,
            )
        except Exception as error:  # noqa: BLE001  what one query spoiled for all, it spoils alone for itself
            return [error] if len(group) == 1 else [found for one in group for found in self._find([one])]

    def _degraded(self) -> list[str]:
        return [] if self._cache.available else ["cache_unavailable"]


def _but_its_text(request: SearchRequest) -> str:
    return request.model_copy(update={"text": ""}).model_dump_json()


def _condition(told: FilterCondition) -> Condition:
    return Condition(tuple(told.any) if told.any is not None else None, told.gte, told.lte)


def _key(snapshot: Snapshot, request: SearchRequest) -> str:
    """A new commit misses by itself. Segments have unique ids, so it does when a collection was begun anew, too."""
    segments = [part.segment.id for part in snapshot.parts]
    return cache_key(snapshot.fingerprint, snapshot.generation, segments, request.model_dump_json())


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
