"""The sandbox' exchange and its connector, over HTTP: one order per client order id, none after its expiry."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from agents.settlement.connectors.connector import Bought, Refused, Request, Unknown
from agents.settlement.connectors.simulated import SimulatedExchange
from agents.settlement.exchange.app import Behaviour, Venue
from agents.settlement.exchange.store import Store


@contextlib.asynccontextmanager
async def venue(path: Path, behaviour: Behaviour, port: int = 0) -> AsyncIterator[str]:
    store = Store(path / "exchange.sqlite")
    application = web.Application()
    application.add_routes(Venue(store, behaviour).routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
        store.close()


@contextlib.asynccontextmanager
async def connected(path: Path, behaviour: Behaviour) -> AsyncIterator[tuple[SimulatedExchange, str]]:
    async with venue(path, behaviour) as url:
        connector = SimulatedExchange(url)
        try:
            yield connector, url
        finally:
            await connector.close()


def request(batch_id: str = "ABAN-USD-1", expires_in_ms: int = 60_000) -> Request:
    return Request(batch_id, "ABAN", "USD", 8, 8, 50_000_000, "20.00", 0, time.time_ns() // 1_000_000 + expires_in_ms)


WHOLE = Bought("1", 50_000_000, "USD", 10 * 10**8)


async def test_an_order_is_executed_once_and_told_again(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0)) as (connector, url):
        assert await connector.ask(request()) is None
        assert await connector.buy_from_exchange(request()) == WHOLE
        assert await connector.buy_from_exchange(request()) == WHOLE
        assert await connector.ask(request()) == WHOLE
        async with ClientSession() as session, session.get(f"{url}/bought") as answer:
            bought = await answer.json()
    assert [(one["batch_id"], one["amount"], one["asks"]) for one in bought] == [("ABAN-USD-1", "0.5", 2)]


async def test_its_memory_is_on_the_disk(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0)) as (connector, _):
        assert await connector.buy_from_exchange(request()) == WHOLE
    async with connected(tmp_path, Behaviour(latency=0)) as (connector, _):
        assert await connector.buy_from_exchange(request(expires_in_ms=-1)) == WHOLE


async def test_an_expired_request_buys_nothing_and_decides_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0)) as (connector, _):
        with pytest.raises(Unknown, match="410"):
            await connector.buy_from_exchange(request(expires_in_ms=-1))
        assert await connector.ask(request()) is None


async def test_a_lost_answer_is_unknown_until_it_is_asked_for(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0, lose_answer=1000)) as (connector, _):
        with pytest.raises(Unknown, match="no answer"):
            await connector.buy_from_exchange(request())
        assert await connector.ask(request()) == WHOLE


async def test_an_answer_that_comes_twice_is_one_answer(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0, double_answer=1000)) as (connector, _):
        assert await connector.buy_from_exchange(request()) == WHOLE


async def test_a_refusal_is_its_word_for_ever(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0, fail=1000)) as (connector, _):
        assert await connector.buy_from_exchange(request()) == Refused("no liquidity")
    async with connected(tmp_path, Behaviour(latency=0)) as (connector, _):
        assert await connector.buy_from_exchange(request()) == Refused("no liquidity")


async def test_unknown_fields_are_refused(tmp_path: Path) -> None:
    wrong = {"client_order_id": "a", "side": "buy"}
    async with (
        venue(tmp_path, Behaviour(latency=0)) as url,
        ClientSession() as session,
        session.post(f"{url}/orders", json=wrong) as answer,
    ):
        assert answer.status == 400


async def test_a_partial_fill_charges_for_what_it_bought(tmp_path: Path) -> None:
    async with connected(tmp_path, Behaviour(latency=0, partial=1000)) as (connector, _):
        bought = await connector.buy_from_exchange(request())
        assert isinstance(bought, Bought)
        assert 0 < bought.base_atoms <= 50_000_000
        assert bought.charged_atoms == 20 * bought.base_atoms
