"""The connector to venues of the `ccxt` library, through the venue's own class as it is.

Each order is signed with the time of the intent, not of the sending, and with a receive window that ends at the expiry:
the venue refuses it afterwards, so a desk that froze in between cannot buy twice. Numbers stay text: none is a float.
"""

import contextlib
import dataclasses
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_UP, Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agents.settlement.connectors.connector import Bought, Refused, Request, Unknown, Verdict
from runtime.settings import Settings, SettingsError

TIMEOUT_MS = 10_000
INSTALL = "bin/install ccxt"
FINAL = ("closed", "canceled", "expired", "rejected")
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Venue:
    """What a venue promises, and how it is told. `expiring` makes the parameters by which it refuses an order later
    than its expiry, whenever it was sent; `ids` is the form of client order ids that it can look up."""

    expiring: Callable[[Request], Mapping[str, Any]]
    ids: re.Pattern[str]
    options: Mapping[str, Any]


BINANCE = Venue(
    expiring=lambda request: {
        "timestamp": request.intended_ms,
        "recvWindow": request.expires_ms - request.intended_ms,
    },
    ids=re.compile(r"[.A-Z:/a-z0-9_-]{1,36}"),
    options={
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    },
)
VENUES: Mapping[str, Venue] = {"binance": BINANCE, "binanceus": BINANCE}


class CcxtExchange:
    """One account at one venue. It buys at once or not at all, at most the collar above what customers paid."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.exchange
        self._venue = _venue(settings)
        self._ccxt = _library()
        self._api = getattr(self._ccxt, self.name)({
            "apiKey": settings.exchange_api_key, "secret": settings.exchange_secret_key, "timeout": TIMEOUT_MS,
            "enableRateLimit": True, "options": dict(self._venue.options),
        })  # fmt: skip
        self._api.number = str  # the library's own switch: what it reads stays text
        self._collar_bps = settings.collar_bps
        if settings.exchange_url is not None:
            _redirect(self._api.urls, settings.exchange_url)

    async def clock_ms(self) -> int:
        return int(await self._said(self._api.fetch_time()))

    async def buy_from_exchange(self, request: Request) -> Verdict:
        market = await self._market(request)
        if self._venue.ids.fullmatch(request.batch_id) is None:
            raise Unknown(f"{self.name} takes no order id such as {request.batch_id}")
        price = highest(request.price, self._collar_bps, market)
        order = await self._said(
            self._api.create_order(
                market["symbol"], "limit", "buy", rounded_up(request, market), price,
                {"clientOrderId": request.batch_id, "timeInForce": "IOC", **self._venue.expiring(request)},
            )
        )  # fmt: skip
        return await self._verdict(request, order, market)

    async def ask(self, request: Request) -> Verdict | None:
        """By id, and among the newest orders: only when neither knows it, it has not been heard of."""
        market = await self._market(request)
        symbol, asked = market["symbol"], {"clientOrderId": request.batch_id}
        try:
            order = await self._said(self._api.fetch_order(None, symbol, asked))
        except _NotFound:
            newest = await self._said(self._api.fetch_orders(symbol))
            order = next((one for one in newest if one["clientOrderId"] == request.batch_id), None)
        return None if order is None else await self._verdict(request, order, market)

    async def close(self) -> None:
        await self._api.close()

    async def _market(self, request: Request) -> Mapping[str, Any]:
        """Steps and minimum of the market; the library asks for them once."""
        symbol = f"{request.base}/{request.quote}"
        markets = await self._said(self._api.load_markets())
        if symbol not in markets:
            raise Unknown(f"{self.name} has no market {symbol}")
        found: Mapping[str, Any] = markets[symbol]
        return found

    async def _verdict(self, request: Request, order: Mapping[str, Any], market: Mapping[str, Any]) -> Verdict:
        """An order that is at its end, by its own trades: they alone tell the fees."""
        if order["clientOrderId"] != request.batch_id or order["status"] not in FINAL:
            raise Unknown(f"{self.name} says that {order['clientOrderId']} is {order['status']}")
        with self._reading():
            if not Decimal(order["filled"]):
                return Refused(f"{self.name} sold nothing at this price: it is {order['status']}")
            return bought(request, order, await self._api.fetch_order_trades(order["id"], market["symbol"]))

    async def _said(self, answer: Awaitable[T]) -> T:
        with self._reading():
            return await answer

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Whatever the library raises decides nothing, a refusal neither: it may be that of a repeated id."""
        try:
            yield
        except self._ccxt.OrderNotFound as error:
            raise _NotFound(str(error)) from error
        except (self._ccxt.BaseError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise Unknown(f"{self.name}: {type(error).__name__}: {error}") from error


class _NotFound(Unknown):
    """The venue knows no such order."""


def rounded_up(request: Request, market: Mapping[str, Any]) -> str:
    """The quantity in the venue's steps, at least its minimum of amount and of money."""
    step = Decimal(market["precision"]["amount"])
    least = Decimal(market["limits"]["amount"]["min"] or 0)
    money = Decimal(market["limits"]["cost"]["min"] or 0) / Decimal(request.price)
    wanted = max(Decimal(request.base_atoms).scaleb(-request.base_scale), least, money)
    return f"{(wanted / step).to_integral_value(ROUND_CEILING) * step:f}"


def highest(price: str, collar_bps: int, market: Mapping[str, Any]) -> str:
    """The price beyond which it does not buy, in the venue's steps."""
    step = Decimal(market["precision"]["price"])
    limit = Decimal(price) * (10_000 + collar_bps) / 10_000
    return f"{(limit / step).to_integral_value(ROUND_FLOOR) * step:f}"


def bought(request: Request, order: Mapping[str, Any], trades: Sequence[Mapping[str, Any]]) -> Bought:
    """What trades brought and cost, fees taken in either: what came is rounded down to atoms, what is owed up."""
    came, cost = (sum((Decimal(trade[part]) for trade in trades), Decimal()) for part in ("amount", "cost"))
    if came != Decimal(order["filled"]):
        raise Unknown(f"{request.batch_id}: its trades come to {came}, the order says {order['filled']}")
    fees: dict[str, Decimal] = defaultdict(Decimal)
    for fee in [fee for trade in trades for fee in trade["fees"] if fee["cost"] is not None]:
        fees[fee["currency"]] += Decimal(fee["cost"])
    came -= fees.pop(request.base, Decimal())
    cost += fees.pop(request.quote, Decimal())
    for asset, fee in fees.items():
        log.warning("%s: a fee of %s %s, which no book carries", request.batch_id, fee, asset)
    base_atoms = int(came.scaleb(request.base_scale).to_integral_value(ROUND_DOWN))
    charged = int(cost.scaleb(request.quote_scale).to_integral_value(ROUND_UP))
    return Bought(str(order["id"]), base_atoms, request.quote, charged)


def _venue(settings: Settings) -> Venue:
    venue = VENUES.get(settings.exchange)
    if venue is None:
        raise SettingsError(
            f"EXCHANGE is {settings.exchange!r}: write simulated, or a venue that can tell an order by our id and "
            f"refuses one that comes late: {', '.join(VENUES)}."
        )
    if not (settings.exchange_api_key and settings.exchange_secret_key):
        raise SettingsError(f"EXCHANGE is {settings.exchange}: give EXCHANGE_API_KEY and EXCHANGE_SECRET_KEY.")
    return venue


def _library() -> Any:
    """It is big and optional, so it is imported where it is used."""
    try:
        import ccxt.async_support
    except ModuleNotFoundError as error:
        if error.name != "ccxt":
            raise
        raise SettingsError(f"EXCHANGE needs the ccxt library, which is not installed: {INSTALL}") from error
    return ccxt.async_support


def _redirect(urls: dict[str, Any], to: str) -> None:
    """The same paths at another address."""
    urls["api"] = {name: to.rstrip("/") + urlsplit(url).path for name, url in urls["api"].items()}
