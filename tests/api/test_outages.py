"""Servers and agents that are away: honest answers, nothing lost, and recovery without anybody's help."""

import asyncio
import contextlib
import dataclasses
import secrets
import signal

import aiohttp
import pytest

from runtime.embedded.home import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


def refusal(answer):
    error = answer.body["error"]
    return answer.status, error["code"], answer.headers.get("Retry-After")


def limit(market, **more):
    return {"market": market, "side": "buy", "amount": "1", "price": "100", **more}


async def rich(client):
    user = await client.register(f"u{secrets.token_hex(6)}")
    await user.patch("accounts/wallet/deposit/", {"amount": "10000"})
    return user


async def decided(user, command_id):
    answer = await user.get(f"commands/{command_id}/")
    return answer.status == 200 and answer.body["state"] == "decided"


async def dollars(user):
    (row,) = [row for row in (await user.get("accounts/wallet/")).body["assets"] if row["asset"] == "USD"]
    return row["available"], row["held"]


@contextlib.asynccontextmanager
async def paused(agents, module):
    agents.send(module, signal.SIGSTOP)
    try:
        yield
    finally:
        agents.send(module, signal.SIGCONT)


async def test_an_agent_that_does_not_answer_in_time_is_202_and_decided_later(client, agents, open_market, until):
    user = await rich(client)
    async with paused(agents, "agents.wallet"):
        answer = await user.post("orders/", limit(open_market, client_order_id="slow"))
        assert (answer.status, answer.body["state"]) == (202, "pending")
        retry = await user.post("orders/", limit(open_market, client_order_id="slow"))
        assert (retry.status, retry.body) == (202, answer.body)
        cancel = await user.delete(f"orders/{answer.body['id']}/")
        assert (cancel.status, cancel.body["state"]) == (202, "pending")
    await until(lambda: decided(user, answer.body["command_id"]))

    async def canceled():
        return (await user.get(f"orders/{answer.body['id']}/")).body["state"] == "canceled"

    await until(canceled)
    assert (await user.post("orders/", limit(open_market, client_order_id="slow"))).status == 201
    assert await dollars(user) == ("10000.00", "0.00")


async def test_an_agent_far_behind_causes_no_storm(client, agents, door, open_market, until):
    user = await rich(client)
    async with paused(agents, "agents.wallet"):
        orders = await asyncio.gather(
            *(user.post("orders/?wait=none", limit(open_market, amount="0.1")) for _ in range(20))
        )
        await asyncio.sleep(8)  # the relay's first two rounds; what is counted is what it did, not how fast
        sends = await door.services.database.rows(
            "select sends from commands where id = any ($1::bigint[])", [order.body["command_id"] for order in orders]
        )
        assert max(row["sends"] for row in sends) <= 3
    for order in orders:
        await until(lambda order=order: decided(user, order.body["command_id"]))
    assert await dollars(user) == ("9800.00", "200.00")


async def test_an_api_killed_between_hold_and_journal_leaves_an_order_that_is_decided(
    client, agents, door, open_market, until, process_api
):
    user = await rich(client)
    async with process_api(CRASH_AT="api.after_hold:1") as base:
        with pytest.raises(aiohttp.ClientError):
            await user.at(base).post("orders/", limit(open_market, client_order_id="cut"))

    async def is_open():
        answer = await user.get("orders/by-client-id/cut/")
        return answer.status == 200 and answer.body["state"] == "open"

    await until(is_open)
    retry = await user.post("orders/", limit(open_market, client_order_id="cut"))
    assert (retry.status, retry.body["state"]) == (201, "open")
    assert await dollars(user) == ("9900.00", "100.00")


async def test_an_api_killed_before_its_answer_has_placed_the_order_once(
    client, agents, door, open_market, until, process_api
):
    user = await rich(client)
    async with process_api(CRASH_AT="api.after_produce:1") as base:
        with pytest.raises(aiohttp.ClientError):
            await user.at(base).post("orders/", limit(open_market), headers={"Idempotency-Key": "cut"})
    retry = await user.post("orders/", limit(open_market), headers={"Idempotency-Key": "cut"})
    assert (retry.status, retry.body["state"]) == (201, "open")
    assert await dollars(user) == ("9900.00", "100.00")


async def test_a_cancel_takes_along_the_order_that_never_reached_the_journal(client, agents, open_market, process_api):
    user = await rich(client)
    async with process_api(CRASH_AT="api.after_hold:1") as base:
        with pytest.raises(aiohttp.ClientError):
            await user.at(base).post("orders/", limit(open_market, client_order_id="cut"))
    order = (await user.get("orders/by-client-id/cut/")).body
    answer = await user.delete(f"orders/{order['id']}/")
    assert (order["state"], answer.status, answer.body["state"]) == ("pending", 200, "canceled")
    assert await dollars(user) == ("10000.00", "0.00")


async def test_a_client_that_hangs_up_gets_its_one_order_by_asking_again(client, agents, open_market):
    user = await rich(client)
    body = limit(open_market, client_order_id="gone")
    with pytest.raises(asyncio.TimeoutError):
        await user.post("orders/", body, timeout=aiohttp.ClientTimeout(total=0.001))
    answers = [await user.post("orders/", body) for _ in range(2)]
    assert answers[0].body["id"] == answers[1].body["id"]
    assert await dollars(user) == ("9900.00", "100.00")


async def test_orders_go_on_without_redis(client, agents, open_market, settings_of_door, a_door, until):
    user = await rich(client)
    async with a_door(dataclasses.replace(settings_of_door, redis_port=free_port(set()))) as lonely:

        async def ready():
            return (await lonely.client.get("/ready")).status == 200

        await until(ready)
        assert (await lonely.client.get("/ready")).body["parts"]["redis"].startswith("Redis does not answer")
        answer = await lonely.client.as_user(user.token).post("orders/", limit(open_market))
        assert (answer.status, answer.body["state"]) == (201, "open")


async def test_without_kafka_nothing_is_done_and_it_is_said(client, agents, open_market, settings_of_door, a_door):
    user = await rich(client)
    nowhere = dataclasses.replace(settings_of_door, kafka_bootstrap=f"127.0.0.1:{free_port(set())}")
    async with a_door(nowhere) as lonely:
        there = lonely.client.as_user(user.token)
        assert refusal(await there.post("orders/", limit(open_market))) == (503, "unavailable", "1")
        assert (await there.get("accounts/wallet/")).status == 200, "what needs no journal goes on"
        assert (await there.patch("accounts/wallet/deposit/", {"amount": "1"})).status == 200
        ready = await there.get("/ready")
        assert (ready.status, ready.body["ready"], ready.body["parts"]["kafka"] is None) == (503, False, False)
    assert (await user.get("orders/")).body == {"results": [], "next": None}


async def test_without_postgresql_every_call_says_so(client, agents, open_market, settings_of_door, a_door):
    user = await rich(client)
    nowhere = dataclasses.replace(settings_of_door, postgres_port=free_port(set()))
    async with a_door(nowhere) as lonely:
        there = lonely.client.as_user(user.token)
        for answer in (
            await there.post("orders/", limit(open_market)), await there.get("accounts/wallet/"),
            await there.get("markets/"), await there.patch("accounts/wallet/deposit/", {"amount": "1"}),
            await there.post("accounts/auth/login/", {"username": "x", "password": "y"}),
        ):  # fmt: skip
            assert refusal(answer) == (503, "unavailable", "1")
        assert (await there.get("/live")).status == 200
        assert (await there.get("/ready")).status == 503


async def test_postgresql_cut_in_the_middle_is_survived(client, door, agents, open_market):
    user = await rich(client)
    await door.services.database.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
        " and application_name = current_setting('application_name')"
    )
    answers = [await user.get("accounts/wallet/") for _ in range(20)]
    assert {answer.status for answer in answers} <= {200, 503}
    assert answers[-1].status == 200
    order = await user.post("orders/", limit(open_market))
    assert order.status in (201, 503)


async def test_a_decided_command_is_not_sent_again(client, door, agents, open_market):
    user = await rich(client)
    order = (await user.post("orders/", limit(open_market))).body
    await door.services.database.rows("update commands set next_send_at = now() - interval '1 hour'")
    row = await door.services.database.row("select sends, state from commands where id = $1", order["command_id"])
    await asyncio.sleep(1.5)
    again = await door.services.database.row("select sends, state from commands where id = $1", order["command_id"])
    assert tuple(row) == tuple(again) == (0, "decided")
