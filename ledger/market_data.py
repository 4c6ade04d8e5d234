"""Trades and candles: what everybody may read of them, and how a run of trades is added to the candles."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ledger.connection import Connection
from ledger.queries import query
from schemas.candles import Candle
from schemas.money import MarketUnits, market_units
from schemas.times import epoch_ms, from_epoch_ms


@dataclasses.dataclass(frozen=True, slots=True)
class Trade:
    trade_seq: int
    kind: str
    price_ticks: int
    lots: int
    taker_side: str
    at: datetime.datetime


async def trades(connection: Connection, market: str, before: int, limit: int) -> list[Trade]:
    """The market's trades below this number, newest first."""
    return [Trade(**row) for row in await connection.fetch(query("market_data.trades"), market, before, limit)]


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A trade with all that the public feed tells of it."""

    trade_seq: int
    seq: int
    kind: str
    price_ticks: int
    lots: int
    taker_side: str
    at: datetime.datetime


async def last_trades(connection: Connection, market: str, limit: int) -> list[Told]:
    """The newest ones, oldest first."""
    rows = await connection.fetch(query("market_data.last_trades"), market, limit)
    return [Told(**row) for row in reversed(rows)]


async def trades_after(connection: Connection, market: str, after: int, limit: int) -> list[Told]:
    """The trades behind this number, oldest first."""
    return [Told(**row) for row in await connection.fetch(query("market_data.trades_after"), market, after, limit)]


async def newest_trades(connection: Connection, markets: Sequence[str]) -> dict[str, int]:
    """The number of the newest trade of each of these markets that has one."""
    rows = await connection.fetch(query("market_data.newest_trades"), list(markets))
    return {row["market"]: row["trade_seq"] for row in rows}


async def newest_candles(connection: Connection, keys: Sequence[tuple[str, int]]) -> list[Candle]:
    """The newest candle of each of these markets and intervals that has one."""
    markets, intervals = [market for market, _ in keys], [seconds for _, seconds in keys]
    return [
        _candle(dict(row)) for row in await connection.fetch(query("market_data.newest_candles"), markets, intervals)
    ]


async def candles(
    connection: Connection, market: str, interval_s: int, from_ms: int, to_ms: int, limit: int
) -> list[Candle]:
    """Those that opened at or after `from_ms` and before `to_ms`, newest first."""
    rows = await connection.fetch(
        query("market_data.candles"), market, interval_s, from_epoch_ms(from_ms), from_epoch_ms(to_ms), limit
    )
    return [_candle({"market": market, "interval_s": interval_s, **row}) for row in rows]


async def units(connection: Connection, markets: Sequence[str]) -> Mapping[str, MarketUnits]:
    """The units of those markets that the books know; they never change."""
    return {
        row["symbol"]: market_units(row["tick_size"], row["lot_size"], row["base_scale"], row["quote_scale"])
        for row in await connection.fetch(query("market_data.units"), list(markets))
    }


async def add_candles(connection: Connection, added: Sequence[Candle]) -> list[Candle]:
    """Adds what is new to the candles, and says how these look now. Always in one order, so that nobody deadlocks."""
    if not added:
        return []
    rows = [
        (
            one.market, one.interval_s, from_epoch_ms(one.open_ms), one.open_ticks, one.high_ticks, one.low_ticks,
            one.close_ticks, one.lots, one.trades,
        )
        for one in sorted(added, key=lambda one: (one.market, one.interval_s, one.open_ms))
    ]  # fmt: skip
    columns = [list(column) for column in zip(*rows, strict=True)]
    return [_candle(dict(row)) for row in await connection.fetch(query("market_data.add_candles"), *columns)]


def _candle(row: Mapping[str, object]) -> Candle:
    fields = dict(row)
    opened, lots = fields.pop("open_time"), fields.pop("lots")
    assert isinstance(opened, datetime.datetime)
    assert isinstance(lots, Decimal)
    return Candle(open_ms=epoch_ms(opened), lots=int(lots), **fields)  # type: ignore[arg-type]  # the query names the rest
