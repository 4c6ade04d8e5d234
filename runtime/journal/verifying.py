"""Proves a partition beside the running exchange: executes its journal in a fresh machine and compares what was told.

It only reads, outside every group. What is not told yet is waited for a little, and is missing only where the worker's
own checkpoint says that it was acknowledged.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from runtime.journal.bulk import Bulk
from runtime.journal.comparing import Verification, read
from runtime.journal.errors import Refused
from runtime.journal.lane import RUN_RECORDS
from runtime.journal.machine import Program, Record
from runtime.journal.partition import Partition
from runtime.journal.reader import Reader
from runtime.journal.replay import bring_to, within
from runtime.journal.snapshots import Snapshots
from runtime.settings import Settings

LEEWAY_MS = 60_000
"""A clock that was set back by less than this hides no record."""
PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """Which outcomes are compared: those of the journal offsets from `first` to `last`; None is as far as it goes.

    The state at `first` comes from the newest snapshot at or before it, unless the whole history is asked for.
    """

    partition: int
    market: str | None = None
    first: int | None = None
    last: int | None = None
    whole: bool = True


class Feed:
    """One output topic, read a little ahead of the execution."""

    def __init__(
        self, reader: Reader, source: Bulk, topic: str, name: str, partition: int, start: int, end: int
    ) -> None:
        self.name = name
        self.position = start
        self._reader = reader
        self._source = source
        self._topic = topic
        self._partition = partition
        self._open(start, end)

    def _open(self, start: int, end: int) -> None:
        self._end = end
        self._answered = -1
        self._batches: AsyncIterator[Sequence[Record]] = self._source.read(self._topic, self._partition, start, end)

    async def reach(self, executed: int, verification: Verification[Any, Any]) -> None:
        """Find everything that answers offsets below this, and a little more."""
        while self._answered < executed - 1 and await self.step(verification):
            pass

    async def step(self, verification: Verification[Any, Any]) -> bool:
        """The next records, if there are any."""
        records = await anext(self._batches, None)
        if not records:
            return False
        self.position = records[-1].offset + 1
        self._answered = max(self._answered, _last_answered(records))
        verification.find(self.name, records)
        return True

    async def extend(self) -> None:
        """Go on to where the topic ends by now."""
        _, end = (await self._reader.bounds(self._topic, [self._partition]))[self._partition]
        if end > self.position:
            await self.close()
            self._open(self.position, end)

    async def close(self) -> None:
        await self._batches.aclose()  # type: ignore[attr-defined]  # an async generator


def _last_answered(records: Sequence[Record]) -> int:
    """The journal offset that the last readable record answers."""
    for record in reversed(records):
        reading = read(record.value or b"")
        if not isinstance(reading, str):
            return reading.offset
    return -1


async def verify(
    program: Program[Any, Any], settings: Settings, stretch: Stretch, progress: Callable[[int, int], None]
) -> Verification[Any, Any]:
    """Compares a stretch; `progress` is told how many commands are executed, and of how many."""
    return await _Run(program, settings, stretch, progress).run()


class _Run:
    """One partition, once."""

    def __init__(
        self, program: Program[Any, Any], settings: Settings, stretch: Stretch, progress: Callable[[int, int], None]
    ) -> None:
        self._program = program
        self._settings = settings
        self._stretch = stretch
        self._partition = stretch.partition
        self._progress = progress
        self._reader = Reader(settings, program.name)
        self._source = Bulk(settings, program.name)
        self._journal = settings.topic(program.journal.name)

    async def run(self) -> Verification[Any, Any]:
        begin, end = await self._bounds(self._journal)
        first, stop = self._checked(begin, end)
        state = await self._start(first, begin)
        first = state.next_offset if first is None else first
        market, tell = self._stretch.market, self._progress
        await bring_to(state, self._source, self._journal, first, market=market, progress=lambda done: tell(done, stop))
        verification = Verification(state, market)
        feeds = [await self._feed(stream.topic, first, stop) for stream in self._program.streams]
        try:
            await self._execute(verification, first, stop, feeds)
            if stop == end:
                await self._find_all(verification, feeds)
            self._check_open(verification, stop)
            _, end = await self._bounds(self._journal)
            verification.finish(end)
            await self._wait_for_rest(verification, feeds, stop)
        finally:
            for feed in feeds:
                await feed.close()
        return verification

    async def _snapshots(self) -> Snapshots:
        return await Snapshots.read(self._program, self._reader, self._settings, self._partition)

    async def _bounds(self, topic: str) -> tuple[int, int]:
        return (await self._reader.bounds(topic, [self._partition]))[self._partition]

    def _checked(self, begin: int, end: int) -> tuple[int | None, int]:
        """The first offset if one was named, and the end of what is to be executed."""
        name, first, last = f"{self._journal}/{self._partition}", self._stretch.first, self._stretch.last
        within(name, begin, end, first, last)
        if first is not None and last is not None and last < first:
            raise Refused(f"The stretch ends at {last}, before it begins at {first}.")
        return first, end if last is None else last + 1

    async def _start(self, first: int | None, begin: int) -> Partition[Any, Any]:
        """The empty state, unless a snapshot is asked for or the journal's beginning is gone."""
        stretch = self._stretch
        if stretch.whole and begin == 0:
            return Partition(self._program, self._partition)
        limit = first if first is not None or stretch.last is None else stretch.last + 1
        state = (await self._snapshots()).newest(limit)
        if state is None and (first is None or begin > 0):
            raise Refused(f"No snapshot of partition {self._partition} is usable: verify from the start.")
        return state or Partition(self._program, self._partition)

    def _check_open(self, verification: Verification[Any, Any], stop: int) -> None:
        """The market must have been opened by the end of the stretch."""
        market = self._stretch.market
        if market is None or verification.executed < stop or market in verification.partition.markets:
            return
        raise Refused(f"{market} is not open in partition {self._partition} before offset {stop}.")

    async def _execute(
        self, verification: Verification[Any, Any], first: int, stop: int, feeds: Sequence[Feed]
    ) -> None:
        async for records in self._source.read(self._journal, self._partition, first, stop):
            for start in range(0, len(records), RUN_RECORDS):
                verification.execute(records[start : start + RUN_RECORDS])
                for feed in feeds:
                    await feed.reach(verification.executed, verification)
                verification.judge()
                self._progress(verification.executed, stop)

    async def _feed(self, topic: str, first: int, stop: int) -> Feed:
        name = self._settings.topic(topic)
        begin, end = await self._bounds(name)
        start = begin if first == 0 else await self._beginning(name, begin, end, first, stop)
        return Feed(self._reader, self._source, name, topic, self._partition, start, end)

    async def _beginning(self, topic: str, begin: int, end: int, first: int, stop: int) -> int:
        """Where in an output topic the outcomes of the offsets from `first` on begin, by the broker's clock; the
        topic's begin if that clock has been set back."""
        if first >= stop:
            return end
        command = await self._record(self._journal, first)
        assert command is not None, "the journal has it"
        found = await self._reader.since(topic, self._partition, command.timestamp - LEEWAY_MS)
        start = end if found is None else found
        before = await self._record(topic, start - 1) if start > begin else None
        if before is None:
            return begin
        reading = read(before.value or b"")
        return begin if isinstance(reading, str) or reading.offset >= first else start

    async def _record(self, topic: str, offset: int) -> Record | None:
        found: list[Record] = []
        async for records in self._reader.read(topic, self._partition, offset, offset + 1):
            found += records
        return found[0] if found else None

    async def _find_all(self, verification: Verification[Any, Any], feeds: Sequence[Feed]) -> None:
        for feed in feeds:
            while await feed.step(verification):
                verification.judge()

    async def _wait_for_rest(self, verification: Verification[Any, Any], feeds: Sequence[Feed], stop: int) -> None:
        """The exchange is working: what it is about to tell comes soon, and what it said that it told must be there."""
        loop = asyncio.get_running_loop()
        deadline, pending = loop.time() + PATIENCE_SECONDS, verification.pending
        while verification.pending and loop.time() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
            for feed in feeds:
                await feed.extend()
            await self._find_all(verification, feeds)
            _, end = await self._bounds(self._journal)
            verification.finish(end)
            if verification.pending < pending:
                deadline, pending = loop.time() + PATIENCE_SECONDS, verification.pending
        if verification.pending:
            verification.give_up(min(stop, (await self._snapshots()).acknowledged))
