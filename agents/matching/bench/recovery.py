"""A long journal on a real broker, and the agent's own process that comes up to it, with and without a snapshot.

Seconds are those of the clock, from the start of the process to the acknowledged outcome of the last command.
"""

import asyncio
import dataclasses
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.matching.bench.mix import OPEN, Source
from agents.matching.bench.parts import RESTING, ROUND
from runtime import kafka
from runtime.bench import Measuring
from runtime.settings import PROJECT_ROOT, Settings
from schemas.commands import Command, encode_command
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, PARKED, TRADES

RECOVERED, BLOCK = 1_000_000, 20_000
TOPICS = (COMMANDS, EXECUTIONS, TRADES, PARKED, CHANGELOGS[0])


class Journal:
    """One market's journal in a name space of its own; every command has one outcome."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self.settings = settings
        self.length = 0
        self._source = Source(RESTING)
        self._producer = producer
        self._consumer = consumer

    async def open(self) -> None:
        await self._write(self._source.before)

    async def grow(self, count: int) -> None:
        """More commands, all acknowledged."""
        for start in range(0, count, BLOCK):
            await self._write(self._source.take(min(BLOCK, count - start)))

    async def _write(self, commands: list[Command]) -> None:
        topic, key = self.settings.topic(COMMANDS.name), OPEN.market.encode()
        sent = [await self._producer.send(topic, encode_command(command), key, 0) for command in commands]
        await asyncio.gather(*sent)
        self.length += len(commands)

    async def answered(self) -> int:
        outcomes = TopicPartition(self.settings.topic(EXECUTIONS.name), 0)
        ends = await self._consumer.end_offsets([outcomes])
        return int(ends[outcomes])

    async def recovered(self) -> float:
        """Seconds until a new process has told the outcome of every command; then it stops in order."""
        began = time.perf_counter()
        worker = self._worker()
        try:
            while await self.answered() < self.length:
                if (code := worker.poll()) is not None:
                    raise RuntimeError(f"the matching agent ended with {code}")
                await asyncio.sleep(0.01)
            return time.perf_counter() - began
        finally:
            worker.send_signal(signal.SIGTERM)
            await asyncio.to_thread(worker.wait)

    def _worker(self) -> subprocess.Popen[bytes]:
        environ = {
            **os.environ,
            "KAFKA_BOOTSTRAP": str(self.settings.kafka_bootstrap),
            "KAFKA_PARTITIONS": str(self.settings.kafka_partitions),
            "TIDEMARK_NAMESPACE": self.settings.namespace,
            "TIDEMARK_HOME": str(self.settings.home),
        }
        (self.settings.home / "run").mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "agents.matching"]
        return subprocess.Popen(words, env=environ, cwd=PROJECT_ROOT, stderr=subprocess.DEVNULL)


@asynccontextmanager
async def journal(settings: Settings) -> AsyncIterator[Journal]:
    """With its market open and the book filled."""
    settings = dataclasses.replace(settings, namespace=f"bench_{secrets.token_hex(4)}")
    await kafka.ensure_topics(settings, TOPICS)
    clients: Any = kafka.producer(settings, name="bench"), kafka.consumer(settings, name="bench")
    try:
        async with kafka.running(clients[0]) as producer, kafka.running(clients[1]) as consumer:
            filled = Journal(settings, producer, consumer)
            await filled.open()
            yield filled
    finally:
        await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in TOPICS])


async def measure_recovery(measuring: Measuring, commands: int = RECOVERED, tail: int = ROUND) -> None:
    """The whole journal once, because it is long; then a snapshot and what one round may leave behind it, each time."""
    async with journal(measuring.settings) as filled:
        await filled.grow(commands - filled.length)
        seconds = await filled.recovered()
        name = f"{commands:,} commands executed again"
        measuring.add(f"{name}, from the journal's start", "s", [seconds])
        measuring.add(name, "commands/s", [commands / seconds])
        restarts = []
        for _ in range(measuring.repeats):
            await filled.grow(tail)
            restarts.append(await filled.recovered())
        measuring.add(f"started from a snapshot, {tail:,} commands behind it", "s", restarts)
        await filled.grow(1)
        measuring.add("started from a snapshot, one command behind it", "s", [await filled.recovered()])
