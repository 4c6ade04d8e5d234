"""The exchange's door: POST /orders, GET /orders/{client_order_id}, /bought and /time. On demand it misbehaves.

An order is executed once per client order id, never after its expiry, and is on the disk before it is answered.
"""

import asyncio
import dataclasses
import json
import random
import time
from collections.abc import Mapping
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from agents.settlement.exchange.store import Store

FIELDS = {"client_order_id", "base", "quote", "amount", "price", "expires_ms"}
ATOM = Decimal("0.00000001")


@dataclasses.dataclass(frozen=True, slots=True)
class Behaviour:
    """Shares are per thousand orders. `latency` is in seconds, `slip_bps` the most that is charged on top."""

    latency: float = 5.0
    fail: int = 0
    lose_answer: int = 0
    double_answer: int = 0
    partial: int = 0
    slip_bps: int = 0


class Refusal(Exception):  # noqa: N818  -- an answer
    """A request that this exchange does not understand."""


class Venue:
    """One exchange."""

    def __init__(self, store: Store, behaviour: Behaviour, rng: random.Random | None = None) -> None:
        self._store = store
        self._behaviour = behaviour
        self._random = rng or random.Random()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/orders", self.buy),
            web.get("/orders/{client_order_id}", self.tell),
            web.get("/bought", self.bought),
            web.get("/time", self.time),
        ]

    async def buy(self, request: web.Request) -> web.StreamResponse:
        asked_ms = _now_ms()
        try:
            wanted = _read(await request.text())
        except Refusal as error:
            return web.json_response({"error": str(error)}, status=400)
        await asyncio.sleep(self._behaviour.latency)
        order = self._store.find(wanted["client_order_id"])
        if order is not None:
            self._store.asked_again(wanted["client_order_id"])
        elif _now_ms() > wanted["expires_ms"]:
            return web.json_response({"error": "the request has expired"}, status=410)
        else:
            order = self._store.add(self._execute(wanted, asked_ms))
        if self._happens(self._behaviour.lose_answer) and request.transport is not None:
            request.transport.abort()
        answer = json.dumps(_public(order)) + "\n"
        times = 2 if self._happens(self._behaviour.double_answer) else 1
        return web.Response(text=answer * times, status=200 if order["status"] == "filled" else 422)

    async def tell(self, request: web.Request) -> web.Response:
        order = self._store.find(request.match_info["client_order_id"])
        if order is None:
            return web.json_response({"error": "no such order"}, status=404)
        return web.json_response(_public(order))

    async def bought(self, _request: web.Request) -> web.Response:
        """What it was asked to buy, oldest first."""
        return web.json_response([{"batch_id": order["client_order_id"], **order} for order in self._store.all()])

    async def time(self, _request: web.Request) -> web.Response:
        return web.json_response(_now_ms())

    def _execute(self, wanted: Mapping[str, Any], asked_ms: int) -> dict[str, Any]:
        amount, price = Decimal(wanted["amount"]), Decimal(wanted["price"])
        order = {**wanted, "asked_ms": asked_ms, "executed_ms": _now_ms()}
        if self._happens(self._behaviour.fail):
            return {**order, "status": "rejected", "filled": "0", "charged": "0", "reason": "no liquidity"}
        filled = amount
        if self._happens(self._behaviour.partial):
            filled = (amount * self._random.randrange(1, 1000) / 1000).quantize(amount, ROUND_UP)
        slip = self._random.randint(0, self._behaviour.slip_bps)
        charged = (filled * price * (10_000 + slip) / 10_000).quantize(ATOM, ROUND_UP)
        return {**order, "status": "filled", "filled": f"{filled:f}", "charged": f"{charged:f}", "reason": None}

    def _happens(self, per_thousand: int) -> bool:
        return self._random.randrange(1000) < per_thousand


def _read(text: str) -> dict[str, Any]:
    try:
        wanted = json.loads(text)
    except ValueError as error:
        raise Refusal("this is not JSON") from error
    if not isinstance(wanted, dict) or wanted.keys() != FIELDS:
        raise Refusal(f"an order has exactly these fields: {', '.join(sorted(FIELDS))}")
    texts = [wanted[field] for field in sorted(FIELDS - {"expires_ms"})]
    if type(wanted["expires_ms"]) is not int or not all(isinstance(one, str) and one for one in texts):
        raise Refusal("expires_ms is a whole number, everything else is text")
    try:
        numbers = Decimal(wanted["amount"]), Decimal(wanted["price"])
    except InvalidOperation as error:
        raise Refusal("amount and price are decimal numbers") from error
    if not all(number.is_finite() and number > 0 for number in numbers):
        raise Refusal("amount and price are above zero")
    return wanted


def _public(order: Mapping[str, Any]) -> dict[str, Any]:
    fields = ("exchange_order_id", "client_order_id", "status", "amount", "filled", "charged", "quote", "reason")
    return {field: order[field] for field in fields}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
