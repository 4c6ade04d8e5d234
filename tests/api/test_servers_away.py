"""Kafka, PostgreSQL and Valkey frozen and killed under two open doors and a steady stream of orders.

The servers are this file's own, since nobody else would like what is done to them; their supervisor starts them again.
Every answer is kept, and at the end each must have been true.
"""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ops.bench import servers as servers_of_ones_own
from runtime.embedded.home import Home
from runtime.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
FROZEN_S = 5
WRITERS = 6
PATIENCE_S = 60
RETRY_AFTER = "1"
HELD_BY_ONE = 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers() -> AsyncIterator[Settings]:
    async with servers_of_ones_own(Settings(home=Path("unused"))) as settings:
        yield dataclasses.replace(settings, kafka_partitions=2)


@dataclasses.dataclass(frozen=True)
class Told:
    """What a client was told of one order."""

    key: str
    body: dict
    status: int
    answer: dict

    @property
    def is_nothing_done(self):
        return self.status == 503 and "outcome" not in self.answer


class Stream:
    """Clients who place one small order after another at two instances, each under a key of its own."""

    def __init__(self, users, market):
        self.users = users
        self.market = market
        self.told = []
        self.in_flight = 0
        self._tasks = []

    async def __aenter__(self):
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
        return self

    async def __aexit__(self, *_error):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self):
        """Lets each writer finish the order that he is at; whatever one of them met is raised here."""
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*tasks)

    async def _write(self, number):
        while self._tasks:
            key = secrets.token_hex(8)
            body = {"market": self.market, "side": "buy", "amount": "0.1", "price": "100", "client_order_id": key}
            told = await self.place(self.users[number % len(self.users)], key, body)
            self.told.append(told)
            if told.status == 503:
                await asyncio.sleep(float(RETRY_AFTER))

    async def place(self, user, key, body):
        self.in_flight += 1
        try:
            answer = await user.post("orders/", body, timeout=aiohttp.ClientTimeout(total=PATIENCE_S))
        finally:
            self.in_flight -= 1
        assert answer.status in (201, 202, 503), answer
        if answer.status == 503:
            assert (answer.code, answer.headers["Retry-After"]) == ("unavailable", RETRY_AFTER)
        else:
            assert answer.body["state"] == ("open" if answer.status == 201 else "pending")
        return Told(key, body, answer.status, answer.body)

    def settled(self):
        for task in self._tasks:
            if task.done():
                task.result()
        return sum(told.status == 201 for told in self.told)


def family(pid):
    """The process and all that came from it, the oldest first."""
    rows = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    children = {}
    for child, parent in zip(rows[::2], rows[1::2], strict=True):
        children.setdefault(int(parent), []).append(int(child))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def freeze(home, server):
    """For some seconds nothing of it runs, and its connections stay open."""
    pids = family(home.former_children()[server])
    send(pids, signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        send(reversed(pids), signal.SIGCONT)


async def kill(home, server):
    """It ends at once; the supervisor has started it again when this returns."""
    pid = home.former_children()[server]
    send([pid], signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while home.former_children().get(server, pid) == pid:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", [freeze, kill], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("server", ["valkey", "postgres", "kafka"])
async def test_every_answer_is_true_and_all_goes_on_by_itself(
    server, fault, client, second_door, agents, open_market, until, servers
):
    user = await client.register(f"u{secrets.token_hex(6)}")
    await user.patch("accounts/wallet/deposit/", {"amount": "1000000"})
    there = second_door.client.as_user(user.token)
    async with Stream([user, there], open_market) as stream:

        async def settled(more_than):
            return stream.settled() > more_than

        await until(lambda: settled(2 * WRITERS))
        before = stream.settled()
        assert stream.in_flight, "orders are on their way when it strikes"
        await fault(Home(servers.home), server)
        during = stream.settled() - before
        await until(lambda: settled(before + during + 2 * WRITERS))
        await stream.stop()
    if server == "valkey" and fault is freeze:
        assert during, "orders go on without Redis"
    for told in stream.told:
        if told.is_nothing_done:
            assert (await there.get(f"orders/by-client-id/{told.key}/")).status == 404, told
        elif told.status == 503:
            assert told.answer["outcome"] == "unknown"

    async def all_definite():
        again = await asyncio.gather(*(stream.place(there, told.key, told.body) for told in stream.told))
        return all(told.status == 201 for told in again)

    await until(all_definite)
    keys = {told.key: told for told in stream.told}
    for told in keys.values():
        order = (await user.get(f"orders/by-client-id/{told.key}/")).body
        assert order["state"] == "open"
        assert told.status == 503 or order["id"] == told.answer["id"]
    (row,) = [row for row in (await there.get("accounts/wallet/")).body["assets"] if row["asset"] == "USD"]
    assert row["held"] == f"{HELD_BY_ONE * len(keys)}.00"
    assert (await client.get("/ready")).status == 200
