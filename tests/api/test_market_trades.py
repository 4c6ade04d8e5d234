import pytest
import pytest_asyncio

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.tampers]  # trades that nobody paid for


@pytest_asyncio.fixture(loop_scope="module")
async def traded(door, market):
    """Three trades of the book and one sale of the house."""
    for number in range(1, 5):
        kind, maker = ("house", None) if number == 4 else ("book", number)
        await door.services.database.rows(
            """insert into trades (id, market, trade_seq, seq, kind, price_ticks, lots, quote_atoms, taker_side,
                   taker_order_id, taker_user_id, maker_order_id, maker_user_id, at)
               select coalesce(max(id), 0) + 1, $1, $2::bigint, $2, $3, 10000 + $2::bigint, 5000, 1, 'buy', 1, 1,
                   $4::bigint, $4::bigint, timestamptz '2026-01-31 12:00:00.5Z' from trades""",
            market, number, kind, maker,
        )  # fmt: skip
    return market


def shown(market, number):
    return {
        "trade_id": f"{market}-{number}", "kind": "house" if number == 4 else "book", "price": f"100.0{number}",
        "amount": "0.5", "taker_side": "buy", "at": "2026-01-31T12:00:00.500Z",
    }  # fmt: skip


async def test_trades_come_newest_first_without_anybodys_name(client, traded):
    first = (await client.get(f"markets/{traded}/trades/?limit=3")).body
    assert first["results"] == [shown(traded, number) for number in (4, 3, 2)]
    second = (await client.get(f"markets/{traded}/trades?limit=3&cursor={first['next']}")).body
    assert second == {"results": [shown(traded, 1)], "next": None}


async def test_a_market_without_trades_and_one_that_is_not_there(client, market):
    assert (await client.get(f"markets/{market}/trades/")).body == {"results": [], "next": None}
    assert (await client.get("markets/NO-SUCH/trades/")).code == "unknown_market"
