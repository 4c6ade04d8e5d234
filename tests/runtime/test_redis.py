"""Every call to Redis is bounded, and silence on a channel is not an error."""

import asyncio
import contextlib
import dataclasses

import pytest

from runtime import redis
from runtime.settings import SettingsError


async def test_what_is_written_is_read(stack):
    async with redis.client(stack) as client:
        await client.set(stack.redis_key("book:BTC-USD"), b"\x00bytes")
        assert await client.get(stack.redis_key("book:BTC-USD")) == b"\x00bytes"


async def test_a_subscriber_hears_what_is_published(stack):
    async with redis.client(stack) as client, redis.subscriber(stack) as listener, listener.pubsub() as channel:
        await channel.subscribe(stack.redis_key("results"))
        while not (await client.publish(stack.redis_key("results"), b"7")):
            await asyncio.sleep(0)
        messages = []
        while not messages or messages[-1]["type"] != "message":
            if message := await channel.get_message(timeout=5):
                messages.append(message)
        assert messages[-1]["data"] == b"7"


async def test_a_server_that_accepts_and_says_nothing_is_an_error_within_bounds(space, monkeypatch):
    monkeypatch.setattr(redis, "CALL_TIMEOUT_S", 0.1)
    monkeypatch.setattr(redis, "CONNECT_TIMEOUT_S", 0.1)
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        async with contextlib.aclosing(redis.client(dataclasses.replace(space, redis_port=port))) as client:
            with pytest.raises(redis.UNWELL):
                await client.get("x")
            assert await redis.ready(client) == "Redis does not answer (TimeoutError)."


async def test_readiness(space):
    async with redis.client(space) as client:
        assert await redis.ready(client) is None
    async with redis.client(dataclasses.replace(space, redis_port=1)) as client:
        assert await redis.ready(client) == "Redis does not answer (ConnectionError)."


def test_no_address_is_a_sentence(space):
    with pytest.raises(SettingsError, match="REDIS_HOST is not set"):
        redis.client(dataclasses.replace(space, redis_host=None))
