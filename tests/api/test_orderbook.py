"""The order book over HTTP through the whole exchange: never behind the caller's own order, never half-written."""

import asyncio
import secrets

import pytest
import pytest_asyncio

from runtime import redis
from schemas.views import book_key

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market_data(agents):
    """The agent that shows the books."""
    agents.start("agents.marketdata")
    return agents


async def rich(client, market):
    user = await client.register(f"u{secrets.token_hex(6)}")
    await user.patch("accounts/wallet/deposit/", {"amount": "10000"})
    await user.patch("accounts/wallet/deposit/", {"amount": "10", "asset": market.split("-")[0]})
    return user


async def place(user, market, side, amount, price):
    answer = await user.post("orders/", {"market": market, "side": side, "amount": amount, "price": price})
    assert answer.status == 201, answer
    return answer.body


async def test_a_book_shows_the_callers_own_order_and_no_more_levels_than_asked_for(
    client, open_market, market_data, until
):
    async def is_shown():
        return (await client.get(f"markets/{open_market}/orderbook/")).status == 200

    await until(is_shown)
    user = await rich(client, open_market)
    for price in ("99", "98.5", "97.25"):
        order = await place(user, open_market, "buy", "2", price)
    order = await place(user, open_market, "sell", "1.5", "101")
    answer = await client.get(f"markets/{open_market}/orderbook/?depth=2&min_seq={order['seq']}")
    assert answer.status == 200
    assert answer.body == {
        "market": open_market, "seq": order["seq"], "bids": [["99.00", "2"], ["98.50", "2"]],
        "asks": [["101.00", "1.5"]], "at": answer.body["at"],
    }  # fmt: skip
    assert len((await client.get(f"markets/{open_market}/orderbook")).body["bids"]) == 3


async def test_every_order_is_in_the_book_that_is_asked_for_with_its_seq(client, open_market, market_data):
    user = await rich(client, open_market)
    for count in range(1, 20):
        order = await place(user, open_market, "buy", "1", f"{count}.5")
        book = (await client.get(f"markets/{open_market}/orderbook/?min_seq={order['seq']}")).body
        assert (book["seq"] >= order["seq"], len(book["bids"])) == (True, count)


async def test_a_book_that_redis_lost_is_waited_for(client, door, open_market, market_data):
    user = await rich(client, open_market)
    order = await place(user, open_market, "buy", "1", "50")
    path = f"markets/{open_market}/orderbook/?min_seq={order['seq']}"
    whole = (await client.get(path)).body
    async with asyncio.timeout(60):
        settings = door.services.settings
        async with redis.client(settings) as connection:
            await connection.delete(settings.redis_key(book_key(open_market)))
        assert (await client.get(path)).body == whole


async def test_a_seq_that_does_not_come_is_a_503_that_says_where_the_book_is(client, open_market, market_data):
    user = await rich(client, open_market)
    order = await place(user, open_market, "buy", "1", "50")
    await client.get(f"markets/{open_market}/orderbook/?min_seq={order['seq']}")
    answer = await client.get(f"markets/{open_market}/orderbook/?min_seq={order['seq'] + 1}")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert f"at seq {order['seq']}, and has not reached {order['seq'] + 1}" in answer.body["error"]["message"]


@pytest.mark.parametrize("query", ["depth=0", "depth=1001", "depth=x", "min_seq=-1", "level=2"])
async def test_a_query_that_makes_no_sense_is_refused(client, open_market, query):
    answer = await client.get(f"markets/{open_market}/orderbook/?{query}")
    assert (answer.status, answer.body["error"]["field"]) == (400, query.split("=")[0])


async def test_an_unknown_market_has_no_book(client):
    answer = await client.get("markets/NO-SUCH/orderbook/")
    assert (answer.status, answer.code) == (404, "unknown_market")


async def test_trades_ticker_and_candles_follow_the_trade(client, open_market, market_data, until):
    maker, taker = await rich(client, open_market), await rich(client, open_market)
    await place(maker, open_market, "sell", "3", "100")
    order = await place(taker, open_market, "buy", "1", "105")
    trades = (await client.get(f"markets/{open_market}/trades/")).body
    (trade,) = trades["results"]
    fill = order["fills"][0]
    assert trade == {
        "trade_id": fill["trade_id"], "kind": "book", "price": "100.00", "amount": "1", "taker_side": "buy",
        "at": trade["at"],
    }  # fmt: skip
    await client.get(f"markets/{open_market}/orderbook/?min_seq={order['seq']}")

    async def ticker():
        found = (await client.get(f"markets/{open_market}/ticker/")).body
        return found if found["last"] else None

    async def candle():
        return (await client.get(f"markets/{open_market}/candles/?interval=1d")).body["results"]

    assert await until(ticker) == {
        "last": "100.00", "open": "100.00", "high": "100.00", "low": "100.00", "volume": "1",
        "quote_volume": "100.00", "change_percent": "0", "bid": None, "ask": "100.00",
    }  # fmt: skip
    assert await until(candle) == [
        {"open_time": trade["at"][:10] + "T00:00:00.000Z", "open": "100.00", "high": "100.00", "low": "100.00",
         "close": "100.00", "volume": "1", "trades": 1}
    ]  # fmt: skip
