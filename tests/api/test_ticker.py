import pytest

from runtime import redis
from schemas.views import Ticker, encode_view, ticker_key

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_ticker_is_shown_as_the_view_has_it(client, door, market):
    settings = door.services.settings
    view = Ticker(market, 7, "101.00", "100.00", "102.00", "99.50", "3.5", "352.25", "1", None, "101.50")
    async with redis.client(settings) as connection:
        await connection.set(settings.redis_key(ticker_key(market)), encode_view(view), px=60_000)
    answer = await client.get(f"markets/{market}/ticker/")
    assert (answer.status, answer.body) == (
        200,
        {"last": "101.00", "open": "100.00", "high": "102.00", "low": "99.50", "volume": "3.5",
         "quote_volume": "352.25", "change_percent": "1", "bid": None, "ask": "101.50"},
    )  # fmt: skip


async def test_a_view_that_is_not_there_yet_is_a_503_and_an_unknown_market_a_404(client, market):
    answer = await client.get(f"markets/{market}/ticker/")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert (await client.get("markets/NO-SUCH/ticker/")).code == "unknown_market"
