"""The topics read plainly, from where the books are to an end that is given; repeats are dropped, forks refused."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ledger.replay.row_rules import Asked
from runtime.journal.bulk import Bulk
from runtime.journal.chain import ORIGIN, unseal
from runtime.journal.errors import Broken, Unwell
from runtime.journal.machine import Record, schema_version
from runtime.journal.reader import Reader
from runtime.journal.watermark import Arrival, Mark, Verdict, judge
from runtime.settings import Settings
from schemas.batches import BatchRecord, Fill, decode_batch_record, decode_fill
from schemas.commands import Tick, Undecodable, decode_command
from schemas.entries import Entry, decode_entry
from schemas.executions import ChainedExecution, decode_execution
from schemas.topics import BATCHES, COMMANDS, EXECUTIONS, FILLS, LEDGER_ENTRIES, Topic

TOPICS = (LEDGER_ENTRIES, COMMANDS, EXECUTIONS, BATCHES, FILLS)
SINKS = (EXECUTIONS, BATCHES, FILLS)
"""What the wallet agent follows, and keeps watermarks of."""
AT_ONCE = 200
"""So few that whoever works beside the reading has his turn every few milliseconds."""
Marks = dict[str, Mark]
Place = tuple[str, int]
"""A topic, by its name in the table of topics, and a partition."""


class Stretch(NamedTuple):
    """A part of one partition: from `start` up to `stop`, which is not in it."""

    partition: int
    start: int
    stop: int


class Topics:
    """One reader for all of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader = Reader(settings, "replay")
        self._bulk = Bulk(settings, "replay")

    async def bounds(self, topic: Topic) -> Mapping[int, tuple[int, int]]:
        """The first offset and the end of each partition, as the broker says now."""
        try:
            return await self._reader.bounds(self._settings.topic(topic.name), range(self._settings.kafka_partitions))
        except Unwell as error:
            raise Broken(f"Kafka does not say where {topic.name} ends: {error}") from error

    async def ends(self, *topics: Topic) -> dict[Place, int]:
        """The end of each partition of these topics; they are asked all at once."""
        found = await asyncio.gather(*map(self.bounds, topics))
        return {
            (topic.name, partition): end
            for topic, bounds in zip(topics, found, strict=True)
            for partition, (_, end) in bounds.items()
        }

    async def time_of(self, topic: Topic, partition: int, offset: int) -> int:
        """When a record came, by the broker's clock."""
        async for records in self._read(topic, Stretch(partition, offset, offset + 1)):
            return records[0].timestamp
        raise Broken(f"{topic.name}/{partition} has nothing at {offset}")

    async def entries(self, stretch: Stretch) -> AsyncGenerator[Sequence[Entry], None]:
        async for records in self._read(LEDGER_ENTRIES, stretch):
            yield [decoded(LEDGER_ENTRIES, record, decode_entry) for record in records]

    async def commands(self, stretch: Stretch) -> AsyncGenerator[Sequence[Asked], None]:
        """What is no command was parked by the engine too."""
        async for records in self._read(COMMANDS, stretch):
            asked = []
            for record in records:
                command = decode_command(record.value, schema_version(record))
                if not isinstance(command, Tick | Undecodable):
                    asked.append(Asked(command, stretch.partition, record.offset, record.timestamp))
            yield asked

    async def executions(self, stretch: Stretch, marks: Marks) -> AsyncGenerator[Sequence[ChainedExecution], None]:
        async for records in self._read(EXECUTIONS, stretch):
            yield _chained(EXECUTIONS, records, marks, decode_execution)

    async def batches(self, stretch: Stretch, marks: Marks) -> AsyncGenerator[Sequence[BatchRecord], None]:
        async for records in self._read(BATCHES, stretch):
            yield _chained(BATCHES, records, marks, decode_batch_record)

    async def fills(self, stretch: Stretch, marks: Marks) -> AsyncGenerator[Sequence[Fill], None]:
        """Numbered by where they lie; one may be said twice, which the batch's state tells."""
        async for records in self._read(FILLS, stretch):
            last = records[-1].offset
            marks[""] = Mark(last + 1, last, ORIGIN, last)
            yield [decoded(FILLS, record, decode_fill) for record in records]

    async def _read(self, topic: Topic, stretch: Stretch) -> AsyncGenerator[Sequence[Record], None]:
        if stretch.start >= stretch.stop:
            return
        try:
            name = self._settings.topic(topic.name)
            async for records in self._bulk.read(name, stretch.partition, stretch.start, stretch.stop):
                for first in range(0, len(records), AT_ONCE):
                    yield records[first : first + AT_ONCE]
        except Unwell as error:
            raise Broken(f"{topic.name} cannot be read to its end: {error}") from error


def decoded(topic: Topic, record: Record, decode: Callable[[bytes], Any]) -> Any:
    try:
        return decode(record.value or b"")
    except msgspec.DecodeError as error:
        raise Broken(f"{topic.name} at {record.offset} cannot be read: {error}") from error


def _chained(topic: Topic, records: Sequence[Record], marks: Marks, decode: Callable[[bytes], Any]) -> list[Any]:
    """Those that are new by their market's watermark, which moves on with them."""
    new = []
    for record in records:
        sealed = unseal(record.value or b"")
        told = decoded(topic, record, decode)
        came = Arrival(told.market, told.seq, told.offset, sealed.prev_chain, sealed.chain, record.offset)
        if judge(marks.get(told.market, Mark()), came) is Verdict.NEW:
            marks[told.market] = Mark(came.seq, came.source_offset, came.chain, came.position)
            new.append(told)
    return new
