"""The order book and the ticker in Redis made again from the executions, beside the agent that goes on showing them.

What is made here is put in the place of what is there unless that is newer. Then what the agent shows must be, byte for
byte, what the executions give at the same seq.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis.asyncio

from agents.marketdata import telling
from agents.marketdata.agent import Board
from agents.marketdata.store import Value, ViewStore
from agents.marketdata.view import View
from ledger.connection import books
from ledger.queries import query
from ledger.replay.topics import Marks, Stretch, Topics
from runtime import redis as redis_edge
from runtime.embedded.program import Broken
from runtime.journal.chain import ORIGIN
from runtime.settings import Settings
from schemas.executions import ChainedExecution
from schemas.topics import EXECUTIONS
from schemas.views import HEAD_BYTES, book_key, encode_view, seq_of, ticker_key

SHOWN_WITHIN_S = 15.0
LOOK_S = 0.05
Read = Callable[[int, int], None]


class Rebuilt(NamedTuple):
    """Of one market: at which seq it was compared, and whether it was missing or different before."""

    market: str
    made: int
    changed: int


async def rebuild(settings: Settings, market: str | None, read: Read) -> list[Rebuilt]:
    """Of one market, or of all that are open."""
    async with books(settings) as connection:
        markets = {row["symbol"]: row["partition"] for row in await connection.fetch(query("replay.markets"))}
    chosen = {name: partition for name, partition in markets.items() if market in (None, name)}
    async with redis_edge.client(settings, name="rebuild") as views:
        try:
            return [await _Book(settings, views, name, chosen[name], read).rebuild() for name in sorted(chosen)]
        except redis_edge.UNWELL as error:
            raise Broken(f"Redis does not answer ({type(error).__name__}): start it first.") from error


class _Book:
    """One market's."""

    def __init__(self, settings: Settings, views: redis.asyncio.Redis, market: str, partition: int, read: Read) -> None:
        self._topics = Topics(settings)
        self._store = ViewStore(settings, views)
        self._redis = views
        self._key = settings.redis_key(book_key(market))
        self._market = market
        self._partition = partition
        self._read = read
        self._view = View(market, chain=ORIGIN)
        self._board = Board(self._view, lambda _market: None)
        self._marks: Marks = {}
        self._position = 0
        self._ahead: list[ChainedExecution] = []

    async def rebuild(self) -> Rebuilt:
        before = await self._shown()
        await self._follow(_seq(before))
        is_right = bool(before) and before == self._book()
        await self._follow(None)
        if self._view.units is None:
            return Rebuilt(self._market, self._view.seq, 0)
        if not is_right:
            await self._show()
        await self._compare()
        return Rebuilt(self._market, self._view.seq, int(not is_right))

    async def _show(self) -> None:
        """In the place of whatever is there."""
        ticker = encode_view(telling.ticker(self._view, time.time_ns() // 1_000_000))
        values = [
            Value(book_key(self._market), self._view.seq, self._book(), force=True),
            Value(ticker_key(self._market), self._view.seq, ticker, force=True),
        ]
        await self._store.write(values, [])

    async def _compare(self) -> None:
        """The agent may show a newer one; then the executions are followed to exactly that."""
        deadline = time.monotonic() + SHOWN_WITHIN_S
        while time.monotonic() < deadline:
            shown = await self._shown()
            if _seq(shown) > self._view.seq:
                await self._follow(_seq(shown))
            if shown == self._book():
                return
            await asyncio.sleep(LOOK_S)
        raise Broken(
            f"Redis shows another book of {self._market} at seq {_seq(shown)} than the executions give: "
            f"stop the marketdata agent, delete its snapshots, and start it again."
        )

    def _book(self) -> bytes:
        return b"" if self._view.units is None else encode_view(telling.book(self._view))

    async def _shown(self) -> bytes:
        value: Any = await self._redis.get(self._key)
        return bytes(value or b"")

    async def _follow(self, seq: int | None) -> None:
        """To exactly this execution, or as far as they go."""
        ahead, self._ahead = self._ahead, []
        self._apply(ahead, seq)
        end = (await self._topics.bounds(EXECUTIONS))[self._partition][1]
        async for executions in self._topics.executions(Stretch(self._partition, self._position, end), self._marks):
            self._apply([one for one in executions if one.market == self._market], seq)
            self._position = max(mark.position + 1 for mark in self._marks.values())
            self._read(self._position, end)

    def _apply(self, executions: Sequence[ChainedExecution], seq: int | None) -> None:
        for execution in executions:
            if seq is not None and execution.seq > seq:
                self._ahead.append(execution)
            else:
                self._board.apply(execution, 0)


def _seq(value: bytes) -> int:
    return seq_of(value[:HEAD_BYTES])
