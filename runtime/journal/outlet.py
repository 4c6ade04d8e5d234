"""Where output records go: one idempotent producer per process, whose first failure ends the process.

After a producer error the fate of everything in flight is unknown, so nothing is retried here: the next start
re-executes and says the same again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from runtime import kafka
from runtime.journal.partition import Outgoing
from runtime.settings import Settings
from schemas.topics import MAX_RECORD_BYTES

BATCH_BYTES = 256 << 10
OUTAGE_MS = 30_000
"""A broker may be away for this long before an agent halts."""
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

    def __init__(self, settings: Settings, name: str) -> None:
        self._topic = settings.topic
        self._settings = settings
        self._name = name
        self._producer: Any = None  # aiokafka's clients can be made in a running loop only

    async def start(self) -> None:
        self._producer = kafka.producer(
            self._settings,
            name=self._name,
            max_request_bytes=2 * MAX_RECORD_BYTES,
            max_batch_bytes=BATCH_BYTES,
            request_timeout_ms=OUTAGE_MS,
        )
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
