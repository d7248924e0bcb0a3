"""Queries that arrive together are encoded together."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from model.embeddings import SentenceEmbedding
from model.errors import BadSentence

logger = logging.getLogger(__name__)

EncodeSentences = Callable[[Sequence[str]], list[SentenceEmbedding]]


@dataclass(frozen=True, slots=True)
class Waiting:
    sentence: str
    answer: asyncio.Future[SentenceEmbedding]


class QueryBatcher:
    """One loop, one batch at a time: while a batch is encoded the next one gathers."""

    def __init__(self, encode: EncodeSentences, *, max_batch: int) -> None:
        self._encode = encode
        self._max_batch = max_batch
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
        """Raises BadSentence for this sentence alone."""
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
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        try:
            answers = await asyncio.to_thread(self._encode_each, [query.sentence for query in batch])
        except asyncio.CancelledError:  # the service ends
            for query in batch:
                query.answer.cancel()
            raise
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
            answers = self._encode(sentences)
            assert len(answers) == len(sentences)
            return list(answers)
        except Exception as error:  # one bad batch must not end the service
            if len(sentences) == 1:
                if not isinstance(error, BadSentence):
                    logger.exception("a sentence could not be encoded")
                return [error]
        # Somebody's sentence spoiled the batch: halved again and again it ends up alone.
        middle = len(sentences) // 2
        return [*self._encode_each(sentences[:middle]), *self._encode_each(sentences[middle:])]
