"""Kafka as it may behave: partitions, offsets, the broker's clock, and producers whose acknowledgement may be lost.

A failed producer is finished, and what it had in flight is in the log or is not. A process that dies leaves behind in
the log some first part of what it had handed over.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
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

    def total(self, topic: str) -> int:
        return sum(self.end(topic, number) for number in range(self.partitions))

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
    """One process's pen. It keeps the order of its sends within a partition, and no order between partitions."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._is_broken = False
        self._is_pumping = False
        self._queues: dict[tuple[str, int], deque[tuple[bytes, bytes, asyncio.Future[int]]]] = {}
        process.at_end.append(self._put_on_the_wire)

    def send(self, topic: str, partition: int, key: bytes, value: bytes) -> asyncio.Future[int]:
        self._process.check()
        future: asyncio.Future[int] = self._broker.loop.create_future()
        if self._is_broken:
            future.set_exception(Outage("this producer has failed before"))
            return future
        self._queues.setdefault((topic, partition), deque()).append((key, value, future))
        if not self._is_pumping:
            self._is_pumping = True
            self._process.spawn(self._pump())
        return future

    @property
    def is_idle(self) -> bool:
        """A broken one never is: its process has yet to notice."""
        return not self._is_pumping

    async def _pump(self) -> None:
        weather = self._broker.weather
        while self._queues:
            await weather.pause()
            if weather.happens(weather.not_taken):
                self._fail()
                return
            place = weather.rng.choice(list(self._queues))
            taken = self._write(place, weather.rng.randint(1, len(self._queues[place])))
            await weather.pause()
            if weather.happens(weather.ack_lost):
                self._fail(taken)
                return
            for future, offset in taken.items():
                if not future.done():
                    future.set_result(offset)
        self._is_pumping = False

    def _write(self, place: tuple[str, int], count: int) -> dict[asyncio.Future[int], int]:
        """The first so many of one partition are in the log now."""
        queue, taken = self._queues[place], {}
        for _ in range(count):
            key, value, future = queue.popleft()
            taken[future] = self._broker.append(*place, key, value)
        if not queue:
            del self._queues[place]
        return taken

    def _fail(self, unknown: Iterable[asyncio.Future[int]] = ()) -> None:
        self._is_broken = True
        lost = [*unknown, *(future for queue in self._queues.values() for _, _, future in queue)]
        self._put_on_the_wire()
        for future in lost:
            if not future.done():
                future.set_exception(Outage("the broker did not answer in time"))

    def _put_on_the_wire(self) -> None:
        """What was under way arrives, or some first part of it, or nothing; nobody hears of it."""
        rng = self._broker.weather.rng
        for place in list(self._queues):
            if rng.random() < 0.5:
                self._write(place, rng.randint(0, len(self._queues[place])))
        self._queues.clear()


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
