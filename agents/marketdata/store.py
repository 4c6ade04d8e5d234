"""The views in Redis: whole values replaced at once and never by an older one, and what is told on channels.

Nothing here is remembered: whatever Redis has lost is found missing by `heads` and written again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import redis.asyncio

from runtime.settings import Settings
from schemas.views import HEAD_BYTES

REPLACE = """
local seq = tonumber(string.match(redis.call('GETRANGE', KEYS[1], 0, tonumber(ARGV[4])), '"seq":(%d+)'))
if seq and seq > tonumber(ARGV[1]) and ARGV[3] == '' then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
"""A worker that slept and wakes up late does not put its old view in the place of a newer one."""


class Value(NamedTuple):
    """A view to replace; `force` puts it in the place of a newer one, too."""

    key: str
    seq: int
    data: bytes
    force: bool = False


class Message(NamedTuple):
    """A word on a channel."""

    channel: str
    data: bytes


class ViewStore:
    """Writes many views in one round trip. Raises what `runtime.redis` calls UNWELL."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis) -> None:
        self._settings = settings
        self._redis = connection

    async def write(self, values: Sequence[Value], messages: Sequence[Message]) -> None:
        """The values first: who hears of a change finds it there."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for value in values:
                pipeline.eval(
                    REPLACE, 1, self._settings.redis_key(value.key), str(value.seq), value.data,
                    "force" if value.force else "", str(HEAD_BYTES - 1),
                )  # fmt: skip
            for message in messages:
                pipeline.publish(self._settings.redis_key(message.channel), message.data)
            await pipeline.execute()

    async def heads(self, keys: Sequence[str]) -> list[bytes]:
        """The first bytes of these values; empty where there is none."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.getrange(self._settings.redis_key(key), 0, HEAD_BYTES - 1)
            found: list[Any] = await pipeline.execute()
        return [bytes(head) for head in found]

    async def close(self) -> None:
        await self._redis.aclose()
