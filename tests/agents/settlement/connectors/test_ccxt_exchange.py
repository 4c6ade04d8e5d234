"""The connector to ccxt's venues, against one that speaks Binance's protocol and checks what is sent to it."""

import contextlib
import dataclasses
import re
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from agents.settlement.connectors.ccxt_exchange import VENUES, CcxtExchange, highest, rounded_up
from agents.settlement.connectors.connector import Bought, Refused, Request, Unknown
from runtime.settings import Settings, SettingsError
from tests.agents.settlement.connectors.binance_double import KEY, SECRET, SYMBOL, Binance, Mood, binance

WINDOW_MS = 30_000
MARKET = {
    "precision": {"amount": "0.001", "price": "0.01"},
    "limits": {"amount": {"min": "0.01"}, "cost": {"min": "5"}},
}


def settings(**more: Any) -> Settings:
    given: dict[str, Any] = {
        "home": Path("unused"), "exchange": "binance", "exchange_api_key": KEY, "exchange_secret_key": SECRET,
    }  # fmt: skip
    return Settings(**{**given, **more})


@contextlib.asynccontextmanager
async def connected(mood: Mood | None = None, **more: Any) -> AsyncIterator[tuple[CcxtExchange, Binance]]:
    async with binance(mood or Mood()) as (double, url):
        connector = CcxtExchange(settings(exchange_url=url, **more))
        try:
            yield connector, double
        finally:
            await connector.close()


def request(batch_id: str = "ABAN-USD-1", *, intended_ago_ms: int = 0, base_atoms: int = 50_000_000) -> Request:
    intended_ms = time.time_ns() // 1_000_000 - intended_ago_ms
    return Request(batch_id, "ABAN", "USD", 8, 8, base_atoms, "20.00", intended_ms, intended_ms + WINDOW_MS)


def executed(double: Binance) -> list[tuple[str, str]]:
    return [(order["clientOrderId"], order["executedQty"]) for order in double.orders]


async def test_a_batch_is_bought_and_told_by_its_trades_with_their_fees():
    async with connected() as (connector, double):
        whole = Bought("1", 49_950_000, "USD", 10 * 10**8)
        assert await connector.ask(request()) is None
        assert await connector.buy_from_exchange(request()) == whole
        assert await connector.ask(request()) == whole
        assert executed(double) == [("ABAN-USD-1", "0.500")]


async def test_a_fee_in_the_quote_is_charged():
    async with connected(Mood(fee_asset="USD")) as (connector, _):
        assert await connector.buy_from_exchange(request()) == Bought("1", 50_000_000, "USD", 1_001_000_000)


async def test_a_fee_in_a_third_asset_is_not_in_the_books_but_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(Mood(fee_asset="BNB")) as (connector, _):
        assert await connector.buy_from_exchange(request()) == Bought("1", 50_000_000, "USD", 10 * 10**8)
    assert "a fee of 0.010000 BNB, which no book carries" in caplog.text


async def test_a_request_that_was_signed_long_ago_in_intent_is_refused_whenever_it_is_sent():
    async with connected() as (connector, double):
        with pytest.raises(Unknown, match="outside of the recvWindow"):
            await connector.buy_from_exchange(request(intended_ago_ms=WINDOW_MS + 1))
        assert double.orders == []


async def test_a_partial_fill_is_what_it_bought_and_nothing_for_sale_is_a_refusal():
    async with connected(Mood(offered=Decimal("0.4"), fee_rate=Decimal())) as (connector, double):
        assert await connector.buy_from_exchange(request()) == Bought("1", 20_000_000, "USD", 4 * 10**8)
        double.mood.offered = Decimal()
        refused = await connector.buy_from_exchange(request("ABAN-USD-2"))
        assert isinstance(refused, Refused)
        assert await connector.ask(request("ABAN-USD-2")) == refused


async def test_nothing_is_bought_beyond_the_collar():
    async with connected(Mood(price=Decimal("21.01"), fee_rate=Decimal())) as (connector, double):
        assert isinstance(await connector.buy_from_exchange(request()), Refused)
        double.mood.price = Decimal("21.00")
        assert await connector.buy_from_exchange(request("ABAN-USD-2")) == Bought("2", 50_000_000, "USD", 1_050_000_000)


async def test_an_order_that_the_look_up_does_not_know_yet_is_found_among_the_newest():
    async with connected(Mood(fee_rate=Decimal(), hide_orders=True)) as (connector, _):
        assert await connector.ask(request()) is None
        whole = await connector.buy_from_exchange(request())
        assert await connector.ask(request()) == whole == Bought("1", 50_000_000, "USD", 10 * 10**8)


@pytest.mark.parametrize(
    "refusal",
    [
        (-2010, "Duplicate order sent."),
        (-2010, "Account has insufficient balance for requested action."),
        (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
        (-1003, "Too many requests."),
    ],
)
async def test_a_refused_request_decides_nothing(refusal: tuple[int, str]) -> None:
    async with connected(Mood(refuse=refusal)) as (connector, _):
        with pytest.raises(Unknown, match=re.escape(refusal[1])):
            await connector.buy_from_exchange(request())


async def test_a_wrong_secret_decides_nothing():
    async with connected(exchange_secret_key="another") as (connector, double):
        for question in (connector.ask, connector.buy_from_exchange):
            with pytest.raises(Unknown, match="Signature"):
                await question(request())
        assert double.orders == []


async def test_a_market_that_the_venue_has_not_decides_nothing():
    async with connected() as (connector, _):
        with pytest.raises(Unknown, match="no market ABAN/EUR"):
            await connector.ask(request()._replace(quote="EUR"))


async def test_its_clock_is_the_venues():
    async with connected(Mood(clock_ahead_ms=3_600_000)) as (connector, _):
        ahead_ms = await connector.clock_ms() - time.time_ns() // 1_000_000
        assert 3_000_000 < ahead_ms <= 3_600_000


@pytest.mark.parametrize(
    ("base_atoms", "amount"),
    [(50_000_000, "0.500"), (50_000_001, "0.501"), (1, "0.25"), (25_000_001, "0.251")],
)
def test_amounts_are_rounded_up_to_steps_and_minimum(base_atoms: int, amount: str) -> None:
    assert rounded_up(request(base_atoms=base_atoms), MARKET) == amount


def test_the_highest_price_is_rounded_down_to_a_step():
    assert [highest("20.00", bps, MARKET) for bps in (0, 1, 500)] == ["20.00", "20.00", "21.00"]


@pytest.mark.parametrize("venue", VENUES)
def test_the_library_still_signs_with_the_time_that_it_is_given(venue: str) -> None:
    """What keeps a frozen desk from buying twice: no newer time takes the place of the intent's."""
    api = CcxtExchange(settings(exchange=venue))._api
    signed = api.sign("order", "private", "POST", {"symbol": SYMBOL, "timestamp": 5, "recvWindow": 7})
    sent = parse_qs(signed["body"])
    assert (sent["timestamp"], sent["recvWindow"]) == (["5"], ["7"])


@pytest.mark.parametrize("venue", ["kraken", "nonsense", "simulated "])
def test_a_venue_that_could_buy_twice_is_refused_at_start(venue: str) -> None:
    with pytest.raises(SettingsError, match=f"EXCHANGE is '{venue}': .*binance, binanceus"):
        CcxtExchange(settings(exchange=venue))


def test_a_venue_needs_an_account():
    with pytest.raises(SettingsError, match="EXCHANGE_API_KEY and EXCHANGE_SECRET_KEY"):
        CcxtExchange(dataclasses.replace(settings(), exchange_secret_key=""))


def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ccxt"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(), *sys.meta_path])
    with pytest.raises(SettingsError, match="bin/install ccxt"):
        CcxtExchange(settings())


class _Without:
    def find_spec(self, name: str, *_more: object) -> None:
        if name == "ccxt":
            raise ModuleNotFoundError("No module named 'ccxt'", name="ccxt")
