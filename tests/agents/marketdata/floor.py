"""The agent as a process on the real servers, and executions for it to follow, for the tests of what it shows."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from agents.marketdata import telling
from agents.marketdata.view import View
from runtime import kafka, redis
from runtime.settings import Settings
from schemas.executions import decode_execution
from schemas.topics import EXECUTIONS, TRADES
from schemas.views import Book, book_key, decode_book
from tests.agents.marketdata.market import Exchange

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 60


class Floor:
    """One exchange without matching: its executions are sent as the matching agent would have sent them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.redis = redis.client(settings, name="test")
        self.processes: list[subprocess.Popen[bytes]] = []
        self._sent: dict[tuple[str, str], int] = {}

    def start(self, *, crash_at: str = "") -> subprocess.Popen[bytes]:
        environ = {
            **os.environ, **self.settings.environ(), "TIDEMARK_HOME": str(self.folder),
            "TIDEMARK_CONFIG": os.devnull, "TIDEMARK_TEST": "1", "CRASH_AT": crash_at,
        }  # fmt: skip
        with (self.folder / "marketdata.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "agents.marketdata"], env=environ, cwd=ROOT, stderr=log, stdin=subprocess.DEVNULL
            )
        self.processes.append(process)
        return process

    def said(self) -> str:
        return (self.folder / "marketdata.log").read_text(errors="replace")[-4000:]

    async def kill(self) -> None:
        self.processes[-1].send_signal(signal.SIGKILL)
        await self.gone()

    async def gone(self) -> int:
        process = self.processes[-1]
        await until(lambda: _answer(process.poll() is not None), self.said)
        return process.returncode

    async def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        await self.redis.aclose()

    async def send(self, *exchanges: Exchange) -> None:
        """What the exchanges have said since the last call."""
        async with kafka.running(kafka.producer(self.settings, name="test")) as producer:
            futures = []
            for exchange in exchanges:
                key, number = exchange.market.encode(), exchange.partition.number
                for topic, values in ((EXECUTIONS, exchange.executions), (TRADES, exchange.trades)):
                    place = (topic.name, exchange.market)
                    for value in values[self._sent.get(place, 0) :]:
                        futures.append(await producer.send(self.settings.topic(topic.name), value, key, number))
                    self._sent[place] = len(values)
            for future in futures:
                await future

    def again(self, exchange: Exchange, count: int) -> None:
        """Let the next `send` repeat the last records, as matching does after a crash."""
        for topic, values in ((EXECUTIONS, exchange.executions), (TRADES, exchange.trades)):
            self._sent[(topic.name, exchange.market)] = max(0, len(values) - count)

    async def value(self, name: str) -> bytes | None:
        found = await self.redis.get(self.settings.redis_key(name))
        return None if found is None else bytes(found)

    async def book(self, market: str) -> Book | None:
        value = await self.value(book_key(market))
        return None if value is None else decode_book(value)

    async def shows(self, exchange: Exchange) -> None:
        """Waits until the book in Redis is the one that the executions give."""
        wanted = expected(exchange)

        async def is_it() -> bool:
            assert self.processes[-1].poll() is None, self.said()
            return await self.book(exchange.market) == wanted

        await until(is_it, lambda: f"{self.said()}\nwanted: {wanted}")


def expected(exchange: Exchange) -> Book:
    """The book of a fresh reader of all executions."""
    return msgspec.convert(msgspec.to_builtins(telling.book(followed(exchange))), Book)


def followed(exchange: Exchange) -> View:
    view = View(exchange.market)
    for value in exchange.executions:
        view.apply(decode_execution(value))
    return view


async def until(ask: Callable[[], Awaitable[bool]], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not await ask():
        assert time.monotonic() < deadline, said()
        await asyncio.sleep(0.02)


async def _answer(value: bool) -> bool:
    return value
