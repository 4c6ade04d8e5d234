"""Currencies and markets: what everybody reads and admins make."""

import secrets

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


def refusal(answer):
    error = answer.body["error"]
    return answer.status, error["code"], error["field"]


async def test_a_currency_is_made_once_and_seen_at_once(admin, client):
    body = {"code": "DOGE", "name": "Doge", "scale": 8}
    answer = await admin.post("currencies/", body)
    assert (answer.status, answer.body) == (201, body)
    assert body in (await client.get("currencies/")).body
    assert refusal(await admin.post("currencies/", body)) == (409, "already_exists", "code")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"scale": 9}, "scale"), ({"scale": -1}, "scale"), ({"scale": "8"}, "scale"), ({"scale": 8.0}, "scale"),
     ({"code": "doge"}, "code"), ({"code": "D" * 17}, "code"), ({"name": ""}, "name"), ({"scale": True}, "scale")],
)  # fmt: skip
async def test_a_wrong_currency_is_refused(admin, change, field):
    body = {"code": "XYZ", "name": "X", "scale": 8} | change
    assert refusal(await admin.post("currencies/", body)) == (400, "invalid_field", field)


async def test_currencies_are_made_by_admins(client):
    user = await client.register(f"u{secrets.token_hex(6)}")
    assert refusal(await user.post("currencies/", {"code": "NO", "name": "No", "scale": 2})) == (403, "forbidden", None)


async def test_a_market_is_listed_once_the_journal_has_opened_it(client, market):
    shown = {
        "symbol": market, "base": market.split("-")[0], "quote": "USD", "status": "open", "tick_size": "0.01",
        "lot_size": "0.0001", "min_notional": "0.10", "maker_fee_bps": 0, "taker_fee_bps": 0, "band_percent": None,
        "house_price": None,
    }  # fmt: skip
    assert (await client.get(f"markets/{market}")).body == shown
    assert shown in (await client.get("markets/")).body


async def test_a_market_that_waits_for_the_journal_is_not_there_yet(client, door, market):
    await door.services.database.rows(
        "update markets set status = 'opening', version = version + 1 where symbol = $1", market
    )
    assert refusal(await client.get(f"markets/{market}/")) == (404, "unknown_market", "symbol")
    assert market not in [row["symbol"] for row in (await client.get("markets/?all=true")).body]


async def test_a_halted_market_is_listed_only_when_all_are_asked_for(client, door, market):
    await door.services.database.rows(
        "update markets set status = 'halted', version = version + 1 where symbol = $1", market
    )
    assert market not in [row["symbol"] for row in (await client.get("markets/")).body]
    assert market in [row["symbol"] for row in (await client.get("markets/?all=true")).body]
    assert (await client.get(f"markets/{market}/")).body["status"] == "halted"
    assert refusal(await client.get("markets/?all=perhaps")) == (400, "invalid_field", "all")


async def test_what_the_house_sells_has_a_price(client, door, market):
    name = market.split("-")[0]
    assert name not in [row["name"] for row in (await client.get("exchanges/crypto-currencies/")).body]
    await door.services.database.rows(
        "update markets set house_price_ticks = 2000, version = version + 1 where symbol = $1", market
    )
    assert {"name": name, "price": "20.00"} in (await client.get("exchanges/crypto-currencies/")).body


async def test_a_market_nobody_has_heard_of_is_404(client):
    assert refusal(await client.get("markets/NO-PE/")) == (404, "unknown_market", "symbol")
    assert refusal(await client.get("markets/nonsense/")) == (404, "not_found", None)
