"""Where output records go: one idempotent producer per process, whose first failure ends the process.

After a producer error the fate of everything in flight is unknown, so nothing is retried here: the next start
re-executes and says the same again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer

from runtime.journal.partition import Outgoing
from runtime.settings import Settings
from schemas.topics import MAX_RECORD_BYTES

VERSION_HEADERS = [("v", b"1")]


class Outlet(Protocol):
    """Takes output records in order; what it answers is done when the other side has acknowledged."""

    async def send(self, partition: int, sent: Outgoing) -> Awaitable[Any]: ...


class Acks:
    """Acknowledgements that have not come yet, in the order of sending."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()

    def add(self, future: Any) -> None:
        self._waiting.append(future)

    def sweep(self) -> None:
        """Forget what is acknowledged; raises the first failure."""
        waiting = self._waiting
        while waiting and waiting[0].done():
            waiting.popleft().result()

    async def settled(self) -> None:
        """Everything sent so far is acknowledged; raises the first failure."""
        for future in tuple(self._waiting):
            await future
        self.sweep()


class KafkaOutlet:
    """The usual outlet, and the way into the table's changelog."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=256 << 10,
            max_request_size=2 * MAX_RECORD_BYTES,
            request_timeout_ms=30_000,
        )

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def send(self, partition: int, sent: Outgoing) -> Awaitable[Any]:
        future: Awaitable[Any] = await self._producer.send(
            self._topic(sent.topic), sent.value, sent.key, partition, headers=VERSION_HEADERS
        )
        return future

    async def write(self, topic: str, partition: int, entries: Mapping[bytes, bytes]) -> int:
        """Table records, all acknowledged; the offset of the last."""
        futures = []
        for key, value in entries.items():
            futures.append(await self._producer.send(topic, value, key, partition))
            await asyncio.sleep(0)  # a big snapshot is many records; the journal goes on in between
        return max([(await future).offset for future in futures], default=-1)
