"""Queries that come together are encoded together, and none spoils the others."""

import asyncio
from collections.abc import Sequence
from threading import Event

import pytest

from model.embeddings import SentenceEmbedding
from model.errors import BadSentence
from service.query_batcher import QueryBatcher


class Watched:
    """An encoder that notes its batches, and holds the first of them until it may go on."""

    def __init__(self, encode) -> None:
        self._encode = encode
        self.batches: list[list[str]] = []
        self.begun, self.may_go_on = Event(), Event()

    def __call__(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        self.batches.append(list(sentences))
        self.begun.set()
        assert self.may_go_on.wait(30)
        return self._encode(sentences)


@pytest.fixture
def watched(tiny_encoder) -> Watched:
    return Watched(tiny_encoder.encode_sentences)


async def while_one_is_encoded(watched: Watched, batcher: QueryBatcher, sentences: Sequence[str]) -> list[asyncio.Task]:
    """Ask for the sentences while another is on its way, and let all go on."""
    first = asyncio.create_task(batcher.encode("first"))
    await asyncio.to_thread(watched.begun.wait, 30)
    tasks = [asyncio.create_task(batcher.encode(sentence)) for sentence in sentences]
    await asyncio.sleep(0)
    return [first, *tasks]


def test_what_arrives_while_a_batch_is_encoded_makes_the_next_batches(watched):
    async def ask() -> list[SentenceEmbedding]:
        async with QueryBatcher(watched, max_batch=4) as batcher:
            tasks = await while_one_is_encoded(watched, batcher, [f"dog {n}" for n in range(6)])
            watched.may_go_on.set()
            return await asyncio.gather(*tasks)

    embeddings = asyncio.run(ask())
    assert [len(batch) for batch in watched.batches] == [1, 4, 2]
    assert [embedding.text for embedding in embeddings] == ["first", *(f"dog {n}" for n in range(6))]


def test_a_bad_sentence_among_good_ones_fails_alone(watched):
    async def ask() -> list[SentenceEmbedding | BaseException]:
        async with QueryBatcher(watched, max_batch=32) as batcher:
            tasks = await while_one_is_encoded(watched, batcher, ["a dog", "...", "a ball", "a man", "dogs"])
            watched.may_go_on.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(ask())
    assert [type(answer) for answer in answers] == [SentenceEmbedding] * 2 + [BadSentence] + [SentenceEmbedding] * 3
    assert [len(batch) for batch in watched.batches] == [1, 5, 2, 1, 1, 3]


def test_whoever_leaves_is_not_encoded(watched):
    async def ask() -> None:
        async with QueryBatcher(watched, max_batch=32) as batcher:
            first, leaving, staying = await while_one_is_encoded(watched, batcher, ["leaving", "staying"])
            leaving.cancel()
            watched.may_go_on.set()
            await asyncio.gather(first, staying)

    asyncio.run(ask())
    assert watched.batches == [["first"], ["staying"]]


def test_an_encoder_that_fails_spoils_its_batch_and_not_the_service(tiny_encoder, caplog):
    def encode(sentences: Sequence[str]) -> list[SentenceEmbedding]:
        if "poison" in sentences:
            raise RuntimeError("out of memory")
        return tiny_encoder.encode_sentences(sentences)[: 0 if "short" in sentences else None]

    async def ask() -> list[SentenceEmbedding | BaseException]:
        async with QueryBatcher(encode, max_batch=4) as batcher:
            return [
                *await asyncio.gather(*map(batcher.encode, ["poison", "short"]), return_exceptions=True),
                await batcher.encode("a dog"),
            ]

    poison, short, good = asyncio.run(ask())
    assert isinstance(poison, RuntimeError) and isinstance(short, AssertionError) and good.text == "a dog"
    assert "out of memory" in caplog.text


def test_the_end_of_the_service_leaves_nobody_waiting(watched):
    async def ask() -> list[SentenceEmbedding | BaseException]:
        async with QueryBatcher(watched, max_batch=1) as batcher:
            tasks = await while_one_is_encoded(watched, batcher, ["waiting"])
        watched.may_go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(ask())] == [asyncio.CancelledError] * 2
