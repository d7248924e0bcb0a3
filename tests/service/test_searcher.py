"""The way of a sentence to an answer: one commit for the whole of it, and no more queries than can be answered."""

import asyncio
from threading import Event

import orjson
import pytest

from indexer.index.deletion import delete_images
from indexer.index.engine import ON_CPU
from indexer.index.layout import collection_path
from indexer.index.records import content_id
from indexer.pipeline import Photograph, index_photographs
from model.encoder import Encoder
from service.cache import LocalCache
from service.errors import Overloaded
from service.live_index import LiveIndex
from service.metrics import Metrics
from service.query_batcher import QueryBatcher
from service.schemas import SearchRequest, SearchResponse
from service.searcher import Searcher
from tests.photographs import jpeg, write_photographs

DOG = SearchRequest(text="a dog", limit=100)


def searcher_over(data, encoder: Encoder, batcher: QueryBatcher, *, cache=None, max_queries=8) -> Searcher:
    return Searcher(
        batcher,
        LiveIndex(data, fingerprint=encoder.fingerprint),
        ON_CPU,
        cache=cache or LocalCache(size=10**6),
        metrics=Metrics(),
        model="tiny",
        at_once=2,
        max_queries=max_queries,
    )


def test_more_queries_than_can_be_answered_are_refused_at_once(settings, tiny_encoder):
    async def ask() -> list[SearchResponse | BaseException]:
        may_go_on = Event()

        def encode(sentences):
            assert may_go_on.wait(30)
            return tiny_encoder.encode_sentences(sentences)

        async with QueryBatcher(encode, max_batch=1) as batcher:
            searcher = searcher_over(settings.data, tiny_encoder, batcher, max_queries=3)
            admitted = [asyncio.create_task(searcher.search(DOG, request_id="r")) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="3 queries"):
                await searcher.search(DOG, request_id="r")
            may_go_on.set()
            return [*await asyncio.gather(*admitted), await searcher.search(DOG, request_id="r")]

    assert {len(answer.results) for answer in asyncio.run(ask())} == {12}


def test_a_refused_query_makes_room_again(settings, tiny_encoder):
    async def ask() -> None:
        async with QueryBatcher(tiny_encoder.encode_sentences, max_batch=1) as batcher:
            searcher = searcher_over(settings.data, tiny_encoder, batcher, max_queries=1)
            for collection in ("nowhere", "Bad name", "nowhere"):
                with pytest.raises(Exception, match="collection"):
                    await searcher.search(DOG.model_copy(update={"collection": collection}), request_id="r")
            assert (await searcher.search(DOG, request_id="r")).results

    asyncio.run(ask())


def test_what_somebody_else_left_in_the_cache_is_not_believed(settings, tiny_encoder):
    class Strange(LocalCache):
        async def get(self, key: str) -> bytes:
            return orjson.dumps({"results": "from another release"})

    async def ask() -> SearchResponse:
        async with QueryBatcher(tiny_encoder.encode_sentences, max_batch=1) as batcher:
            searcher = searcher_over(settings.data, tiny_encoder, batcher, cache=Strange(size=0))
            return await searcher.search(DOG, request_id="r")

    assert len(asyncio.run(ask()).results) == 12


def test_an_answer_from_before_a_commit_is_not_given_after_it(settings, tiny_encoder):
    async def ask() -> None:
        async with QueryBatcher(tiny_encoder.encode_sentences, max_batch=1) as batcher:
            searcher = searcher_over(settings.data, tiny_encoder, batcher)
            before = await searcher.search(DOG, request_id="r")
            delete_images(collection_path(settings.data, "default"), [content_id(jpeg(1))])
            after = await searcher.search(DOG, request_id="r")
            assert (len(before.results), len(after.results)) == (12, 11)

    asyncio.run(ask())


def test_an_answer_of_an_index_that_was_begun_anew_is_not_that_of_the_old_one(settings, tmp_path, tiny_encoder, pool):
    """The generation counts from one again, and a cache may outlive the index."""
    cache = LocalCache(size=10**6)

    async def ask(data) -> SearchResponse:
        async with QueryBatcher(tiny_encoder.encode_sentences, max_batch=1) as batcher:
            return await searcher_over(data, tiny_encoder, batcher, cache=cache).search(DOG, request_id="r")

    first = asyncio.run(ask(settings.data))
    (path,) = write_photographs(tmp_path / "photographs", range(50, 51))
    collection = collection_path(tmp_path / "anew", "default")
    index_photographs([Photograph(path, path.name, str(path))], collection, encoder=tiny_encoder, pool=pool)
    second = asyncio.run(ask(tmp_path / "anew"))
    assert first.index_version == second.index_version == "default@1"
    assert (len(first.results), len(second.results)) == (12, 1)
