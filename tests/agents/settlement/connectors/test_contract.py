"""What the desk relies on, of every connector: an outside exchange that is healthy, late, deaf, poor or forgetful."""

import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.settlement.connectors.ccxt_exchange import CcxtExchange
from agents.settlement.connectors.connector import Bought, Connector, Refused, Request, Unknown
from agents.settlement.connectors.simulated import SimulatedExchange
from agents.settlement.exchange.app import Behaviour
from agents.settlement.exchange.store import Store
from runtime.settings import Settings
from tests.agents.settlement.connectors.binance_double import KEY, SECRET, Mood, binance
from tests.agents.settlement.exchange.test_app import venue

WINDOW_MS = 30_000


@dataclasses.dataclass(frozen=True)
class Manners:
    """How an exchange behaves, in words that both understand."""

    latency: float = 0.0
    loses_answers: bool = False
    has_nothing: bool = False
    has_a_part: bool = False


@dataclasses.dataclass(frozen=True)
class Outside:
    """A connector, and what the exchange behind it really executed: id and quantity."""

    connector: Connector
    executed: Callable[[], list[tuple[str, Decimal]]]


@contextlib.asynccontextmanager
async def simulated(folder: Path, manners: Manners) -> AsyncIterator[Outside]:
    behaviour = Behaviour(
        manners.latency, fail=1000 * manners.has_nothing, lose_answer=1000 * manners.loses_answers,
        partial=1000 * manners.has_a_part,
    )  # fmt: skip

    def executed() -> list[tuple[str, Decimal]]:
        store = Store(folder / "exchange.sqlite")
        with contextlib.closing(store):
            rows = store.all()
        return [(row["client_order_id"], Decimal(row["filled"])) for row in rows if row["status"] == "filled"]

    async with venue(folder, behaviour) as url:
        yield Outside(SimulatedExchange(url), executed)


@contextlib.asynccontextmanager
async def ccxt(folder: Path, manners: Manners) -> AsyncIterator[Outside]:
    offered = Decimal(0 if manners.has_nothing else 1) * (Decimal("0.5") if manners.has_a_part else 1)
    mood = Mood(
        latency=manners.latency, lose_every=int(manners.loses_answers), offered=offered, fee_rate=Decimal()
    )  # fmt: skip
    async with binance(mood) as (double, url):
        account: dict[str, Any] = {"exchange": "binance", "exchange_api_key": KEY, "exchange_secret_key": SECRET}
        connector = CcxtExchange(Settings(home=folder, exchange_url=url, **account))

        def executed() -> list[tuple[str, Decimal]]:
            found = [(order["clientOrderId"], Decimal(order["executedQty"])) for order in double.orders]
            return [(batch_id, filled) for batch_id, filled in found if filled]

        yield Outside(connector, executed)


@contextlib.asynccontextmanager
async def opened(kind: str, folder: Path, **manners: Any) -> AsyncIterator[Outside]:
    make = {"simulated": simulated, "ccxt": ccxt}[kind]
    async with make(folder, Manners(**manners)) as outside:
        try:
            yield outside
        finally:
            await outside.connector.close()


def request(batch_id: str = "ABAN-USD-1", intended_ago_ms: int = 0) -> Request:
    intended_ms = time.time_ns() // 1_000_000 - intended_ago_ms
    return Request(batch_id, "ABAN", "USD", 8, 8, 50_000_000, "20.00", intended_ms, intended_ms + WINDOW_MS)


WHOLE = [("ABAN-USD-1", Decimal("0.5"))]
every_exchange = pytest.mark.parametrize("kind", ["simulated", "ccxt"])


@every_exchange
async def test_a_batch_is_unknown_then_bought_then_known(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as outside:
        assert await outside.connector.ask(request()) is None
        bought = await outside.connector.buy_from_exchange(request())
        assert bought == Bought("1", 50_000_000, "USD", 10 * 10**8)
        assert await outside.connector.ask(request()) == bought
        assert await outside.connector.ask(request("ABAN-USD-2")) is None
        assert outside.executed() == WHOLE


@every_exchange
async def test_an_expired_request_buys_nothing_and_decides_nothing(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as outside:
        with pytest.raises(Unknown):
            await outside.connector.buy_from_exchange(request(intended_ago_ms=WINDOW_MS + 1))
        assert await outside.connector.ask(request()) is None
        assert outside.executed() == []


@every_exchange
async def test_a_request_that_expires_on_its_way_buys_nothing(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, latency=1.0) as outside:
        with pytest.raises(Unknown):
            await outside.connector.buy_from_exchange(request(intended_ago_ms=WINDOW_MS - 900))
        assert outside.executed() == []


@every_exchange
async def test_a_lost_answer_is_unknown_until_it_is_asked_for(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, loses_answers=True) as outside:
        with pytest.raises(Unknown):
            await outside.connector.buy_from_exchange(request())
        assert await outside.connector.ask(request()) == Bought("1", 50_000_000, "USD", 10 * 10**8)
        assert outside.executed() == WHOLE


@every_exchange
async def test_a_refusal_is_its_word_for_ever(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, has_nothing=True) as outside:
        refused = await outside.connector.buy_from_exchange(request())
        assert isinstance(refused, Refused)
        assert await outside.connector.ask(request()) == refused
        assert outside.executed() == []


@every_exchange
async def test_a_partial_fill_is_told_as_what_was_bought_and_charged(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, has_a_part=True) as outside:
        bought = await outside.connector.buy_from_exchange(request())
        ((batch_id, filled),) = outside.executed()
        atoms = int(filled.scaleb(8))
        assert (batch_id, bought) == ("ABAN-USD-1", Bought("1", atoms, "USD", 20 * atoms))
        assert 0 < atoms <= 50_000_000


@every_exchange
async def test_its_clock_can_be_asked(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as outside:
        before = time.time_ns() // 1_000_000
        assert before <= await outside.connector.clock_ms() <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    "connector",
    [
        lambda: SimulatedExchange("http://127.0.0.1:9"),
        lambda: CcxtExchange(
            Settings(home=Path("unused"), exchange="binance", exchange_url="http://127.0.0.1:9",
                     exchange_api_key=KEY, exchange_secret_key=SECRET)
        ),
    ],
)  # fmt: skip
async def test_an_exchange_that_is_away_decides_nothing(connector: Callable[[], Connector]) -> None:
    one = connector()
    for question in (one.clock_ms(), one.ask(request()), one.buy_from_exchange(request())):
        with pytest.raises(Unknown):
            await question
    await one.close()
