"""`tidemark bench api`: one API process before the real servers and agents, asked by plain sockets.

Reads are compared with a bare aiohttp, orders are settled orders, from the request to the answer after the money
moved. Everything shares the machine's cores, the load generator too, so each figure comes with the processor time that
each process spent on one request: reads per core are the API's own, and the sum says what saturates.
"""

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ledger.connection import books
from ledger.migrate import migrate
from ledger.seed import seed
from runtime import kafka, processor
from runtime.bench import Bench, Measuring, Work
from runtime.embedded.home import Home, free_port
from runtime.settings import PROJECT_ROOT, Settings
from schemas.topics import CHANGELOGS, TOPICS

MODULES = ("agents.matching", "agents.wallet", "api", "api.bare")
OF_READS = ("api", "postgres", "load")
OF_ORDERS = ("api", "agents.matching", "agents.wallet", "kafka", "postgres", "valkey", "load")
READS, READERS = 4_000, 16
ORDERS, CLIENTS = 2_000, 64
ALONE = 200
READS_PER_CORE = 10_000
READY_S = 60
MARKET = "BTC-USD"


class Line:
    """One connection that asks one thing after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, method: str, path: str, token: str, body: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._writer.write(f"{head}{authorization}\r\n".encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return int(answer[9:12]), await self._reader.readexactly(length)


@dataclasses.dataclass(frozen=True)
class Rig:
    """An API that is ready, the bare anchor beside it, connections to both, and the processes that work for them."""

    port: int
    bare_port: int
    processes: Mapping[str, Sequence[int]]

    async def line(self) -> Line:
        return Line(*await asyncio.open_connection("127.0.0.1", self.port))

    async def bare_line(self) -> Line:
        return Line(*await asyncio.open_connection("127.0.0.1", self.bare_port))

    async def user(self) -> str:
        """Somebody with money; his access token."""
        line = await self.line()
        body = msgspec.json.encode({"username": f"u{secrets.token_hex(6)}", "password": secrets.token_hex(8)})
        status, answer = await line.ask("POST", "/api/v1/accounts/auth/register/", "", body)
        assert status == 201, answer
        token: str = msgspec.json.decode(answer)["access"]
        for asset in ("USD", "BTC"):
            move = msgspec.json.encode({"amount": "1000000", "asset": asset})
            status, answer = await line.ask("PATCH", "/api/v1/accounts/wallet/deposit/", token, move)
            assert status == 200, answer
        return token


@contextlib.asynccontextmanager
async def rig(settings: Settings) -> AsyncIterator[Rig]:
    """The processes in a name space of their own."""
    settings = dataclasses.replace(settings, namespace=f"bench_{secrets.token_hex(4)}", sandbox=True)
    servers = Home(settings.home).former_children()
    home, port = Home(settings.home / "bench"), free_port(set())
    bare_port = free_port({port})
    home.make()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        await migrate(settings)
        await seed(settings)
        await kafka.ensure_topics(settings, (*TOPICS, *CHANGELOGS))
        processes += [_start(module, settings, home.path, port, bare_port) for module in MODULES]
        started = {module: [process.pid] for module, process in zip(MODULES, processes, strict=True)}
        ready = Rig(
            port, bare_port, {"load": [os.getpid()], **started, **{name: [pid] for name, pid in servers.items()}}
        )
        await _until_ready(ready)
        yield ready
    finally:
        for process in processes:
            process.kill()
            process.wait()
        await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in (*TOPICS, *CHANGELOGS)])
        async with books(settings) as connection:
            await connection.execute(f'drop schema if exists "{settings.postgres_schema}" cascade')


def _start(module: str, settings: Settings, home: Path, port: int, bare_port: int) -> "subprocess.Popen[bytes]":
    environ: Mapping[str, str] = {
        **os.environ, **settings.environ(),
        "TIDEMARK_HOME": str(home), "TIDEMARK_PORT": str(port), "LOGLEVEL": "warning",
    }  # fmt: skip
    with (home / f"{module}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *([str(bare_port)] if module == "api.bare" else [])],
            env=environ, cwd=PROJECT_ROOT, stderr=log,
        )  # fmt: skip


async def _until_ready(made: Rig) -> None:
    """Ready, and the market that is traded in is open."""
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                line = await made.line()
                await made.bare_line()
                if (await line.ask("GET", f"/api/v1/markets/{MARKET}", ""))[0] == 200:
                    return
            await asyncio.sleep(0.1)


class Counting:
    """Measures a rate, and what each process spent on one of the things that were done."""

    def __init__(self, measuring: Measuring, made: Rig) -> None:
        self._measuring = measuring
        self._processes = made.processes
        self._spent: list[dict[str, float]] = []

    async def rate(self, name: str, count: int, work: Work, spenders: Sequence[str], **more: Any) -> None:
        self._spent.clear()
        await self._measuring.rate(name, count, lambda: self._counted(work), **more)
        if not processor.is_known():
            return
        spent = self._spent[-self._measuring.repeats :]
        for process in spenders:
            values = [1e6 * each[process] / count for each in spent if process in each]
            if values:
                self._measuring.add(f"{name}: {process}", "us", values)

    def per_core(self, name: str, process: str, **more: Any) -> None:
        """How many the process would do in a second of its own processor time."""
        if processor.is_known():
            row = next(row for row in self._measuring.rows if row.name == f"{name}: {process}")
            self._measuring.add(f"{name} per core", "1/s", [1e6 / value for value in row.values], **more)

    async def _counted(self, work: Work) -> None:
        if not processor.is_known():
            await work()
            return
        before = processor.used_s(self._processes)
        await work()
        after = processor.used_s(self._processes)
        self._spent.append({name: after[name] - before[name] for name in after})


async def measure(measuring: Measuring) -> None:
    """Reads of three depths, then orders: many clients at once, and one at a time."""
    async with rig(measuring.settings) as made:
        counting = Counting(measuring, made)
        users = [await made.user() for _ in range(16)]
        bare = [await made.bare_line() for _ in range(READERS)]
        await counting.rate("bare aiohttp", READS, lambda: _reads(bare, "/", users), ("api.bare", "load"))
        counting.per_core("bare aiohttp", "api.bare")
        lines = [await made.line() for _ in range(READERS)]
        for name, path in (
            ("api clock", "/api/v1/time/"),
            ("api me", "/api/v1/accounts/me/"),
            ("api wallet", "/api/v1/accounts/wallet/"),
        ):
            await counting.rate(name, READS, functools.partial(_reads, lines, path, users), OF_READS)
            counting.per_core(name, "api", anchor="bare aiohttp per core", floor=READS_PER_CORE)
        lines = [await made.line() for _ in range(CLIENTS)]
        orders = functools.partial(_orders, lines, users)
        await counting.rate("api settled orders", ORDERS, orders, OF_ORDERS, unit="orders/s", floor=5_000)
        numbers = itertools.count()
        await measuring.latency(
            "api one settled order", ALONE, lambda: _order(lines[0], users[0], next(numbers)), floor=8
        )


async def _reads(lines: list[Line], path: str, users: list[str]) -> None:
    async def one(line: Line, token: str) -> None:
        for _ in range(READS // len(lines)):
            status, answer = await line.ask("GET", path, token)
            assert status == 200, answer

    await asyncio.gather(*(one(line, token) for line, token in zip(lines, itertools.cycle(users), strict=False)))


async def _orders(lines: list[Line], users: list[str]) -> None:
    async def one(line: Line, token: str) -> None:
        for number in range(ORDERS // len(lines)):
            await _order(line, token, number)

    await asyncio.gather(*(one(line, token) for line, token in zip(lines, itertools.cycle(users), strict=False)))


async def _order(line: Line, token: str, number: int) -> None:
    """Six in ten rest, the others meet them: both sides of the book around one price."""
    side, distance = ("buy", -1) if number % 2 else ("sell", 1)
    price = 40_000 + distance * (number % 10 - 3)
    body = msgspec.json.encode({"market": MARKET, "side": side, "amount": "0.001", "price": str(price)})
    status, answer = await line.ask("POST", "/api/v1/orders/", token, body)
    assert status == 201, answer


BENCH = Bench("api", "one API process: reads, and orders from the request to the answer after the money moved", measure)
