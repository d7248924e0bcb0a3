"""The bell is heard at once, and missed by nobody when it is broken."""

import threading
import time

import pytest

from indexer.ledger.wake_up import WakeUp
from tests.redis_server import redis_server


@pytest.fixture
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def bell(redis):
    bell = WakeUp(redis.url)
    yield bell
    bell.close()


def seconds(do, *arguments) -> float:
    began = time.monotonic()
    do(*arguments)
    return time.monotonic() - began


def test_a_ring_ends_the_wait(bell):
    ringing = threading.Timer(0.2, bell.ring)
    ringing.start()
    assert 0.1 < seconds(bell.wait, 1.0) < 0.9
    ringing.join()


def test_a_ring_that_came_before_the_wait_is_heard_once(bell):
    bell.ring()
    assert seconds(bell.wait, 1.0) < 0.9
    assert seconds(bell.wait, 0.3) > 0.2


def test_without_a_ring_or_without_redis_the_wait_takes_its_time(bell, redis):
    assert seconds(bell.wait, 0.3) > 0.2
    redis.kill()
    assert seconds(bell.wait, 0.3) > 0.2
    assert seconds(bell.ring) < 1.0


def test_a_redis_that_hangs_holds_nobody_up_for_long(bell, redis):
    redis.freeze()
    assert seconds(bell.ring) < 1.0
    assert 0.9 < seconds(bell.wait, 1.0) < 4.0
