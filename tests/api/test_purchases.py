"""Purchases from the door to the outside exchange and back: their states, and a thousand of them at once."""

import asyncio
import contextlib
import random
import secrets
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from agents.settlement.exchange.app import Behaviour, Venue
from agents.settlement.exchange.store import Store

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

USERS, EACH = 50, 20


class Gated(Venue):
    """Executes nothing while its gate is closed."""

    def __init__(self, store: Store, behaviour: Behaviour) -> None:
        super().__init__(store, behaviour)
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def buy(self, request: web.Request) -> web.StreamResponse:
        await self.gate.wait()
        return await super().buy(request)


@contextlib.asynccontextmanager
async def listening(venue: Gated) -> AsyncIterator[Gated]:
    application = web.Application()
    application.add_routes(venue.routes())
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield venue
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(agents, tmp_path_factory) -> AsyncIterator[Gated]:
    """The outside exchange, with bad manners, and the two processes before it."""
    store = Store(tmp_path_factory.mktemp("exchange") / "exchange.sqlite")
    async with listening(Gated(store, Behaviour(0.02, lose_answer=50, double_answer=50, partial=100))) as venue:
        agents.start("agents.settlement")
        agents.start("agents.settlement.desk", EXCHANGE_URL=venue.url)
        yield venue
    store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def coin(open_market, admin, exchange) -> str:
    """What the house sells, at 20 dollars, in a market of this test's own."""
    base = open_market.removesuffix("-USD")
    listed = await admin.call("PUT", f"exchanges/crypto-currencies/{base}/price/", {"price": "20"})
    assert listed.status in (200, 202), listed
    return base


async def rich(client, dollars="10000"):
    user = await client.register(f"u{secrets.token_hex(6)}")
    assert (await user.patch("accounts/wallet/deposit/", {"amount": dollars})).status == 200
    return user


async def buy(user, coin, amount, **more) -> dict[str, Any]:
    answer = await user.post("orders/", {"crypto": coin, "amount": amount, **more})
    assert answer.status in (201, 202), answer
    return answer.body


async def state(user, order) -> str:
    return (await user.get(f"orders/{order['id']}/")).body["state"]


async def asset(user, name) -> tuple[str, str, str]:
    rows = (await user.get("accounts/wallet/")).body["assets"]
    return next(((row["available"], row["held"], row["pending"]) for row in rows if row["asset"] == name), ("0",) * 3)


def becomes(user, order, wanted):
    async def is_so() -> bool:
        return await state(user, order) == wanted

    return is_so


async def test_a_small_purchase_is_aggregated_then_sent_then_completed(client, coin, exchange, admin, until):
    exchange.gate.clear()
    user = await rich(client)
    first = await buy(user, coin, "0.2")
    await until(becomes(user, first, "aggregated"))
    assert await asset(user, "USD") == ("9996.00", "0.00", "0.00")
    assert await asset(user, coin) == ("0", "0", "0.2")
    second = await buy(user, coin, "0.3")
    for order in (first, second):
        await until(becomes(user, order, "sent"))
    batch = f"exchanges/batches/{coin}-USD-1/"
    await until(batch_is(admin, batch, "sending"))
    exchange.gate.set()
    for order in (first, second):
        await until(is_over(user, order))
    whole = (await admin.get(batch)).body
    assert (whole["orders"], whole["amount"], whole["notional"]) == ([first["id"], second["id"]], "0.5", "10.00")
    now = (await user.get(f"orders/{first['id']}/")).body
    assert (now["is_aggregated"], now["batch_id"]) == (True, f"{coin}-USD-1")


def batch_is(admin, path, wanted):
    async def is_so() -> bool:
        answer = await admin.get(path)
        return answer.status == 200 and answer.body["state"] == wanted

    return is_so


def is_over(user, order):
    async def is_so() -> bool:
        return await state(user, order) in ("completed", "refunded")

    return is_so


async def test_a_large_purchase_is_sent_without_being_aggregated(client, coin, exchange, until):
    exchange.gate.clear()
    user = await rich(client)
    order = await buy(user, coin, "0.5")
    await until(becomes(user, order, "sent"))
    now = (await user.get(f"orders/{order['id']}/")).body
    assert (now["is_aggregated"], now["batch_id"]) == (False, f"{coin}-USD-1")
    exchange.gate.set()
    await until(is_over(user, order))


async def test_the_journals_price_decides_not_the_one_that_was_shown(client, coin, admin, agents, until):
    """While nobody matches, two prices and two purchases get into the journal; the door shows the old price to both."""
    user = await rich(client)
    price = f"exchanges/crypto-currencies/{coin}/price/"
    agents.send("agents.matching", signal.SIGSTOP)
    orders = []
    for dollars in ("21", "19"):
        assert (await admin.call("PUT", price, {"price": dollars})).status == 202
        orders.append(await buy(user, coin, "1"))
    assert [(order["state"], order["price"]) for order in orders] == [("pending", "20.00")] * 2
    agents.send("agents.matching", signal.SIGCONT)
    for order in orders:
        await until(is_decided(user, order))
    await until(is_over(user, orders[1]))
    rose, fell = [(await user.get(f"orders/{order['id']}/")).body for order in orders]
    assert (rose["state"], rose["reason"]) == ("rejected", "price_changed")
    assert (fell["price"], fell["total_price"]) == ("19.00", "19.00")
    dollars = "9981.00" if fell["state"] == "completed" else "10000.00"
    assert await asset(user, "USD") == (dollars, "0.00", "0.00")


def is_decided(user, order):
    async def is_so() -> bool:
        return (await user.get(f"commands/{order['command_id']}/")).body["state"] == "decided"

    return is_so


async def test_an_admin_buys_for_a_customer(admin, coin, until):
    """As the second seed's endpoint did: the customer has no login, and pays."""
    customer = (await admin.post("customers/", {"name": "Farbod"})).body
    order = await buy(admin, coin, "1.5", customer_id=customer["id"])
    await until(is_over(admin, order))
    done = (await admin.get(f"orders/{order['id']}/")).body
    balance = (await admin.get(f"customers/{customer['id']}/")).body["balance"]
    assert (done["total_price"], balance) == ("30.00", "70.00" if done["state"] == "completed" else "100.00")
    refused = await admin.post("orders/", {"crypto": coin, "amount": "6", "customer_id": customer["id"]})
    assert (refused.status, refused.code) == (422, "insufficient_funds")


@pytest.mark.parametrize("amount", ["-1", "0", "0.00001", "1e-30"])
async def test_dust_and_negative_amounts_buy_nothing(client, coin, amount):
    user = await rich(client)
    answer = await user.post("orders/", {"crypto": coin, "amount": amount})
    assert answer.status in (400, 422)
    assert await asset(user, "USD") == ("10000.00", "0.00", "0.00")


async def test_a_thousand_small_purchases_of_fifty_users_at_once(client, coin, exchange, admin, until):
    users = await asyncio.gather(*(rich(client, "200") for _ in range(USERS)))

    async def shop(user, seed):
        rng = random.Random(seed)
        for _ in range(EACH):
            await buy(user, coin, f"{rng.randrange(50, 4_900) * Decimal('0.0001')}")

    await asyncio.gather(*(shop(user, seed) for seed, user in enumerate(users)))
    await until(only_windows_wait(admin, users, coin))
    batches = await batches_of(admin, coin)
    async with aiohttp.ClientSession() as session, session.get(f"{exchange.url}/bought") as answer:
        asked = [one for one in await answer.json() if one["base"] == coin]
    done = [batch for batch in batches if batch["state"] != "open"]
    executed = {one["batch_id"]: Decimal(one["filled"]) for one in asked}
    assert len(asked) == len(executed), "each batch once"
    assert {batch["id"]: Decimal(batch["bought"]) for batch in done} == executed
    assert all(Decimal(batch["notional"]) >= 10 for batch in done)
    bought, delivered, inventory = (sum(Decimal(batch[part]) for batch in done) for part in PARTS)
    assert bought == delivered + inventory
    orders = [order for user in users for order in await orders_of(user)]
    assert len(orders) == USERS * EACH
    assert sorted(id_ for batch in batches for id_ in batch["orders"]) == sorted(order["id"] for order in orders)
    assert delivered == sum(Decimal(order["amount"]) for order in orders if order["state"] == "completed")
    for user in users:
        await paid_for_what_he_got(user, coin)


PARTS = ("bought", "delivered", "inventory")


def only_windows_wait(admin, users, coin):
    async def is_so() -> bool:
        batches = await batches_of(admin, coin)
        states = [order["state"] for user in users for order in await orders_of(user)]
        return {batch["state"] for batch in batches} <= {"open", "filled", "failed"} and not (
            {"pending", "sent"} & set(states)
        )

    return is_so


async def batches_of(admin, coin) -> list[dict[str, Any]]:
    found = (await admin.get("exchanges/batches/?limit=500")).body
    assert found["next"] is None
    return [batch for batch in found["results"] if batch["crypto"] == coin]


async def orders_of(user) -> list[dict[str, Any]]:
    return (await user.get("orders/?limit=500")).body["results"]


async def paid_for_what_he_got(user, coin):
    kept = [order for order in await orders_of(user) if order["state"] in ("completed", "aggregated")]
    got, waits = (
        sum(Decimal(order["amount"]) for order in kept if order["state"] == wanted)
        for wanted in ("completed", "aggregated")
    )
    dollars = 200 - sum(Decimal(order["total_price"]) for order in kept)
    assert [Decimal(part) for part in await asset(user, "USD")] == [dollars, 0, 0]
    assert [Decimal(part) for part in await asset(user, coin)] == [got, 0, waits]
