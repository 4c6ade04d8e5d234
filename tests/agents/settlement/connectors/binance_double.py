"""A venue that speaks Binance's spot protocol over HTTP, as far as a buyer uses it, and is as strict and as careless.

It checks key, signature, time and receive window, on arrival and again when it executes. Client order ids are unique
among open orders only, as there: who sends one again after a fill buys again.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

KEY, SECRET = "the-key", "the-secret"
SYMBOL, BASE, QUOTE = "ABANUSD", "ABAN", "USD"
STEP, TICK, LEAST, LEAST_MONEY = Decimal("0.001"), Decimal("0.01"), Decimal("0.01"), Decimal(5)
EARLY_MS = 1_000


@dataclasses.dataclass
class Mood:
    """What it does. `offered` is the share of an order that somebody sells; of orders every n-th is answered in vain
    (`lose_every`), or finds few who sell (`poor_every`)."""

    price: Decimal = Decimal(20)
    offered: Decimal = Decimal(1)
    latency: float = 0.0
    lose_every: int = 0
    poor_every: int = 0
    refuse: tuple[int, str] | None = None
    fee_asset: str = BASE
    fee_rate: Decimal = Decimal("0.001")
    clock_ahead_ms: int = 0
    hide_orders: bool = False


class Binance:
    """One account. `orders` is what it executed, which no code under test reads; `late` are orders it refused."""

    def __init__(self, mood: Mood) -> None:
        self.mood = mood
        self.orders: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.late: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v3/time", self.time),
            web.get("/api/v3/exchangeInfo", self.info),
            web.post("/api/v3/order", self.buy),
            web.get("/api/v3/order", self.order),
            web.get("/api/v3/allOrders", self.all_orders),
            web.get("/api/v3/myTrades", self.my_trades),
        ]

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.mood.clock_ahead_ms

    async def time(self, _request: web.Request) -> web.Response:
        return web.json_response({"serverTime": self.now_ms()})

    async def info(self, _request: web.Request) -> web.Response:
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": str(TICK)},
            {"filterType": "LOT_SIZE", "minQty": str(LEAST), "maxQty": "9000", "stepSize": str(STEP)},
            {"filterType": "NOTIONAL", "minNotional": str(LEAST_MONEY), "applyMinToMarket": True},
        ]
        market = {
            "symbol": SYMBOL, "status": "TRADING", "baseAsset": BASE, "quoteAsset": QUOTE, "baseAssetPrecision": 8,
            "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "MARKET"], "icebergAllowed": False,
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": ["SPOT"], "filters": filters,
        }  # fmt: skip
        return web.json_response({"timezone": "UTC", "serverTime": self.now_ms(), "symbols": [market]})

    async def buy(self, request: web.Request) -> web.StreamResponse:
        wanted = self._signed(request, await request.text())
        amount, limit = Decimal(wanted["quantity"]), Decimal(wanted["price"])
        given = (wanted["symbol"], wanted["side"], wanted["type"], wanted["timeInForce"])
        if given != (SYMBOL, "BUY", "LIMIT", "IOC"):
            raise _refusal(-1102, f"{given} is not what this double sells")
        if not re.fullmatch(r"[.A-Z:/a-z0-9_-]{1,36}", wanted["newClientOrderId"]):
            raise _refusal(-1100, "Illegal characters found in parameter 'newClientOrderId'")
        if amount % STEP or amount < LEAST:
            raise _refusal(-1013, "Filter failure: LOT_SIZE")
        if limit % TICK:
            raise _refusal(-1013, "Filter failure: PRICE_FILTER")
        if amount * limit < LEAST_MONEY:
            raise _refusal(-1013, "Filter failure: NOTIONAL")
        if self.mood.refuse is not None:
            raise _refusal(*self.mood.refuse)
        await asyncio.sleep(self.mood.latency)
        self._in_time(wanted)
        order = self._execute(wanted["newClientOrderId"], amount, limit)
        if _is_turn(len(self.orders), self.mood.lose_every) and request.transport is not None:
            request.transport.abort()
        return web.json_response(order)

    async def order(self, request: web.Request) -> web.Response:
        asked = self._signed(request, request.query_string)
        found = [one for one in self.orders if one["clientOrderId"] == asked.get("origClientOrderId")]
        if not found or self.mood.hide_orders:
            raise _refusal(-2013, "Order does not exist.")
        return web.json_response(found[-1])

    async def all_orders(self, request: web.Request) -> web.Response:
        self._signed(request, request.query_string)
        return web.json_response(self.orders)

    async def my_trades(self, request: web.Request) -> web.Response:
        asked = self._signed(request, request.query_string)
        return web.json_response([one for one in self.trades if str(one["orderId"]) == asked["orderId"]])

    def _signed(self, request: web.Request, sent: str) -> dict[str, str]:
        """The parameters, if this account signed just these bytes just now."""
        if request.headers.get("X-MBX-APIKEY") != KEY:
            raise _refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        payload, _, signature = sent.rpartition("&signature=")
        right = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature, right):
            raise _refusal(-1022, "Signature for this request is not valid.")
        given = dict(parse_qsl(payload, strict_parsing=True))
        self._in_time(given)
        return given

    def _in_time(self, given: dict[str, str]) -> None:
        stamp, window = int(given["timestamp"]), int(given.get("recvWindow", "5000"))
        if window > 60_000:
            raise _refusal(-1131, "recvWindow must be less than 60000")
        if not stamp < self.now_ms() + EARLY_MS or self.now_ms() - stamp > window:
            self.late += [given["newClientOrderId"]] if "newClientOrderId" in given else []
            raise _refusal(-1021, "Timestamp for this request is outside of the recvWindow.")

    def _execute(self, client_order_id: str, amount: Decimal, limit: Decimal) -> dict[str, Any]:
        """In two trades, so that a sum has to be made."""
        number = len(self.orders) + 1
        offered = Decimal("0.4") if _is_turn(number, self.mood.poor_every) else self.mood.offered
        filled = (amount * offered).quantize(STEP) if limit >= self.mood.price else Decimal()
        first = (filled / 3).quantize(STEP)
        for part in (first, filled - first):
            if part:
                self.trades.append(self._trade(number, part))
        order = {
            "symbol": SYMBOL, "orderId": number, "orderListId": -1, "clientOrderId": client_order_id,
            "price": f"{limit:f}", "origQty": f"{amount:f}", "executedQty": f"{filled:f}",
            "cummulativeQuoteQty": f"{filled * self.mood.price:f}", "timeInForce": "IOC", "type": "LIMIT",
            "status": "FILLED" if filled == amount else "EXPIRED", "side": "BUY", "time": self.now_ms(),
            "updateTime": self.now_ms(), "transactTime": self.now_ms(), "isWorking": True,
        }  # fmt: skip
        self.orders.append(order)
        return order

    def _trade(self, order_id: int, amount: Decimal) -> dict[str, Any]:
        cost = amount * self.mood.price
        fee = (amount if self.mood.fee_asset == BASE else cost) * self.mood.fee_rate
        return {
            "symbol": SYMBOL, "id": len(self.trades) + 1, "orderId": order_id, "price": f"{self.mood.price:f}",
            "qty": f"{amount:f}", "quoteQty": f"{cost:f}", "commission": f"{fee:f}",
            "commissionAsset": self.mood.fee_asset, "time": self.now_ms(), "isBuyer": True, "isMaker": False,
            "isBestMatch": True,
        }  # fmt: skip


def _is_turn(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _refusal(code: int, message: str, status: int = 400) -> web.HTTPException:
    kind = web.HTTPBadRequest if status == 400 else web.HTTPUnauthorized
    text = f'{{"code":{code},"msg":"{message}"}}'
    return kind(text=text, content_type="application/json")


@contextlib.asynccontextmanager
async def binance(mood: Mood) -> AsyncIterator[tuple[Binance, str]]:
    """Listening at an address of its own."""
    double = Binance(mood)
    application = web.Application()
    application.add_routes(double.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield double, f"http://{host}:{port}"
    finally:
        await runner.cleanup()
