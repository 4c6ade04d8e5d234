import asyncio

import asyncpg
import pytest

from ledger.commands import CommandRow
from ledger.listings import NewMarket, add_currency, add_market, list_price
from schemas.money import market_units
from tests.ledger.memory.table import Constraint
from tests.ledger.stores import Store

UNITS = market_units("0.01", "0.0001", 8, 8)


@pytest.fixture
async def assets(connection):
    for code in ("BTC", "ETH", "ABAN"):
        assert await add_currency(connection, code, code, 8)


async def test_a_currency_is_added_once(connection):
    assert await add_currency(connection, "BTC", "Bitcoin", 8)
    assert not await add_currency(connection, "BTC", "Other", 2)
    row = await connection.fetchrow("select name, scale, created_at from currencies where code = 'BTC'")
    assert tuple(row)[:2] == ("Bitcoin", 8)
    told = await connection.fetch("select user_id, kind, entry from outbox")
    at_us = told[0]["entry"].pop("at_us")
    assert [tuple(one) for one in told] == [(0, "currency", {"code": "BTC", "name": "Bitcoin", "scale": 8})]
    assert at_us == row["created_at"].timestamp() * 1_000_000


@pytest.fixture
async def listed(store: Store) -> Store:
    """Either books, with three currencies."""
    for code in ("BTC", "ETH", "ABAN"):
        assert await store.add_currency(code, code, 8)
    return store


async def test_a_currency_of_either_books_is_added_once_and_told(store):
    assert await store.add_currency("BTC", "Bitcoin", 8)
    assert not await store.add_currency("BTC", "Other", 2)
    btc = {"code": "BTC", "name": "Bitcoin", "scale": 8}
    assert await store.rows("currencies") == [btc, {"code": "USD", "name": "US dollar", "scale": 8}]
    assert await store.rows("outbox") == [{"id": 1, "user_id": 0, "kind": "currency", "entry": btc}]


@pytest.mark.parametrize(("code", "scale"), [("btc", 8), ("", 8), ("BTC", 9), ("BTC", -1)])
async def test_a_currency_that_cannot_be_is_refused(store, code, scale):
    with pytest.raises(Constraint, match="currencies_"):
        await store.add_currency(code, "Bitcoin", scale)


async def test_a_new_market_waits_for_the_journal(listed):
    opened = await listed.add_market(NewMarket(base="BTC", quote="USD", units=UNITS), partitions=4)
    assert opened == CommandRow(1, 1)
    assert await listed.add_market(NewMarket(base="BTC", quote="USD", units=UNITS), partitions=4) is None
    [row] = await listed.rows("markets")
    shown = ("symbol", "status", "version", "is_house", "lot_base_atoms", "tick_lot_quote_atoms")
    assert [row[name] for name in shown] == ["BTC-USD", "opening", 0, True, 10_000, 100]
    [command] = await listed.rows("commands")
    shown = ("market", "number", "kind", "state")
    assert [command[name] for name in shown] == ["BTC-USD", 1, "open_market", "pending"]


async def test_a_market_of_a_currency_that_is_not_there_is_refused(store):
    with pytest.raises(Constraint):
        await store.add_market(NewMarket(base="BTC", quote="USD", units=UNITS), partitions=4)


async def test_markets_spread_over_the_partitions_and_a_currency_has_one_house_market(listed):
    for base, quote in (("BTC", "USD"), ("ETH", "USD"), ("ABAN", "USD"), ("BTC", "ETH")):
        await listed.add_market(NewMarket(base=base, quote=quote, units=UNITS), partitions=2)
    assert {row["symbol"]: (row["partition"], row["is_house"]) for row in await listed.rows("markets")} == {
        "BTC-USD": (0, True), "ETH-USD": (1, True), "ABAN-USD": (0, True), "BTC-ETH": (1, False),
    }  # fmt: skip


async def test_markets_of_one_currency_opened_at_once_have_one_house_market_among_them(pool, connection, assets):
    async def one(quote: str) -> None:
        async with pool.acquire() as own, own.transaction():
            await add_market(own, NewMarket(base="BTC", quote=quote, units=UNITS), partitions=3)

    await asyncio.gather(*(one(quote) for quote in ("USD", "ETH", "ABAN")))
    rows = await connection.fetch("select partition, is_house from markets order by id")
    assert [tuple(row) for row in rows] == [(0, True), (1, False), (2, False)]


async def test_commands_are_numbered_per_market(listed):
    for base in ("BTC", "ETH"):
        await listed.add_market(NewMarket(base=base, quote="USD", units=UNITS), partitions=2)
    price = {"price_ticks": 5}
    assert [(await listed.add_command("BTC-USD", "list_price", price)).number for _ in range(3)] == [2, 3, 4]
    assert (await listed.add_command("ETH-USD", "list_price", price)).number == 2


async def test_numbers_taken_at_once_differ(pool, connection, assets):
    await add_market(connection, NewMarket(base="BTC", quote="USD", units=UNITS), partitions=2)

    async def one() -> int:
        async with pool.acquire() as own:
            return (await list_price(own, "BTC-USD", 5)).number

    assert sorted(await asyncio.gather(*(one() for _ in range(20)))) == list(range(2, 22))


@pytest.mark.parametrize(
    "wrong",
    [
        "lot_base_atoms = lot_base_atoms + 1",
        "tick_lot_quote_atoms = tick_lot_quote_atoms * 10",
        "symbol = 'BTC-EUR'",
        "taker_fee_bps = 10001",
    ],
)
async def test_the_books_refuse_a_market_that_is_not_exact(connection, assets, wrong):
    await add_market(connection, NewMarket(base="BTC", quote="USD", units=UNITS), partitions=2)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(f"update markets set {wrong}")
