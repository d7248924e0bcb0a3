"""Answers that were given before: in this process, and in Redis for all of them. Nothing depends on it."""

import hashlib
import logging
import time
from collections import OrderedDict
from typing import Protocol

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

TIMEOUT_S = 0.05  # a cache that is slower than this is none
CONNECTIONS = 32
FAILURES_TO_OPEN, OPEN_S = 3, 5.0
KEPT_S = 3600


class Cache(Protocol):
    @property
    def available(self) -> bool:
        """Whether all of it is; an answer may say that it is not."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes) -> None: ...

    async def close(self) -> None: ...


def cache_key(*parts: object) -> str:
    """A key for all that an answer depends on, the generation of the index included: a change misses by itself."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        text = repr(part).encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return f"teran:answer:{digest.hexdigest()}"


class LocalCache:
    """The last used answers of this process, as many as fit into so many bytes."""

    def __init__(self, *, size: int) -> None:
        self._room = size
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    @property
    def available(self) -> bool:
        return True

    async def get(self, key: str) -> bytes | None:
        value = self._answers.get(key)
        if value is not None:
            self._answers.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes) -> None:
        self._room += len(self._answers.pop(key, b"")) - len(value)
        self._answers[key] = value
        while self._room < 0:
            self._room += len(self._answers.popitem(last=False)[1])

    async def close(self) -> None:
        self._answers.clear()


class RedisCache:
    """Redis behind a breaker: after a few failures it is left alone for a while, so that it slows nobody down."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # The default retries for seconds when Redis is gone.
            retry=Retry(NoBackoff(), 0),
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_S,  # that a query waits for a free connection
        )
        self._redis: Redis = Redis.from_pool(pool)
        self._failures = 0
        self._closed_until = 0.0

    @property
    def available(self) -> bool:
        return time.monotonic() >= self._closed_until

    async def get(self, key: str) -> bytes | None:
        if not self.available:
            return None
        try:
            value = await self._redis.get(key)
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._failures = 0
        return value if isinstance(value, bytes) else None

    async def put(self, key: str, value: bytes) -> None:
        if not self.available:
            return
        try:
            await self._redis.set(key, value, ex=KEPT_S)
        except (RedisError, OSError) as error:
            self._failed(error)

    async def close(self) -> None:
        await self._redis.aclose()

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._closed_until, self._failures = time.monotonic() + OPEN_S, 0
            logger.warning("Redis does not answer (%s): left alone for %.0f s", error, OPEN_S)


class TwoLevelCache:
    """The process's own answers first, then those of Redis."""

    def __init__(self, local: LocalCache, shared: RedisCache) -> None:
        self._local = local
        self._shared = shared

    @property
    def available(self) -> bool:
        return self._shared.available

    async def get(self, key: str) -> bytes | None:
        value = await self._local.get(key)
        if value is None:
            value = await self._shared.get(key)
            if value is not None:
                await self._local.put(key, value)
        return value

    async def put(self, key: str, value: bytes) -> None:
        await self._local.put(key, value)
        await self._shared.put(key, value)

    async def close(self) -> None:
        await self._local.close()
        await self._shared.close()
