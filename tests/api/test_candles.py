import pytest
import pytest_asyncio

from ledger import market_data
from schemas.candles import Candle

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOON = 1_700_049_600_000


@pytest_asyncio.fixture(loop_scope="module")
async def minutes(door, market):
    """Five minutes that rise by a cent each."""
    async with door.services.database.transaction() as connection:
        await market_data.add_candles(
            connection,
            [Candle(market, 60, NOON + n * 60_000, 100 + n, 110 + n, 90 + n, 105 + n, 5000, 3) for n in range(5)],
        )
    return market


def shown(*numbers):
    return [
        {"open_time": f"2023-11-15T12:0{n}:00.000Z", "open": f"1.0{n}", "high": f"1.1{n}", "low": f"0.9{n}",
         "close": f"1.0{5 + n}", "volume": "0.5", "trades": 3}
        for n in numbers
    ]  # fmt: skip


async def test_candles_come_newest_first_in_pages(client, minutes):
    first = (await client.get(f"markets/{minutes}/candles/?limit=3")).body
    assert first["results"] == shown(4, 3, 2)
    second = (await client.get(f"markets/{minutes}/candles/?limit=3&cursor={first['next']}")).body
    assert second == {"results": shown(1, 0), "next": None}
    assert (await client.get(f"markets/{minutes}/candles/?interval=5m")).body == {"results": [], "next": None}


@pytest.mark.parametrize(
    "bounds",
    [
        f"from={NOON + 60_000}&to={NOON + 180_000}",
        "from=2023-11-15T12:01:00Z&to=2023-11-15T12:03:00.000Z",
        "from=2023-11-15T13:01:00%2B01:00&to=2023-11-15T12:02:59.999Z",
    ],
)
async def test_candles_can_be_asked_for_by_time(client, minutes, bounds):
    assert (await client.get(f"markets/{minutes}/candles/?interval=1m&{bounds}")).body["results"] == shown(2, 1)


async def test_an_empty_bound_is_none(client, minutes):
    assert (await client.get(f"markets/{minutes}/candles/?interval=1m&from=&to=")).body["results"] == shown(
        4, 3, 2, 1, 0
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("interval=2m", "interval"), ("from=yesterday", "from"), ("to=2023-11-15T12:00:00", "to"),
        ("from=-1", "from"), ("since=1", "since"), ("limit=501", "limit"), ("cursor=x", "cursor"),
    ],
)  # fmt: skip
async def test_a_query_that_makes_no_sense_is_refused(client, market, query, field):
    answer = await client.get(f"markets/{market}/candles/?{query}")
    assert (answer.status, answer.body["error"]["field"]) == (400, field)


async def test_an_unknown_market_has_no_candles(client):
    assert (await client.get("markets/NO-SUCH/candles/")).code == "unknown_market"


async def test_what_is_added_to_a_candle_is_in_it(door, market):
    parts = [Candle(market, 60, NOON, 100, 120, 90, 110, 5, 2), Candle(market, 60, NOON, 110, 115, 80, 85, 1 << 62, 1)]
    async with door.services.database.transaction() as connection:
        for part in parts:
            changed = await market_data.add_candles(connection, [part])
    assert changed == [Candle(market, 60, NOON, 100, 120, 80, 85, (1 << 62) + 5, 3)]
