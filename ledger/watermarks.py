"""How far a consumer of topics has come, in the transaction of what it wrote: read, held under lock, moved on."""

from collections.abc import Mapping
from typing import NamedTuple

import asyncpg

from ledger.connection import Connection
from ledger.literals import Field
from ledger.queries import query
from runtime.journal.chain import ORIGIN
from runtime.journal.errors import Unwell
from runtime.journal.watermark import Mark


class Step(NamedTuple):
    """What a run does to the watermarks of its partition; by market."""

    consumer: str
    topic: str
    partition: int
    before: Mapping[str, Mark]
    after: Mapping[str, Mark]

    @property
    def place(self) -> tuple[str, str, int]:
        return self.consumer, self.topic, self.partition

    def check(self, marks: Mapping[str, Mark]) -> None:
        """`marks` are the rows as they are; a market without a row is at its beginning."""
        if {market: marks.get(market, Mark()) for market in self.before} != self.before:
            raise Unwell("another worker has moved the watermark")

    def rows(self) -> list[tuple[Field, ...]]:
        """What was and what is, in the order of the locks."""
        return [(market, *_row(self.before[market]), *_row(mark)) for market, mark in sorted(self.after.items())]


async def read(connection: Connection, consumer: str, topic: str, partition: int) -> Mapping[str, Mark]:
    """By market."""
    rows = await connection.fetch(query("watermarks.read"), consumer, topic, partition)
    return {row["market"]: _mark(row) for row in rows}


async def hold(connection: Connection, consumer: str, topic: str, partition: int, before: Mapping[str, Mark]) -> None:
    """Locks the rows until the transaction ends; of two workers with the same run, one finds it applied."""
    markets = sorted(before)
    place = (consumer, topic, partition, markets)
    rows = await connection.fetch(query("watermarks.lock"), *place)
    if len(rows) < len(markets):
        await connection.execute(query("watermarks.add"), *place, ORIGIN)
        rows = await connection.fetch(query("watermarks.lock"), *place)
    if {row["market"]: _mark(row) for row in rows} != before:
        raise Unwell("another worker has moved the watermark")


async def move(connection: Connection, consumer: str, topic: str, partition: int, after: Mapping[str, Mark]) -> None:
    """The rows are there and held."""
    rows = [(market, *_row(mark)) for market, mark in sorted(after.items())]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(query("watermarks.move"), consumer, topic, partition, *columns)


def _mark(row: asyncpg.Record) -> Mark:
    return Mark(row["seq"], row["source_offset"], row["chain"], row["next_offset"] - 1)


def _row(mark: Mark) -> tuple[int, int, str, int]:
    return mark.seq, mark.source_offset, mark.chain, mark.position + 1
