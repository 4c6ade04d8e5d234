"""One way through the topics: accounts first, then each partition's commands with what became of them, then batches and
fills. Topics have no common order, but whatever depends on something else comes after it here.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Protocol

from ledger.batch_rules import Batch
from ledger.replay.known import Known
from ledger.replay.remade_rules import Remade
from ledger.replay.row_rules import Asked, Rows
from ledger.replay.topics import Marks, Place, Stretch, Topics
from runtime.journal.errors import Broken
from runtime.journal.watermark import resume_at
from schemas.entries import Entry
from schemas.topics import BATCHES, COMMANDS, EXECUTIONS, FILLS, LEDGER_ENTRIES

ROWS_AT_ONCE = 40_000
Ends = Mapping[Place, int]
Progress = Callable[[int, int], None]
"""Told how many of how many records are read."""


class Count:
    """How many records are read, of how many; told to whoever waits."""

    def __init__(self, progress: Progress) -> None:
        self.done = self.total = 0
        self._progress = progress

    def read(self, records: int) -> None:
        self.done += records
        self._progress(self.done, max(self.total, self.done))


class Rest(Protocol):
    """Where batches are that are spoken of again."""

    async def batches(self, batch_ids: Iterable[str]) -> dict[str, Batch]: ...


class Out(Protocol):
    """Where rows go that are final."""

    async def write(self, rows: Rows) -> None: ...

    async def settled(self) -> None: ...


class Following:
    """Reads on from where it is to any ends, as often as it is asked to."""

    def __init__(
        self,
        topics: Topics,
        remade: Remade,
        tables: Rest,
        writer: Out,
        known: Known,
        count: Count,
    ) -> None:
        self.at: dict[Place, int] = {}
        """Where to go on, in the topics that have no watermark."""
        self.marks: dict[Place, Marks] = {}
        self._topics = topics
        self._remade = remade
        self._tables = tables
        self._writer = writer
        self.known = known
        self._count = count
        self.entries: dict[int, int] = {}
        """By id, what each says: one number."""

    def stretch(self, place: Place, ends: Ends) -> Stretch:
        """What is left of a partition up to its end."""
        start = resume_at(self.marks[place], 0) if place in self.marks else self.at.get(place, 0)
        return Stretch(place[1], start, ends.get(place, 0))

    async def to(self, ends: Ends) -> None:
        """Everything up to these ends is in the tables or in the hand."""
        partitions = sorted({partition for _, partition in ends})
        for partition in partitions:
            await self._entries(partition, ends)
        for partition in partitions:
            await self._outcomes(partition, ends)
        for partition in partitions:
            await self._batches(partition, ends)
        for partition in partitions:
            await self._fills(partition, ends)
        await self._writer.settled()

    async def _entries(self, partition: int, ends: Ends) -> None:
        stretch = self.stretch((LEDGER_ENTRIES.name, partition), ends)
        async with aclosing(self._topics.entries(stretch)) as batches:
            async for entries in batches:
                for entry in await self.known.new_entries(self._once(entries)):
                    self._remade.enter(entry)
                await self._done(len(entries))
        self._reached(LEDGER_ENTRIES.name, stretch)

    def _once(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Without repeats; one that says something else under the same id is none."""
        fresh = []
        for entry in entries:
            said, known = hash(entry), self.entries.get(entry.entry_id)
            if known is None:
                self.entries[entry.entry_id] = said
                fresh.append(entry)
            elif known != said:
                raise Broken(f"entry {entry.entry_id} is told in two ways: books were used before they were recovered")
        return fresh

    async def _outcomes(self, partition: int, ends: Ends) -> None:
        """Commands are read just as far as what became of them, and at last to their own end."""
        stretch = self.stretch((EXECUTIONS.name, partition), ends)
        asked = self.stretch((COMMANDS.name, partition), ends)
        marks = self.marks.setdefault((EXECUTIONS.name, partition), {})
        async with (
            aclosing(self._topics.commands(asked)) as commands,
            aclosing(self._topics.executions(stretch, marks)) as outcomes,
        ):
            last = -1
            async for executions in outcomes:
                while executions and last < executions[-1].offset < asked.stop:
                    if (batch := await anext(commands, None)) is None:
                        break
                    last = await self._commands(batch, last)
                self._remade.execute(executions)
                await self._done(len(executions))
            async for batch in commands:
                await self._commands(batch, last)
        self._reached(COMMANDS.name, asked)

    async def _commands(self, batch: Sequence[Asked], last: int) -> int:
        """The last offset by now."""
        for asked in await self.known.new_commands(batch):
            self._remade.command(asked)
        await self._done(len(batch))
        return batch[-1].offset if batch else last

    async def _batches(self, partition: int, ends: Ends) -> None:
        marks = self.marks.setdefault((BATCHES.name, partition), {})
        async with aclosing(self._topics.batches(self.stretch((BATCHES.name, partition), ends), marks)) as batches:
            async for records in batches:
                await self._learn(event.batch_id for record in records for event in record.events)
                self._remade.gather(records)
                await self._done(len(records))

    async def _fills(self, partition: int, ends: Ends) -> None:
        marks = self.marks.setdefault((FILLS.name, partition), {})
        async with aclosing(self._topics.fills(self.stretch((FILLS.name, partition), ends), marks)) as batches:
            async for fills in batches:
                await self._learn(fill.batch_id for fill in fills)
                self._remade.fill(fills)
                await self._done(len(fills))

    async def _learn(self, batch_ids: Iterable[str]) -> None:
        """Batches of the tables that are spoken of again."""
        if missing := {*batch_ids} - self._remade.batches.keys():
            await self._writer.settled()
            self._remade.batches |= await self._tables.batches(missing)

    async def _done(self, records: int) -> None:
        self._count.read(records)
        if sum(map(len, self._remade.rows.values())) >= ROWS_AT_ONCE:
            await self._writer.write(self._remade.drain())
        await asyncio.sleep(0)  # what is read lies here already: but for this, the rows on their way would stand still

    def _reached(self, topic: str, stretch: Stretch) -> None:
        self.at[topic, stretch.partition] = max(stretch.start, stretch.stop)
