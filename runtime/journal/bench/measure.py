"""`tidemark bench journal`: the pattern on a real broker, with the tally as its machine.

Throughput is that of a worker that finds a backlog, snapshots included; latency is open loop, from `send` to the
outcome in a consumer's hands; a restart is from the start of the process to its first new outcome.
"""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import msgspec
from aiokafka import TopicPartition

from runtime import kafka
from runtime.bench import Bench, Measuring, percentile
from runtime.journal.bench.tally import PROGRAM, command
from runtime.journal.checkpoint import Round, restore
from runtime.journal.partition import Partition
from runtime.settings import PROJECT_ROOT, Settings
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, PARKED, TRADES

TOPICS = (COMMANDS, EXECUTIONS, TRADES, PARKED, CHANGELOGS[0])
MARKETS = 8
BACKLOG = 200_000
PER_SECOND, SECONDS = 2_000, 4
RESTING = 100_000


class Place(msgspec.Struct):
    """What is read of an outcome."""

    partition: int
    offset: int


_place = msgspec.json.Decoder(Place)


class Rig:
    """A journal with a name space of its own, and a worker that can be killed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = dataclasses.replace(settings, namespace=f"bench_{secrets.token_hex(4)}")
        self._journal = self.settings.topic(COMMANDS.name)
        self._worker: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> "Rig":
        await kafka.ensure_topics(self.settings, TOPICS)
        self.producer = kafka.producer(self.settings, name="bench", max_batch_bytes=256 << 10)
        self.consumer = kafka.consumer(self.settings, name="bench")
        self._outcomes = [
            TopicPartition(self.settings.topic(EXECUTIONS.name), number)
            for number in range(self.settings.kafka_partitions)
        ]
        await self.producer.start()
        await self.consumer.start()
        self.consumer.assign(self._outcomes)
        for number in range(MARKETS):
            await (await self.send(command("open", f"M{number}"), number))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)
        await kafka.stop(self.producer)
        await kafka.stop(self.consumer)
        await kafka.delete_topics(self.settings, [self.settings.topic(topic.name) for topic in TOPICS])

    async def send(self, value: bytes, number: int) -> Awaitable[Any]:
        market = number % MARKETS
        partition = market % self.settings.kafka_partitions
        future: Awaitable[Any] = await self.producer.send(self._journal, value, b"M%d" % market, partition)
        return future

    async def fill(self, count: int) -> None:
        """A backlog of additions."""
        for number in range(count):
            await self.send(command("add", f"M{number % MARKETS}", number % 1000, 1), number)
        await self.producer.flush()

    def start(self) -> None:
        assert self.settings.kafka_bootstrap is not None
        environ = {
            **os.environ,
            "KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "KAFKA_PARTITIONS": str(self.settings.kafka_partitions),
            "TIDEMARK_NAMESPACE": self.settings.namespace,
            "TIDEMARK_HOME": str(self.settings.home),
        }
        words = [sys.executable, "-m", "runtime.journal.bench", "--instance", "bench"]
        self._worker = subprocess.Popen(words, env=environ, cwd=PROJECT_ROOT, stderr=subprocess.DEVNULL)

    def end(self, how: signal.Signals) -> None:
        if self._worker is not None:
            self._worker.send_signal(how)
            self._worker.wait()
            self._worker = None

    async def outcomes(self) -> int:
        ends = await self.consumer.end_offsets(self._outcomes)
        return sum(ends.values())

    async def until(self, count: int) -> tuple[float, int]:
        """When there were that many outcomes, and how many there were then."""
        while (found := await self.outcomes()) < count:  # noqa: ASYNC110  -- another process writes them
            await asyncio.sleep(0.002)
        return time.perf_counter(), found


@contextlib.asynccontextmanager
async def working(rig: Rig) -> AsyncIterator[None]:
    """A worker that has caught up, and stops in order."""
    rig.start()
    try:
        ends = await rig.consumer.end_offsets(
            [TopicPartition(rig.settings.topic(COMMANDS.name), n) for n in range(rig.settings.kafka_partitions)]
        )
        await rig.until(sum(ends.values()))
        yield
    finally:
        rig.end(signal.SIGTERM)


async def backlog(settings: Settings) -> float:
    """Commands per second of a worker that finds a backlog."""
    async with Rig(settings) as rig:
        async with working(rig):
            pass
        await rig.fill(BACKLOG)
        rig.start()
        before = await rig.outcomes()
        began, first = await rig.until(before + 1)
        ended, last = await rig.until(before + BACKLOG)
        return (last - first) / (ended - began)


async def latencies(rig: Rig) -> list[float]:
    """Milliseconds from sending to the outcome in hand, at a steady rate."""
    sent: dict[tuple[int, int], float] = {}
    came: dict[tuple[int, int], float] = {}
    total = PER_SECOND * SECONDS
    await rig.consumer.seek_to_end(*rig.consumer.assignment())

    async def read() -> None:
        while len(came) < total:
            got = await rig.consumer.getmany(timeout_ms=1000)
            now = time.perf_counter()
            for records in got.values():
                places = (_place.decode(record.value) for record in records)
                came.update({(place.partition, place.offset): now for place in places})

    async def send(number: int) -> None:
        began = time.perf_counter()
        record = await (await rig.send(command("add", f"M{number % MARKETS}", number % 1000, 1), number))
        sent[record.partition, record.offset] = began

    reading = asyncio.create_task(read())
    began, sends = time.perf_counter(), []
    for number in range(total):
        ahead = began + number / PER_SECOND - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        sends.append(asyncio.create_task(send(number)))
    await asyncio.gather(*sends, reading)
    return [1000 * (came[place] - moment) for place, moment in sent.items()]


async def restart(rig: Rig) -> float:
    """Seconds from the start of a process after kill -9 to its first new outcome."""
    rig.start()
    await rig.fill(1000)
    await rig.until(await rig.outcomes() + 1)
    rig.end(signal.SIGKILL)
    await rig.fill(1000)
    before = await rig.outcomes()
    began = time.perf_counter()
    rig.start()
    ended, _ = await rig.until(before + 1)
    rig.end(signal.SIGTERM)
    return ended - began


class Row:
    """A journal record, as far as a partition looks."""

    def __init__(self, offset: int, value: bytes) -> None:
        self.partition, self.offset, self.timestamp, self.timestamp_type = 0, offset, 1, 1
        self.key, self.value, self.headers = b"M", value, ()


def checkpoint() -> dict[str, float]:
    """A market with many rows: the longest time that the loop is held by a round, the whole round, and a restore."""
    partition = Partition(PROGRAM, 0)
    partition.run([Row(0, command("open", "M")), Row(1, command("fill", "M", 0, RESTING))])
    began = time.perf_counter()
    round_ = Round(0, "bench", partition, ({}, {}))
    holds = [time.perf_counter() - began]
    entries, pieces = {}, round_.pieces()
    while True:
        start = time.perf_counter()
        piece = next(pieces, None)
        holds.append(time.perf_counter() - start)
        if piece is None:
            break
        entries[piece[0]] = piece[1]
    entries.update([round_.manifest_entry()])
    wrote = time.perf_counter()
    assert restore(PROGRAM, 0, entries).found
    ended = time.perf_counter()
    return {"pause": 1000 * max(holds), "round": 1000 * (wrote - began), "restore": ended - wrote}


async def measure(measuring: Measuring) -> None:
    settings, repeats = measuring.settings, range(measuring.repeats)
    measuring.add("commands, with snapshots", "1/s", [await backlog(settings) for _ in repeats], floor=100_000)
    async with Rig(settings) as rig:
        async with working(rig):
            runs = [await latencies(rig) for _ in repeats]
        for percent, floor in ((50, None), (99, 10.0)):
            values = [percentile(run, percent) for run in runs]
            measuring.add(f"send to outcome at {PER_SECOND}/s p{percent}", "ms", values, floor=floor)
        measuring.add("start after kill -9 to first outcome", "s", [await restart(rig) for _ in repeats], floor=1.0)
    rounds = [checkpoint() for _ in repeats]
    for name, unit, floor in (("pause", "ms", 20.0), ("round", "ms", None), ("restore", "s", 2.0)):
        measuring.add(f"{RESTING} rows: {name}", unit, [round_[name] for round_ in rounds], floor=floor)


BENCH = Bench("journal", "the journal's pattern with a small machine", measure)
