"""A journal under load on the real broker: workers to kill, a loader that does not stop, the comparison that counts.

What must be true after every fault: each record of a market's sequence is there, all copies of it are the same bytes,
and they are the bytes that a fresh process gets from an uninterrupted replay.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from runtime import kafka
from runtime.embedded.home import free_port
from runtime.journal.bench.tally import command
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.topics import COMMANDS, EXECUTIONS, PARKED, TRADES, changelog

CHANGELOG = changelog("matching", "books")
LAB_TOPICS = (COMMANDS, EXECUTIONS, TRADES, PARKED, CHANGELOG)
MARKETS = 8
IDLE = "IDLE"
ROOT = Path(__file__).resolve().parents[3]


@dataclasses.dataclass(frozen=True)
class Play:
    """Which agent a lab tries: its module, its program for the replay, how a market opens, and the load."""

    module: str
    program: str
    opening: Callable[[str], bytes]
    mixed: Callable[[int, str], bytes]
    has_options: bool = False


class Process:
    """A worker in a process of its own."""

    def __init__(self, lab: "Lab", name: str, *, crash_at: str = "", module: str = "", **options: object) -> None:
        self.name = name
        self.trace = lab.folder / f"{name}-{len(lab.processes)}.trace"
        self.log = lab.folder / f"{name}-{len(lab.processes)}.log"
        words = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        environ = {**os.environ, **lab.environ(), "CRASH_AT": crash_at, "CRASH_TRACE": str(self.trace)}
        if not (lab.play.has_options or module):
            words = []
        with self.log.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module or lab.play.module, *words],
                env=environ, cwd=ROOT, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    async def gone(self, seconds: float = 60) -> int:
        """Its exit code."""
        deadline = time.monotonic() + seconds
        while (code := self.popen.poll()) is None:
            assert time.monotonic() < deadline, f"{self.name} does not end:\n{self.said()[-3000:]}"
            await asyncio.sleep(0.01)
        return code

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Lab:
    """Everything of one test."""

    def __init__(self, settings: Settings, folder: Path, play: "Play | None" = None, **options: object) -> None:
        self.play = play or TALLY
        self.settings = dataclasses.replace(settings, home=folder)
        self.folder = folder
        self.options = options
        self.processes: list[Process] = []
        self.reader = Reader(self.settings, "lab")
        self.partitions = range(settings.kafka_partitions)
        self._answered = dict.fromkeys(self.partitions, -1)
        self._seen = dict.fromkeys(self.partitions, 0)
        self._loading = False
        self._sent = 0
        self._site_port = free_port(set())

    def environ(self) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP": str(self.settings.kafka_bootstrap),
            "KAFKA_PARTITIONS": str(self.settings.kafka_partitions),
            "TIDEMARK_NAMESPACE": self.settings.namespace,
            "TIDEMARK_HOME": str(self.folder),
            "TIDEMARK_SITE_PORT": str(self._site_port),
            "POSTGRES_HOST": "127.0.0.1",
            "REDIS_HOST": "127.0.0.1",
            "TIDEMARK_TEST": "1",
            "PYTHONHASHSEED": str(len(self.processes)),
        }

    def worker(self, name: str = "w1", **options: object) -> Process:
        rounds = {"round_commands": 2000, "round_seconds": 0.1, "share": 0.5}
        chosen = {"instance": name, "session": 3, "lifetime": 200, **rounds}
        process = Process(self, name, **{**chosen, **self.options, **options})
        self.processes.append(process)
        return process

    def sink(self, **options: object) -> Process:
        """A process that follows the outcomes into a database file."""
        process = Process(self, "sink", module="tests.runtime.journal.sinking", **{"lifetime": 200, **options})
        self.processes.append(process)
        return process

    async def open_markets(self) -> None:
        """Several per partition, and one that nobody speaks to again."""
        topic = self.settings.topic(COMMANDS.name)
        for number, name in enumerate([*(f"M{number}" for number in range(MARKETS)), IDLE]):
            partition = number % len(self.partitions)
            await (await self._producer.send(topic, self.play.opening(name), name.encode(), partition))

    async def _load(self, per_second: int) -> None:
        """Commands of every kind, for as long as the lab loads."""
        topic, at_once = self.settings.topic(COMMANDS.name), max(1, per_second // 100)
        while self._loading:
            for _ in range(at_once):
                number = self._sent
                self._sent += 1
                market = f"M{number % MARKETS}"
                await self._producer.send(
                    topic, self.play.mixed(number, market), market.encode(), number % MARKETS % len(self.partitions)
                )
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def loading(self, per_second: int = 2000) -> AsyncIterator[None]:
        """Sends without a pause, whatever happens to the workers."""
        self._loading = True
        task = asyncio.create_task(self._load(per_second))
        try:
            yield
        finally:
            self._loading = False
            await task
            await self._producer.flush()

    async def ends(self, topic: str) -> dict[int, int]:
        bounds = await self.reader.bounds(self.settings.topic(topic), self.partitions)
        return {number: end for number, (_, end) in bounds.items()}

    async def outcomes(self) -> int:
        return sum((await self.ends(EXECUTIONS.name)).values())

    async def more_outcomes(self, count: int, seconds: float = 60) -> None:
        """Waits until so many more outcome records have come."""
        wanted, deadline = await self.outcomes() + count, time.monotonic() + seconds
        while await self.outcomes() < wanted:
            assert time.monotonic() < deadline, f"no {count} more outcomes\n{self.processes[-1].said()[-3000:]}"
            await asyncio.sleep(0.01)

    async def answered(self) -> dict[int, int]:
        """Per partition, the highest command offset that an outcome names."""
        topic = self.settings.topic(EXECUTIONS.name)
        for partition, end in (await self.ends(EXECUTIONS.name)).items():
            if self._seen[partition] < end:
                async for batch in self.reader.read(topic, partition, self._seen[partition], end):
                    offsets = (json.loads(record.value or b"")["offset"] for record in batch)
                    self._answered[partition] = max(self._answered[partition], *offsets)
                self._seen[partition] = end
        return dict(self._answered)

    async def left_by(self, victim: Process) -> int:
        """Commands that were in the journal without an outcome when a worker died at its point."""
        return await self.in_flight(victim.trace.stat().st_mtime)

    async def in_flight(self, moment: float) -> int:
        """How many commands were in the journal at this moment (seconds since 1970) and have no outcome yet."""
        answered = await self.answered()
        count = 0
        topic = self.settings.topic(COMMANDS.name)
        for partition, end in (await self.ends(COMMANDS.name)).items():
            start = answered[partition] + 1
            if start < end:
                async for batch in self.reader.read(topic, partition, start, end):
                    count += sum(record.timestamp <= moment * 1000 for record in batch)
        return count

    async def catch(self, process: Process, seconds: float = 30) -> None:
        """Stops a process at whatever instruction it is, and waits until it has left commands without an outcome: a
        worker on a fast machine has answered everything at most moments."""
        process.signal(signal.SIGSTOP)
        deadline = time.monotonic() + seconds
        while await self.in_flight(time.time()) == 0:
            assert time.monotonic() < deadline, "commands come, and all are answered though the worker is stopped"
            await asyncio.sleep(0.01)

    async def records(self, topic: str) -> AsyncIterator[tuple[int, bytes, bytes]]:
        for partition, end in (await self.ends(topic)).items():
            if end:
                async for batch in self.reader.read(self.settings.topic(topic), partition, 0, end):
                    for record in batch:
                        yield partition, record.key or b"", record.value or b""

    async def drained(self, seconds: float = 60) -> None:
        """Waits until every command has an outcome."""
        deadline = time.monotonic() + seconds
        ends = await self.ends(COMMANDS.name)
        while any(offset < ends[partition] - 1 for partition, offset in (await self.answered()).items()):
            assert time.monotonic() < deadline, f"not drained\n{self.processes[-1].said()[-3000:]}"
            await asyncio.sleep(0.1)

    async def check(self) -> int:
        """Nothing lost, nothing told differently, no gap; the number of repeats that were dropped."""
        expected = self.replayed()
        repeats = 0
        for topic in (EXECUTIONS.name, TRADES.name):
            found: dict[bytes, list[bytes]] = defaultdict(list)
            async for partition, key, value in self.records(topic):
                told = found[key]
                record = json.loads(value)
                seq = record.get("seq") or record["trade_seq"]
                if seq <= len(told):
                    assert told[seq - 1] == value, f"{topic}/{partition} tells seq {seq} of {key!r} in two ways"
                    repeats += 1
                else:
                    assert seq == len(told) + 1, f"{topic}/{partition}: {key!r} jumps from {len(told)} to {seq}"
                    told.append(value)
            assert found == expected[topic]
        parked = {value async for _, _, value in self.records(PARKED.name)}
        assert parked == {value for values in expected[PARKED.name].values() for value in values}
        return repeats

    def replayed(self) -> dict[str, dict[bytes, list[bytes]]]:
        done = subprocess.run(
            [sys.executable, "-m", "runtime.journal.bench.replayed", self.play.program],
            env={**os.environ, **self.environ(), "PYTHONHASHSEED": "4711"}, cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        expected: dict[str, dict[bytes, list[bytes]]] = {
            name: defaultdict(list) for name in (EXECUTIONS.name, TRADES.name, PARKED.name)
        }
        for line in done.stdout.splitlines():
            topic, _, key, value = line.split(b"\t", 3)
            expected[topic.decode()][key].append(value)
        return expected

    async def damage(self, wanted: bytes, change) -> int:
        """Writes over the table's newest entries whose key contains `wanted`; how many."""
        topic = self.settings.topic(CHANGELOG.name)
        newest: dict[tuple[int, bytes], bytes | None] = {}
        async for partition, key, value in self.records(CHANGELOG.name):
            newest[partition, key] = value
        hit = 0
        for (partition, key), value in newest.items():
            if wanted in key:
                await (await self._producer.send(topic, change(value), key, partition))
                hit += 1
        return hit

    async def __aenter__(self) -> "Lab":
        assert await kafka.ensure_topics(self.settings, LAB_TOPICS) == []
        self._producer = kafka.producer(self.settings, name="lab", max_batch_bytes=256 << 10, request_timeout_ms=60_000)
        await self._producer.start()
        await self.open_markets()
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.kill()
                process.popen.wait()
        await self._producer.stop()
        await kafka.delete_topics(self.settings, [self.settings.topic(topic.name) for topic in LAB_TOPICS])


def _mixed(number: int, market: str) -> bytes:
    """Mostly additions; sales, sweeps that take several parts, ticks, and what cannot be used."""
    if number % 501 == 500:
        return command("burst", market, 0, 1200)
    if number % 97 == 96:
        return (b"not json", b'["add", "NOWHERE", 1, 1]', b'["far", "%s"]' % market.encode(), b"\xff\x00")[
            number // 97 % 4
        ]
    if number % 50 == 49:
        return command("tick", market)
    return command("sell" if number % 10 == 0 else "add", market, number % 200, number % 7)


TALLY = Play(
    "runtime.journal.bench",
    "runtime.journal.bench.tally",
    lambda market: command("open", market),
    _mixed,
    has_options=True,
)
