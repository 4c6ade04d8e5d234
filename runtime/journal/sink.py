"""The other end of a journal: applies outcome records to a store, each once, in order, with the watermark inside.

The store's watermark decides where a sink goes on; the group's offset follows it and shows the lag. So a store that
was restored from a backup simply gets the records again, and one that Kafka cannot continue refuses to start.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from faust.types import TP

from runtime.crashpoints import crashpoint
from runtime.journal.chain import ORIGIN, Sealed, unseal
from runtime.journal.group import Group
from runtime.journal.machine import Record
from runtime.journal.watermark import Arrival, Mark, Verdict, check_bounds, judge, resume_at
from schemas.topics import Topic

COMMIT_SECONDS = 1.0
log = logging.getLogger(__name__)
T = TypeVar("T")


class Told(NamedTuple, Generic[T]):
    """A record as its feed reads it: whose it is, its number there, the journal offset that it answers."""

    market: str
    seq: int
    source_offset: int
    value: T


@dataclasses.dataclass(frozen=True)
class Feed(Generic[T]):
    """A topic that a sink follows. One without a chain is numbered by its own offsets, per partition."""

    topic: Topic
    decode: Callable[[Record], Told[T]]
    chained: bool = True
    weigh: Callable[[T], int] = lambda _value: 1


@dataclasses.dataclass(frozen=True)
class Run(Generic[T]):
    """New records of one partition, for one transaction. `before` must still be the store's watermarks then."""

    topic: str
    partition: int
    records: Sequence[Told[T]]
    before: Mapping[str, Mark]
    after: Mapping[str, Mark]


class Store(Protocol):
    """What a sink writes to. Both may raise Unwell; `apply` may raise NotYet, having written nothing."""

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]: ...

    async def apply(self, run: Run[Any]) -> None:
        """Everything of the run and its watermarks in one transaction, or nothing. It raises Unwell when the
        watermarks are no longer `run.before`: another worker was here, and this one must look again."""
        ...


def _judged(told: Told[Any], record: Record, sealed: Sealed, mark: Mark) -> Mark | None:
    """The watermark after this record, or None for a repeat."""
    came = Arrival(told.market, told.seq, told.source_offset, sealed.prev_chain, sealed.chain, record.offset)
    if judge(mark, came) is Verdict.REPEAT:
        return None
    return Mark(came.seq, came.source_offset, came.chain, came.position)


def _counted(record: Record, mark: Mark) -> Mark | None:
    """The same without a chain: the record's own offset is its number."""
    return Mark(record.offset + 1, record.offset, ORIGIN, record.offset) if record.offset > mark.position else None


class Sink:
    """The follower of one partition of one feed."""

    def __init__(
        self, feed: Feed[Any], tp: TP, store: Store, group: Group, *, most_weight: int = 1000, mend: str = ""
    ) -> None:
        self._feed = feed
        self._tp = tp
        self._store = store
        self._group = group
        self._most_weight = most_weight
        self._mend = mend
        self._marks: dict[str, Mark] = {}
        self._at = ("", -1)
        self._position = self._committed = -1
        self._commit_due = 0.0

    def at(self) -> str:
        return f"market {self._at[0]}, offset {self._at[1]}"

    async def open(self, begin: int, end: int) -> int:
        name = f"{self._tp.topic}/{self._tp.partition}"
        self._marks = dict(await self._store.watermarks(self._feed.topic.name, self._tp.partition))
        resume = resume_at(self._marks, begin)
        if resume > end:  # another worker may have applied what came since the end was read
            begin, end = await self._group.bounds(self._tp)
        check_bounds(name, resume, begin, end, self._mend)
        self._position = resume
        log.info("%s: %d markets, going on at %d of %d", name, len(self._marks), resume, end)
        return resume

    async def take(self, run: Sequence[Record]) -> None:
        for chunk in self._chunks(self._new(run)):
            crashpoint("sink.before_apply")
            await self._store.apply(chunk)
            crashpoint("sink.after_apply")
            self._marks.update(chunk.after)
        self._position = run[-1].offset + 1
        await self.tick()

    async def tick(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._position > self._committed and now >= self._commit_due:
            await self._commit(now)

    async def finish(self) -> None:
        if self._position > self._committed:
            await self._commit(0.0)

    async def close(self) -> None:
        """Nothing to undo: what is not applied is not in the watermark."""

    async def _commit(self, now: float) -> None:
        self._committed, self._commit_due = self._position, now + COMMIT_SECONDS
        await self._group.commit(self._tp, self._position)

    def _new(self, run: Sequence[Record]) -> Iterator[tuple[Told[Any], Mark]]:
        """The records that were not applied yet, each with the watermark that it leaves."""
        marks = dict(self._marks)
        for record in run:
            self._at = ((record.key or b"").decode("utf-8", "replace"), record.offset)
            sealed = unseal(record.value or b"") if self._feed.chained else None
            told = self._feed.decode(record)
            name = self._name(told)
            before = marks.get(name, Mark())
            mark = _judged(told, record, sealed, before) if sealed is not None else _counted(record, before)
            if mark is not None:
                marks[name] = mark
                yield told, mark

    def _name(self, told: Told[Any]) -> str:
        """Whose watermark: the market's, or the partition's where there is no chain."""
        return told.market if self._feed.chained else ""

    def _chunks(self, news: Iterator[tuple[Told[Any], Mark]]) -> Iterator[Run[Any]]:
        """Runs of bounded weight, so that no transaction grows with the backlog."""
        records: list[Told[Any]] = []
        after: dict[str, Mark] = {}
        weight = 0
        for told, mark in news:
            records.append(told)
            after[self._name(told)] = mark
            weight += self._feed.weigh(told.value)
            if weight >= self._most_weight:
                yield self._run(records, after)
                records, after, weight = [], {}, 0
        if records:
            yield self._run(records, after)

    def _run(self, records: list[Told[Any]], after: dict[str, Mark]) -> Run[Any]:
        before = {name: self._marks.get(name, Mark()) for name in after}
        return Run(self._feed.topic.name, self._tp.partition, records, before, after)
