"""Tells over Redis whose wallets and orders a commit has changed, beside the work and never in its way.

What gathers while a message is on its way goes out with the next one. Nothing is kept for a Redis that is away: the
number of the lost message is missing then, and whoever listens looks at the books.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Iterable

import redis.asyncio

from runtime import redis as redis_edge
from runtime.settings import Settings
from schemas.updates import BEAT_S, UPDATES, Touched, Update, encode_update

MOST_USERS = 20_000
log = logging.getLogger(__name__)


class Updates:
    """One source; `name` is the process', and a new one after every start."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis, name: str) -> None:
        self.source = f"{name}-{secrets.token_hex(6)}"
        self._channel = settings.redis_key(UPDATES)
        self._redis = connection
        self._touched: dict[int, set[int]] = {}
        self._number = 0
        self._wake = asyncio.Event()

    def touch(self, touched: Iterable[tuple[int, int | None]]) -> None:
        """Users with an order, or with none when only the wallet has changed. Called after the commit."""
        for user_id, order_id in touched:
            orders = self._touched.setdefault(user_id, set())
            if order_id is not None:
                orders.add(order_id)
        if self._touched:
            self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._redis.publish(self._channel, encode_update(self._next()))
            except redis_edge.UNWELL as error:
                log.debug("an update was not told: %r", error)
                await asyncio.sleep(BEAT_S)

    def _next(self) -> Update:
        """Everything since the last one. Too much for a message is left out, and its number shows it."""
        touched, self._touched = self._touched, {}
        if not touched:
            return Update(self.source, self._number)
        self._number += 1
        if len(touched) > MOST_USERS:
            self._number += 1
            return Update(self.source, self._number)
        return Update(self.source, self._number, [Touched(user, sorted(ids)) for user, ids in touched.items()])
