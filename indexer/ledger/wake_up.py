"""A bell that tells workers of new items sooner than they would look; Redis carries it, and nothing depends on it."""

import logging
import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

KEY = "teran:wake-up"
TIMEOUT_S = 0.05
HANGING_S = 2.0  # more than anybody waits for the bell: a Redis that does not even say that it is over hangs


class WakeUp:
    def __init__(self, url: str) -> None:
        self._ringing = _client(url, timeout=TIMEOUT_S)
        self._listening = _client(url, timeout=HANGING_S)

    def ring(self) -> None:
        try:
            self._ringing.lpush(KEY, 1)
            self._ringing.ltrim(KEY, 0, 15)  # one ring for each of a few workers is enough
        except (RedisError, OSError) as error:
            logger.warning("workers will find their new items a little later: %s", error)

    def wait(self, timeout: float) -> None:
        """Return at the first ring, or when the time is over; without Redis, sleep."""
        until = time.monotonic() + timeout
        try:
            self._listening.brpop([KEY], timeout=timeout)
        except (RedisError, OSError):
            time.sleep(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        self._ringing.close()
        self._listening.close()


def _client(url: str, *, timeout: float) -> Redis:
    # By default the client tries again for seconds when Redis is gone.
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0))
