import asyncio
import json
import time

import pytest

from ledger.connection import books
from runtime import redis
from schemas.views import book_key
from tests.ledger.replay.exchange import exchange

WITHIN_S = 60
CANDLES = "select * from candles order by market, interval_s, open_time"
TRADES = "select * from trades order by market, trade_seq"
INVENTED_TRADE = """
insert into trades select (jsonb_populate_record(t, $2::text::jsonb || jsonb_build_object('id', $1::bigint))).*
from trades t where market = 'BTC-USD' and trade_seq = 1
"""
INVENTED_CANDLES = """
insert into candles select (jsonb_populate_record(c, '{"market": "NO-USD"}')).*
from candles c where market = 'BTC-USD' and interval_s = 86400
"""
PARTITIONS = {"KAFKA_PARTITIONS": "4"}


@pytest.fixture
async def floor(stack, tmp_path):
    """With market data, whose candles have caught up with every trade of the books."""
    async with exchange(stack, tmp_path) as one:
        one.start("marketdata")
        await one.join(3)
        await one.trade(40)
        await counted(one)
        yield one


async def counted(floor) -> None:
    await floor.until(
        "select count(*) from (select market, max(trade_seq) as last from trades group by 1) t left join watermarks w "
        "on w.consumer = 'candles' and w.market = t.market where w.seq is distinct from t.last"
    )


async def rows(settings, sql):
    async with books(settings) as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


async def rebuilt(verb, view) -> dict[str, int]:
    """By market, how much was not right before."""
    said = await verb("replay", "rebuild", "--view", view, "--json", **PARTITIONS)
    assert (said.code, said.err) == (0, "")
    return {one["market"]: one["changed"] for one in json.loads(said.out)["markets"]}


async def test_views_that_were_lost_or_wrong_are_right_again_beside_the_agents(floor, verb, stack):
    candles, trades = await rows(stack, CANDLES), await rows(stack, TRADES)
    async with books(stack) as connection:
        await connection.execute("update candles set lots = lots + 1 where market = 'BTC-USD' and interval_s = 86400")
        await connection.execute("delete from candles where market = 'ETH-USD' and interval_s <> 1")
        await connection.execute("update trades set lots = lots + 1 where market = 'BTC-USD' and trade_seq = 1")
        await connection.execute("delete from trades where market = 'ABAN-USD'")
    wrong = await rebuilt(verb, "candles")
    assert (wrong["BTC-USD"], wrong["ABAN-USD"]) == (1, 0)
    assert wrong["ETH-USD"] == sum(row[:2] != ("ETH-USD", 1) and row[0] == "ETH-USD" for row in candles)
    assert await rebuilt(verb, "trades") == {"ABAN-USD": 5, "BTC-USD": 1, "ETH-USD": 0}
    assert (await rows(stack, CANDLES), await rows(stack, TRADES)) == (candles, trades)

    assert set((await rebuilt(verb, "orderbook")).values()) == {0}
    async with redis.client(stack) as client:
        key = stack.redis_key(book_key("BTC-USD"))
        shown = bytes(await client.get(key))
        await client.set(key, shown[:-2] + b',["1.00","1"]]}')  # the head, by which the agent knows it, is as it was
        assert (await rebuilt(verb, "orderbook"))["BTC-USD"] == 1
        assert bytes(await client.get(key)) == shown

    await floor.trade(20)
    await counted(floor)
    for view in ("candles", "trades", "orderbook"):
        assert set((await rebuilt(verb, view)).values()) == {0}, view


async def test_what_no_trade_made_is_removed(floor, verb, stack):
    """A trade of a market's past and of its future, and one and candles of a market that never traded."""
    candles, trades = await rows(stack, CANDLES), await rows(stack, TRADES)
    async with books(stack) as connection:
        for trade_id, changes in (
            (900_001, {"trade_seq": 900}),
            (900_002, {"trade_seq": 901, "seq": 90_000}),
            (900_003, {"trade_seq": 1, "market": "NO-USD"}),
        ):
            await connection.execute(INVENTED_TRADE, trade_id, json.dumps(changes))
        await connection.execute(INVENTED_CANDLES)
    assert await rebuilt(verb, "trades") == {"ABAN-USD": 0, "BTC-USD": 2, "ETH-USD": 0, "NO-USD": 1}
    assert (await rebuilt(verb, "candles"))["NO-USD"] == 1
    assert (await rows(stack, CANDLES), await rows(stack, TRADES)) == (candles, trades)


async def test_the_order_book_is_there_again_though_nobody_shows_it(floor, verb, stack):
    async with redis.client(stack) as client:
        key = stack.redis_key(book_key("BTC-USD"))
        await until_shown(client, key)
        shown = bytes(await client.get(key))
        floor.kill()
        await client.delete(key)
        said = await verb("replay", "rebuild", "--view", "orderbook", "--market", "BTC-USD", **PARTITIONS)
        assert (said.code, said.err) == (0, "")
        assert said.out.endswith("1 missing, different or invented before\n")
        assert bytes(await client.get(key)) == shown


async def until_shown(client, key) -> None:
    """The last execution has had its time to be shown when the book stays the same."""
    deadline, before = time.monotonic() + WITHIN_S, None
    while (now := await client.get(key)) is None or now != before:
        assert time.monotonic() < deadline
        before = now
        await asyncio.sleep(0.5)


@pytest.mark.tampers
async def test_an_invented_trade_with_money_is_no_view(floor, verb, stack):
    async with books(stack) as connection:
        transfer = await connection.fetchval("select min(id) from transfers where trade_seq is null")
        await connection.execute(INVENTED_TRADE, transfer, json.dumps({"trade_seq": 900}))
    said = await verb("replay", "rebuild", "--view", "trades", **PARTITIONS)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidemark: The trade BTC-USD-900 has a transfer in the books, and no execution gives it")


@pytest.mark.tampers
async def test_a_trade_without_money_is_no_lost_view(floor, verb, stack):
    async with books(stack) as connection:
        await connection.execute("delete from transfers where market = 'BTC-USD' and trade_seq = 1")
        await connection.execute("delete from trades where market = 'BTC-USD' and trade_seq = 1")
    said = await verb("replay", "rebuild", "--view", "trades", **PARTITIONS)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidemark: The trade BTC-USD-1 has no transfer in the books")
    said = await verb("replay", "rebuild", "--view", "trades", "--market", "NO-USD", **PARTITIONS)
    assert (said.code, said.err) == (
        2,
        "tidemark: There is no market NO-USD: `tidemark shell` or GET markets lists them.\n",
    )
