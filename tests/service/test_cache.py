"""Answers that were given before; nothing depends on them, Redis least of all."""

import asyncio
import time

import pytest
from starlette.testclient import TestClient

from service import cache
from service.app import create_app
from service.cache import LocalCache, RedisCache, TwoLevelCache, cache_key
from tests.redis_server import redis_server

LONG_S = 3.0  # by default the client tries for as long as this and longer


@pytest.fixture
def redis():
    with redis_server() as server:
        yield server


def test_a_key_depends_on_all_of_its_parts_and_on_where_they_end():
    keys = {
        cache_key(*parts) for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", None), (1, "c"), ("1", "c")]
    }
    assert len(keys) == 6 and cache_key("ab", "c") in keys


def test_the_local_cache_keeps_what_was_used_last_within_its_size():
    async def use() -> None:
        local = LocalCache(size=10)
        for key in ("a", "b"):
            await local.put(key, b"12345")
        await local.get("a")
        await local.put("c", b"123")
        assert [await local.get(key) for key in "abc"] == [b"12345", None, b"123"]
        await local.put("a", b"1234567")
        assert [await local.get(key) for key in "ac"] == [b"1234567", b"123"]
        await local.put("d", b"12345678901")
        assert [await local.get(key) for key in "acd"] == [None] * 3

    asyncio.run(use())


def test_another_process_finds_the_answer_in_redis(redis, monkeypatch):
    monkeypatch.setattr(cache, "TIMEOUT_S", 2.0)

    async def use() -> None:
        one, other = (TwoLevelCache(LocalCache(size=100), RedisCache(redis.url)) for _ in range(2))
        await one.put("a", b"answer")
        assert await other.get("a") == b"answer" and await other.get("b") is None
        redis.kill()
        assert await other.get("a") == b"answer"  # its own by now
        await one.close()
        await other.close()

    asyncio.run(use())


def test_many_questions_at_once_are_not_taken_for_a_redis_that_is_gone(redis, monkeypatch):
    monkeypatch.setattr(cache, "TIMEOUT_S", 5.0)

    async def use() -> None:
        shared = RedisCache(redis.url)
        await shared.put("a", b"answer")
        assert await asyncio.gather(*(shared.get("a") for _ in range(200))) == [b"answer"] * 200
        assert shared.available
        await shared.close()

    asyncio.run(use())


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_redis_that_does_not_answer_is_soon_left_alone(redis, fault, monkeypatch):
    monkeypatch.setattr(cache, "OPEN_S", 0.5)

    async def use() -> None:
        shared = RedisCache(redis.url)
        await shared.put("a", b"answer")
        getattr(redis, fault)()
        began = time.monotonic()
        assert [await shared.get("a") for _ in range(3)] == [None] * 3
        assert not shared.available and time.monotonic() - began < LONG_S
        assert await shared.get("a") is None  # without asking
        if fault == "freeze":
            redis.thaw()
            await asyncio.sleep(0.6)
            assert shared.available and await shared.get("a") == b"answer"
        await shared.close()

    asyncio.run(use())


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_searches_go_on_without_redis_and_say_so(redis, settings, tiny_encoder, fault):
    settings = settings.model_copy(update={"redis_url": redis.url})
    with TestClient(create_app(settings, tiny_encoder)) as client:
        assert ask(client, "a dog")["degraded"] == []
        getattr(redis, fault)()
        began = time.monotonic()
        answers = [ask(client, f"a dog and {number} balls") for number in range(4)]
        assert time.monotonic() - began < LONG_S and all(answer["results"] for answer in answers)
        assert answers[-1]["degraded"] == ["cache_unavailable"]
        assert ask(client, "a dog")["degraded"] == ["cache_unavailable"]  # remembered, and yet told as it is now
        assert client.post("/index", files={"files": ("a.jpg", b"x")}).status_code == 202
        ready = client.get("/readyz")
        assert ready.status_code == 200 and "Redis does not answer" in ready.text


def ask(client: TestClient, text: str) -> dict:
    return client.post("/v1/search", json={"text": text}).json()
