"""The candles on the real servers: each trade of the topic is in each interval once, whoever is killed when."""

import asyncio
import random

import pytest

from agents.marketdata.candles.fold import fold
from ledger import listings, market_data
from ledger.connection import books
from runtime.settings import Settings
from schemas.candles import INTERVALS, Candle
from schemas.money import market_units
from schemas.trades import decode_trade
from tests.agents.marketdata.floor import Floor, until
from tests.agents.marketdata.market import SYMBOL, Exchange

UNITS = market_units("0.01", "0.0001", 8, 8)
EVER = 1 << 42


def wanted(exchange: Exchange) -> list[Candle]:
    trades = [decode_trade(value) for value in exchange.trades]
    return sorted(fold(trades, {exchange.market: UNITS}), key=lambda one: (one.interval_s, one.open_ms))


async def found(settings: Settings) -> list[Candle]:
    async with books(settings) as connection:
        by_interval = [
            await market_data.candles(connection, SYMBOL, seconds, 0, EVER, 9999) for seconds in INTERVALS.values()
        ]
    return [candle for candles in by_interval for candle in reversed(candles)]


async def settled(floor: Floor, exchange: Exchange) -> None:
    async def same() -> bool:
        return await found(floor.settings) == wanted(exchange)

    await until(same, floor.said)


@pytest.fixture
async def listed(floor: Floor) -> Floor:
    async with books(floor.settings) as connection, connection.transaction():
        await listings.add_currency(connection, "BTC", "Bitcoin", 8)
        await listings.add_market(
            connection, listings.NewMarket(base="BTC", quote="USD", units=UNITS, min_notional_atoms=0), partitions=4
        )
    return floor


async def test_every_trade_is_in_its_candles_once_though_the_agent_is_killed_and_trades_are_repeated(listed: Floor):
    exchange, chance = Exchange(), random.Random(3)
    for point in ("sink.before_apply:2", "sink.after_apply:3", "sink.after_apply:1"):
        listed.start(crash_at=point)
        while listed.processes[-1].poll() is None:
            for _ in range(60):
                exchange.anything(chance)
            await listed.send(exchange)
            await asyncio.sleep(0.05)
        assert listed.processes[-1].returncode == -9, listed.said()
        listed.again(exchange, chance.randint(1, 30))
    await listed.send(exchange)
    listed.start()
    await settled(listed, exchange)
    assert len(wanted(exchange)) > 20


async def test_candles_that_were_lost_are_made_again_from_the_trades(listed: Floor):
    exchange, chance = Exchange(), random.Random(4)
    for _ in range(300):
        exchange.anything(chance)
    await listed.send(exchange)
    listed.start()
    await settled(listed, exchange)
    await listed.kill()
    async with books(listed.settings) as connection:
        await connection.execute("delete from candles; delete from watermarks where consumer = 'candles'")
    listed.start()
    await settled(listed, exchange)


async def test_candles_wait_for_a_market_that_the_books_do_not_know_yet(floor: Floor):
    exchange = Exchange()
    exchange.place("sell", 100, 5, user_id=2)
    exchange.place("buy", 100, 5)
    await floor.send(exchange)
    floor.start()
    await floor.shows(exchange)
    assert await found(floor.settings) == []
    async with books(floor.settings) as connection, connection.transaction():
        await listings.add_currency(connection, "BTC", "Bitcoin", 8)
        await listings.add_market(
            connection, listings.NewMarket(base="BTC", quote="USD", units=UNITS, min_notional_atoms=0), partitions=4
        )
    await settled(floor, exchange)
