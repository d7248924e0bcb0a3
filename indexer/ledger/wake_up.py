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


class WakeUp:
    def __init__(self, url: str) -> None:
        # By default the client tries again for seconds when Redis is gone.
        self._ringing = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._listening = Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0))

    def ring(self) -> None:
        try:
            self._ringing.lpush(KEY, 1)
            self._ringing.ltrim(KEY, 0, 15)  # one ring for each of a few workers is enough
        except (RedisError, OSError) as error:
            logger.warning("workers will find their new items a little later: %s", error)

    def wait(self, timeout: float) -> None:
        """Return at the first ring, or when the time is over; without Redis, sleep."""
        try:
            self._listening.brpop([KEY], timeout=timeout)
        except (RedisError, OSError):
            time.sleep(timeout)

    def close(self) -> None:
        self._ringing.close()
        self._listening.close()
