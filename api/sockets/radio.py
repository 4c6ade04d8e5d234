"""The one subscription of this process to what is published in Redis, for all who want to hear of it.

Redis may come and go. Whatever is said while it is away is lost, so who tunes in also hears of every new beginning.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from runtime import redis
from runtime.settings import Settings

LISTEN_S = 0.02
"""So often the subscription looks whether somebody wants another channel."""
AGAIN_S = 0.2
log = logging.getLogger("api")


class Ear(NamedTuple):
    """What is done with a message, and after a time in which messages may have been lost."""

    hear: Callable[[bytes], None]
    began: Callable[[], None]


class Radio:
    """Channels are named without the name space."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ears: dict[bytes, Ear] = {}
        self._someone = asyncio.Event()

    def tune(self, channel: str, ear: Ear) -> None:
        """From a moment soon after this; `began` tells when."""
        self._ears[self._settings.redis_key(channel).encode()] = ear
        self._someone.set()

    def leave(self, channel: str) -> None:
        del self._ears[self._settings.redis_key(channel).encode()]
        if not self._ears:
            self._someone.clear()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._someone.wait()
            client = redis.subscriber(self._settings, name="api-sockets")
            pubsub = client.pubsub()
            try:
                await self._listen(pubsub)
            except redis.UNWELL as error:
                log.info("Redis is away (%s); sockets wait", type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            finally:
                await pubsub.aclose()  # type: ignore[no-untyped-call]  # the library says nothing of it
                await client.aclose()

    async def _listen(self, pubsub: Any) -> None:
        """Subscriptions are changed by the task that reads, so that nobody else touches its connection."""
        subscribed: set[bytes] = set()
        while self._ears:
            if self._ears.keys() != subscribed:
                await self._follow(pubsub, subscribed)
                subscribed = set(self._ears)
            message = await pubsub.get_message(timeout=LISTEN_S)
            if message is None or (ear := self._ears.get(message["channel"])) is None:
                continue
            if message["type"] == "message":
                ear.hear(message["data"])
            elif message["type"] == "subscribe":  # the library says it again when it has replaced a lost connection
                ear.began()

    async def _follow(self, pubsub: Any, subscribed: set[bytes]) -> None:
        gone, new = subscribed - self._ears.keys(), self._ears.keys() - subscribed
        if gone:
            await pubsub.unsubscribe(*gone)
        if new:
            await pubsub.subscribe(*new)
