"""Queries that arrive together are encoded together."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from model.embeddings import SentenceEmbedding
from model.errors import BadSentence
from service.errors import Overloaded

logger = logging.getLogger(__name__)

EncodeSentences = Callable[[Sequence[str]], list[SentenceEmbedding]]


@dataclass(frozen=True, slots=True)
class Waiting:
    sentence: str
    answer: asyncio.Future[SentenceEmbedding]


class QueryBatcher:
    """One loop, one batch at a time: while a batch is encoded the next one gathers."""

    def __init__(self, encode: EncodeSentences, *, max_batch: int, max_waiting: int) -> None:
        self._encode = encode
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._run(), name="query batcher")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        for query in self._waiting:
            query.answer.cancel()

    async def encode(self, sentence: str) -> SentenceEmbedding:
        """Raises BadSentence for this sentence alone, and Overloaded at once when too many wait already."""
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded(f"{len(self._waiting)} queries are waiting already: try again in a moment")
        query = Waiting(sentence, asyncio.get_running_loop().create_future())
        self._waiting.append(query)
        self._arrived.set()
        return await query.answer

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            batch = self._take()
            if not self._waiting:
                self._arrived.clear()
            if not batch:
                continue
            answers = await asyncio.to_thread(self._encode_each, [query.sentence for query in batch])
            for query, answer in zip(batch, answers, strict=True):
                if query.answer.done():  # whoever asked has left
                    continue
                if isinstance(answer, Exception):
                    query.answer.set_exception(answer)
                else:
                    query.answer.set_result(answer)

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        while self._waiting and len(batch) < self._max_batch:
            query = self._waiting.popleft()
            if not query.answer.done():
                batch.append(query)
        return batch

    def _encode_each(self, sentences: list[str]) -> list[SentenceEmbedding | Exception]:
        try:
            return list(self._encode(sentences))
        except Exception as error:  # one bad batch must not end the service
            if len(sentences) == 1:
                if not isinstance(error, BadSentence):
                    logger.exception("a sentence could not be encoded")
                return [error]
        # Somebody's sentence spoiled the batch: alone, each meets its own fate.
        return [answer for sentence in sentences for answer in self._encode_each([sentence])]
