"""The candles made again from the public trades, beside the agent that goes on adding to them.

The agent's watermark says which trades are in the candles. It is held while they are replaced, so no trade is counted
twice and none is missed; the long way to it is read before.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import asyncpg

from agents.marketdata.candles.agent import told
from agents.marketdata.candles.fold import fold
from agents.marketdata.candles.store import CONSUMER
from ledger import market_data
from ledger.connection import books
from ledger.queries import query
from runtime.journal.chain import unseal
from runtime.journal.machine import Record
from runtime.journal.reader import Reader
from runtime.journal.watermark import Arrival, Mark, Verdict, judge
from runtime.settings import Settings
from schemas.candles import INTERVALS, Candle
from schemas.money import MarketUnits
from schemas.topics import TRADES
from schemas.trades import Trade

AT_ONCE = 5_000
EVER_MS, NO_LIMIT = 1 << 42, 1 << 40
Read = Callable[[int, int], None]
Key = tuple[str, int, int]


class Rebuilt(NamedTuple):
    """Of one market: what there is now, and how much of it was not so before."""

    market: str
    made: int
    changed: int


async def rebuild(settings: Settings, market: str | None, read: Read) -> list[Rebuilt]:
    """Of one market, or of all that have traded; what is there of others is nobody's, and removed."""
    async with books(settings) as connection:
        rows = await connection.fetch(query("replay.marks"), CONSUMER)
        partitions = sorted({row["partition"] for row in rows if market in (None, row["market"])})
        rebuilt: list[Rebuilt] = []
        for partition in partitions:
            rebuilt += await _Candles(settings, connection, partition, market, read).rebuild()
        strange = await connection.fetch(query("replay.drop_strange_candles"), CONSUMER, market)
    return rebuilt + [Rebuilt(row["market"], 0, row["rows"]) for row in strange]


@dataclasses.dataclass
class _Candles:
    """Those of one partition."""

    settings: Settings
    connection: asyncpg.Connection
    partition: int
    market: str | None
    read: Read
    candles: dict[Key, Candle] = dataclasses.field(default_factory=dict)
    marks: dict[str, Mark] = dataclasses.field(default_factory=dict)
    units: dict[str, MarketUnits] = dataclasses.field(default_factory=dict)
    position: int = 0

    async def rebuild(self) -> list[Rebuilt]:
        await self._fold_to(await self._counted())
        async with self.connection.transaction():
            counted = await self._counted("replay.hold_partition_marks")
            await self._fold_to(counted)
            return [await self._replace(market) for market in sorted(counted) if self.market in (None, market)]

    async def _counted(self, name: str = "replay.partition_marks") -> Mapping[str, tuple[int, int]]:
        """By market, the number of the last trade that is in the candles, and where the topic goes on behind it."""
        rows = await self.connection.fetch(query(name), CONSUMER, TRADES.name, self.partition)
        return {row["market"]: (row["seq"], row["next_offset"]) for row in rows}

    async def _fold_to(self, counted: Mapping[str, tuple[int, int]]) -> None:
        """Trades of a partition are counted in order, so what is below the last of them is counted."""
        stop = max((following for _, following in counted.values()), default=0)
        self.units |= await market_data.units(self.connection, [name for name in counted if name not in self.units])
        if self.position >= stop:
            return
        reader = Reader(self.settings, "rebuild")
        async for records in reader.read(self.settings.topic(TRADES.name), self.partition, self.position, stop):
            new = [trade for record in records if (trade := self._new(record)) is not None]
            for candle in fold(new, self.units):
                key = (candle.market, candle.interval_s, candle.open_ms)
                self.candles[key] = joined(self.candles[key], candle) if key in self.candles else candle
            self.read(records[-1].offset + 1, stop)
        self.position = stop

    def _new(self, record: Record) -> Trade | None:
        """A trade that is asked for, and no repeat."""
        one, sealed = told(record), unseal(record.value or b"")
        came = Arrival(one.market, one.seq, one.source_offset, sealed.prev_chain, sealed.chain, record.offset)
        if judge(self.marks.get(one.market, Mark()), came) is Verdict.REPEAT:
            return None
        self.marks[one.market] = Mark(came.seq, came.source_offset, came.chain, came.position)
        return one.value if self.market in (None, one.market) else None

    async def _replace(self, market: str) -> Rebuilt:
        made = {key: candle for key, candle in self.candles.items() if key[0] == market}
        there = {
            (candle.market, candle.interval_s, candle.open_ms): candle
            for seconds in INTERVALS.values()
            for candle in await market_data.candles(self.connection, market, seconds, 0, EVER_MS, NO_LIMIT)
        }
        changed = sum(made.get(key) != there.get(key) for key in made.keys() | there.keys())
        if changed:
            await self.connection.execute(query("replay.drop_candles"), market)
            candles = list(made.values())
            for start in range(0, len(candles), AT_ONCE):
                await market_data.add_candles(self.connection, candles[start : start + AT_ONCE])
        return Rebuilt(market, len(made), changed)


def joined(one: Candle, later: Candle) -> Candle:
    """Two parts of one candle, the earlier first."""
    return Candle(
        one.market, one.interval_s, one.open_ms, one.open_ticks, max(one.high_ticks, later.high_ticks),
        min(one.low_ticks, later.low_ticks), later.close_ticks, one.lots + later.lots, one.trades + later.trades,
    )  # fmt: skip
