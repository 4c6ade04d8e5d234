"""The views of the markets in Redis, as this instance reads them: a book is fetched and decoded once per state.

The first bytes of a book tell which one it is, so a book that has not changed costs a hundred bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import redis.asyncio

from runtime.redis import UNWELL
from runtime.settings import Settings
from schemas.errors import UNAVAILABLE, Refusal, unavailable
from schemas.views import HEAD_BYTES, Book, Ticker, book_key, decode_book, decode_ticker, ticker_key

WAIT_S = 2.0
LOOK_S = 0.02
V = TypeVar("V")


class RedisViews:
    """The questions, as Redis answers them."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis) -> None:
        self._key = settings.redis_key
        self._redis = connection

    async def head(self, name: str) -> bytes:
        """The first bytes of a value; empty when there is none."""
        found: Any = await self._redis.getrange(self._key(name), 0, HEAD_BYTES - 1)
        return bytes(found)

    async def value(self, name: str) -> bytes | None:
        found: Any = await self._redis.get(self._key(name))
        return None if found is None else bytes(found)


class MarketViews:
    """However many calls ask for a book, one of them reads it."""

    def __init__(self, views: RedisViews, wait_s: float = WAIT_S) -> None:
        self._views = views
        self._wait_s = wait_s
        self._known: dict[str, tuple[bytes, Book]] = {}
        self._reading: dict[str, asyncio.Task[Book | None]] = {}

    async def book(self, market: str, min_seq: int = 0) -> Book:
        """The book once it has reached `min_seq`; a refusal when that takes too long."""
        book = await self._within(lambda: self._shared(market), lambda book: book.seq >= min_seq)
        if book is None:
            raise _not_yet(f"The order book of {market} is not ready")
        if book.seq < min_seq:
            raise _not_yet(f"The order book of {market} is at seq {book.seq}, and has not reached {min_seq}")
        return book

    async def ticker(self, market: str) -> Ticker:
        async def read() -> Ticker | None:
            value = await self._views.value(ticker_key(market))
            return None if value is None else _decoded(decode_ticker, value)

        ticker = await self._within(read, lambda _ticker: True)
        if ticker is None:
            raise _not_yet(f"The ticker of {market} is not ready")
        return ticker

    async def _within(self, read: Callable[[], Awaitable[V | None]], enough: Callable[[V], bool]) -> V | None:
        """What is read, once it is enough; the last that was there when the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while True:
            try:
                found = await read()
            except UNWELL:
                raise unavailable("Redis") from None
            if (found is not None and enough(found)) or loop.time() >= deadline:
                return found
            await asyncio.sleep(LOOK_S)

    async def _shared(self, market: str) -> Book | None:
        task = self._reading.get(market)
        if task is None:
            task = self._reading[market] = asyncio.create_task(self._read(market))
            task.add_done_callback(lambda _done: self._reading.pop(market))
        return await asyncio.shield(task)

    async def _read(self, market: str) -> Book | None:
        head = await self._views.head(book_key(market))
        known = self._known.get(market)
        if known is not None and known[0] == head:
            return known[1]
        value = await self._views.value(book_key(market)) if head else None
        book = None if value is None else _decoded(decode_book, value)
        if value is None or book is None:
            return None
        self._known[market] = (value[:HEAD_BYTES], book)
        return book


def _not_yet(what: str) -> Refusal:
    return Refusal(UNAVAILABLE, f"{what}; nothing was done, try again.", retry_after_s=1)


def _decoded(decode: Callable[[bytes], V], value: bytes) -> V | None:
    """A value that nobody of ours has written is as good as none."""
    try:
        return decode(value)
    except msgspec.DecodeError:
        return None
