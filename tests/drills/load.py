"""Clients who trade over HTTP whatever happens, and remember what they were answered.

An answer that did not come, and one that is not definite, is asked for again with the same key until it is. In the end
every key must still name the order that it named when it was first answered.
"""

import asyncio
import random
import secrets
from typing import Any

import aiohttp

from tests.drills.instance import Failed, Instance

AGAIN_S = 0.2
DEFINITE_WITHIN_S = 300.0
MARKET, HOUSE = "BTC-USD", "ABAN"
PRICE = 50_000
AWAY = (aiohttp.ClientError, OSError, TimeoutError)


class Client:
    """One person with money."""

    def __init__(self, load: "Load", number: int) -> None:
        self._load = load
        self._random = random.Random(number)
        self._name, self._password = f"drill-{secrets.token_hex(5)}", secrets.token_hex(8)
        self._token = ""
        self.answered: dict[str, int] = {}

    async def join(self) -> None:
        body = {"username": self._name, "password": self._password}
        self._token = (await self._ask("POST", "/accounts/auth/register/", body, expected={201}))["access"]
        for asset in ("USD", "BTC"):
            key = {"Idempotency-Key": f"join-{asset}"}
            await self._ask(
                "PATCH", "/accounts/wallet/deposit/", {"amount": "1000000", "asset": asset}, expected={200}, headers=key
            )

    async def trade(self) -> None:
        """One order after another, for ever; a purchase now and then."""
        while True:
            await self._load.going.wait()
            key = secrets.token_hex(12)
            await self._order(key, self._wish(key))

    def _wish(self, key: str) -> dict[str, Any]:
        if self._random.random() < 0.05:
            return {"crypto": HOUSE, "amount": "0.2", "client_order_id": key}
        return {
            "market": MARKET, "side": self._random.choice(("buy", "sell")), "type": "limit",
            "price": f"{PRICE + self._random.randint(-30, 30)}.00", "amount": "0.0010", "client_order_id": key,
        }  # fmt: skip

    async def _order(self, key: str, wish: dict[str, Any]) -> None:
        answer = await self._ask("POST", "/orders/", wish, expected={200, 201, 202})
        if self.answered.setdefault(key, answer["id"]) != answer["id"]:
            raise Failed(f"key {key} was answered with order {self.answered[key]}, and now with {answer['id']}")
        self._load.orders += 1

    async def ask_again(self) -> int:
        """The orders of all keys are the ones that were answered."""
        for key, order_id in self.answered.items():
            found = await self._ask("GET", f"/orders/{order_id}/", None, expected={200})
            if found["client_order_id"] != key:
                raise Failed(f"order {order_id} was answered for key {key}, and has {found['client_order_id']}")
        return len(self.answered)

    async def _ask(
        self, method: str, path: str, body: Any, *, expected: set[int], headers: dict[str, str] | None = None
    ) -> Any:
        async with asyncio.timeout(DEFINITE_WITHIN_S):
            while True:
                try:
                    status, answer = await self._once(method, path, body, headers or {})
                except AWAY:
                    self._load.unknown += 1
                    await asyncio.sleep(AGAIN_S)
                    continue
                if status in expected:
                    return answer
                if status == 401 and self._token:
                    await self._log_in()
                elif status in (429, 500, 502, 503, 504):
                    self._load.unknown += 1
                    await asyncio.sleep(AGAIN_S)
                else:
                    raise Failed(f"{method} {path} was answered {status}: {answer}")

    async def _once(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        headers = headers | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        async with self._load.session.request(
            method, self._load.instance.url + path, json=body, headers=headers
        ) as response:
            return response.status, await response.json(content_type=None)

    async def _log_in(self) -> None:
        self._token = ""
        body = {"username": self._name, "password": self._password}
        self._token = (await self._ask("POST", "/accounts/auth/login/", body, expected={200}))["access"]


class Load:
    """All clients. `going` is cleared while books are proved."""

    def __init__(self, instance: Instance, session: aiohttp.ClientSession, clients: int) -> None:
        self.instance = instance
        self.session = session
        self.going = asyncio.Event()
        self.orders = self.unknown = 0
        self.clients = [Client(self, number) for number in range(clients)]
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        for client in self.clients:
            await client.join()
        self._tasks = [asyncio.create_task(client.trade()) for client in self.clients]
        self.going.set()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def more(self, orders: int) -> None:
        """Returns when so many more were answered."""
        wanted = self.orders + orders
        async with asyncio.timeout(DEFINITE_WITHIN_S):
            while self.orders < wanted:
                self.fail_if_one_failed()
                await asyncio.sleep(0.02)

    def fail_if_one_failed(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def ask_again(self) -> int:
        return sum(await asyncio.gather(*(client.ask_again() for client in self.clients)))
