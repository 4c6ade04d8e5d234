"""Two users and every route with an id: what belongs to one is not there for the other, and nobody needs no token."""

import re

import pytest

from api.routing import Policy
from api.table import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
OWNED = {"order_id", "transaction_id", "command_id", "client_order_id"}
BODIES = {"PATCH": {"amount": "0.5"}, "PUT": {"price": "1"}, "POST": {}}
ROWS = [route for route in ROUTES if OWNED & set(route.parameters)]


def filled(route, ids):
    return re.sub(r"\{([a-z_]+)\}", lambda match: str(ids[match[1]]), route.plain_path)


async def things_of(owner, market):
    """One of everything that has an id."""
    await owner.patch("accounts/wallet/deposit/", {"amount": "1000"})
    body = {"market": market, "side": "buy", "amount": "1", "price": "10", "client_order_id": "the-owners"}
    order = (await owner.post("orders/", body)).body
    transaction = (await owner.get("transactions/")).body["results"][0]
    return {
        "order_id": order["id"], "command_id": order["command_id"], "transaction_id": transaction["id"],
        "client_order_id": "the-owners",
    }  # fmt: skip


async def test_what_is_owned_is_not_there_for_a_stranger(client, agents, open_market, user):
    owner, stranger = user, await client.register("a-stranger")
    ids = await things_of(owner, open_market)
    assert {parameter for route in ROWS for parameter in route.parameters} == OWNED
    for route in ROWS:
        path = filled(route, ids)
        answer = await stranger.call(route.method, path, BODIES.get(route.method))
        assert (answer.status, answer.code) == (404, "not_found"), (route.method, path)
        if route.method == "GET":
            assert (await owner.get(path)).status == 200, path
    assert (await owner.get(f"orders/{ids['order_id']}/")).body["state"] == "open"


async def test_without_a_token_nothing_but_the_public_answers(client):
    ids = {"order_id": 1, "transaction_id": 1, "command_id": 1, "client_order_id": "x", "customer_id": 1}
    ids |= {"symbol": "BTC-USD", "name": "BTC", "file": "start.js", "batch_id": "BTC-USD-1"}
    for route in ROUTES:
        if route.policy is not Policy.PUBLIC:
            answer = await client.call(route.method, filled(route, ids), {})
            assert (answer.status, answer.code) == (401, "unauthenticated"), route.path


async def test_what_is_for_admins_is_forbidden_to_others(client, user):
    ids = {"customer_id": 1, "symbol": "BTC-USD", "name": "BTC", "batch_id": "BTC-USD-1"}
    rows = [route for route in ROUTES if route.policy is Policy.ADMIN]
    assert rows
    for route in rows:
        answer = await user.call(route.method, filled(route, ids), {})
        assert (answer.status, answer.code) == (403, "forbidden"), route.path
