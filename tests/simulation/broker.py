"""Kafka as it may behave: partitions, offsets, the broker's clock, and producers whose acknowledgement may be lost.

A failed producer is finished, and what it had in flight is in the log or is not. A process that dies leaves behind in
the log some first part of what it had handed over.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from runtime.journal.checkpoint import partition_of
from runtime.journal.errors import Unwell
from tests.simulation.loop import Loop, Process
from tests.simulation.weather import Weather

EPOCH_MS = 1_760_000_000_000


class Outage(Exception):  # noqa: N818  -- a state of the world
    """What a producer says when it is finished."""


class Record(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_type: int = 1


class Broker:
    """The logs, and everybody who waits for more."""

    def __init__(self, loop: Loop, weather: Weather, partitions: int) -> None:
        self.loop = loop
        self.weather = weather
        self.partitions = partitions
        self.skew_ms = 0
        self.logs: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self.committed: dict[tuple[str, str, int], int] = {}
        self.appended: Callable[[str, Record], None] = lambda topic, record: None
        self._waiting: dict[tuple[str, int], list[asyncio.Future[None]]] = defaultdict(list)

    def append(self, topic: str, partition: int, key: bytes, value: bytes, headers=(("v", b"1"),)) -> int:
        log = self.logs[topic, partition]
        time_ms = EPOCH_MS + int(self.loop.now * 1000) + self.skew_ms
        record = Record(partition, len(log), time_ms, key, value, headers)
        log.append(record)
        self.appended(topic, record)
        for future in self._waiting.pop((topic, partition), ()):
            if not future.done():
                future.set_result(None)
        return record.offset

    def end(self, topic: str, partition: int) -> int:
        return len(self.logs[topic, partition])

    def table(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """A compacted topic as a reader sees it: the newest value of each key."""
        newest = {record.key: record.value for record in self.logs[topic, partition]}
        return {key: value for key, value in newest.items() if partition_of(key) == partition}

    async def more(self, topic: str, partition: int, position: int) -> None:
        """Returns when the log has grown beyond this position, or after a second."""
        if self.end(topic, partition) > position:
            return
        future = self.loop.create_future()
        self._waiting[topic, partition].append(future)
        await asyncio.wait([future], timeout=1.0)


class Source:
    """The plain reader of one process."""

    def __init__(self, broker: Broker, group: str) -> None:
        self._broker = broker
        self._group = group

    async def committed(self, topic: str, partition: int) -> int:
        return self._broker.committed.get((self._group, topic, partition), -1)

    async def read(self, topic: str, partition: int, start: int, stop: int) -> AsyncIterator[Sequence[Record]]:
        weather = self._broker.weather
        position = start
        while position < stop:
            await weather.pause()
            if weather.happens(weather.database_refuses / 2):
                raise Unwell("the broker does not answer")
            records = self._broker.logs[topic, partition][position : min(stop, position + weather.rng.randint(1, 40))]
            if not records:
                raise Unwell(f"{topic}/{partition}: no record from {position} on, though there must be")
            yield records
            position = records[-1].offset + 1


class Producer:
    """One process's pen. It keeps the order of its sends within a partition, whatever fails."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self.broken = False
        self._broker = broker
        self._process = process
        self._queue: deque[tuple[str, int, bytes, bytes, asyncio.Future[int]]] = deque()
        self._pumping = False
        process.at_end.append(self._what_was_on_the_wire)

    def send(self, topic: str, partition: int, key: bytes, value: bytes) -> asyncio.Future[int]:
        self._process.check()
        future: asyncio.Future[int] = self._broker.loop.create_future()
        if self.broken:
            future.set_exception(Outage("this producer has failed before"))
            return future
        self._queue.append((topic, partition, key, value, future))
        if not self._pumping:
            self._pumping = True
            self._process.spawn(self._pump())
        return future

    async def _pump(self) -> None:
        weather = self._broker.weather
        while self._queue:
            await weather.pause()
            taken = []
            for _ in range(weather.rng.randint(1, len(self._queue))):
                if weather.happens(weather.not_taken):
                    self._fail(future for future, _ in taken)
                    return
                topic, partition, key, value, future = self._queue.popleft()
                offset = self._broker.append(topic, partition, key, value)
                taken.append((future, offset))
            await weather.pause()
            if weather.happens(weather.ack_lost):
                self._fail(future for future, _ in taken)
                return
            for future, offset in taken:
                if not future.done():
                    future.set_result(offset)
        self._pumping = False

    def _fail(self, unknown=()) -> None:
        self.broken = True
        lost, self._queue = [*unknown, *(item[-1] for item in self._queue)], deque()
        for future in lost:
            if not future.done():
                future.set_exception(Outage("the broker did not answer in time"))

    def _what_was_on_the_wire(self) -> None:
        rng = self._broker.weather.rng
        for _ in range(rng.randint(0, len(self._queue)) if rng.random() < 0.5 else 0):
            topic, partition, key, value, _ = self._queue.popleft()
            self._broker.append(topic, partition, key, value)
        self._queue.clear()


class Outlet:
    """What a keeper sends its outputs and its snapshots through."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def send(self, partition, sent):
        return self._producer.send(sent.topic, partition, sent.key, sent.value)

    async def write(self, topic: str, partition: int, entries: Mapping[bytes, bytes]) -> int:
        futures = []
        for key, value in entries.items():
            futures.append(self._producer.send(topic, partition, key, value))
            await asyncio.sleep(0)
        return max([await future for future in futures], default=-1)
