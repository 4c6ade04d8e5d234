"""Currencies and markets as this instance knows them: one query serves all calls that ask while it runs.

Rules at the door may look at what is half a second old, since the engine decides by the journal anyway; a client who
reads a market gets what was committed when he asked.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

from ledger.accounts import HOME_CURRENCY
from ledger.reads import Currency, Market
from schemas import money
from schemas.errors import UNKNOWN_ASSET, UNKNOWN_MARKET, Refusal

OLD_S = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A market with its units."""

    market: Market
    units: money.MarketUnits


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """Everything that is listed, as of one moment."""

    currencies: Mapping[str, Currency]
    markets: Mapping[str, Listed]

    def currency(self, code: str, field: str) -> Currency:
        found = self.currencies.get(code)
        if found is None:
            raise Refusal(UNKNOWN_ASSET, f"{field} is {code}, and there is no such currency.", field)
        return found

    def market(self, symbol: str, field: str) -> Listed:
        """A market that the journal has opened, whatever its status is now."""
        found = self.markets.get(symbol)
        if found is None or not is_opened(found.market):
            raise Refusal(UNKNOWN_MARKET, f"{field} is {symbol}, and there is no such market.", field)
        return found

    def sold_in(self, code: str, field: str) -> Listed:
        """The market in which the house sells this currency, or will when it has a price."""
        for found in self.markets.values():
            if found.market.base == code and found.market.is_house and is_opened(found.market):
                return found
        raise Refusal(UNKNOWN_ASSET, f"{field} is {code}, which has no house market.", field)

    def house_market(self, code: str, field: str) -> Listed:
        """The market in which the house sells this currency, at a price."""
        found = self.sold_in(code, field)
        if found.market.house_price_ticks is None:
            raise Refusal(UNKNOWN_ASSET, f"{field} is {code}, which the house does not sell now.", field)
        return found

    def amount(self, code: str, atoms: int) -> str:
        """Money with two decimals at least, other assets with as many as they need."""
        scale = self.currencies[code].scale
        return money.money_text(atoms, scale) if code == HOME_CURRENCY else money.quantity_text(atoms, scale)


Lists = tuple[list[Currency], list[Market]]
Fetch = Callable[[], Awaitable[Lists]]


class Catalogue:
    """At most one query runs and one waits, whatever the load."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: Listing | None = None
        self._lists: Lists | None = None
        self._as_of = float("-inf")
        self._running: asyncio.Task[Listing] | None = None
        self._following: asyncio.Task[Listing] | None = None

    async def recent(self) -> Listing:
        """What was true half a second ago at most."""
        if self._known is not None and self._clock() - self._as_of < OLD_S:
            return self._known
        return await asyncio.shield(self._running or self._start())

    async def fresh(self) -> Listing:
        """What is committed now: a query that began before this call does not count."""
        if self._running is None:
            return await asyncio.shield(self._start())
        if self._following is None:
            self._following = asyncio.create_task(self._after(self._running))
        return await asyncio.shield(self._following)

    async def with_currency(self, code: str) -> Listing:
        """One that has this currency, if there is one: a currency is never changed, so only a new one is asked for."""
        recent = await self.recent()
        return recent if code in recent.currencies else await self.fresh()

    async def with_market(self, symbol: str) -> Listing:
        """One in which this market is open, if it is anywhere: a market just opened is found at once."""
        recent = await self.recent()
        known = recent.markets.get(symbol)
        return recent if known is not None and known.market.status == "open" else await self.fresh()

    def _start(self) -> asyncio.Task[Listing]:
        self._running = asyncio.create_task(self._read())
        return self._running

    async def _after(self, running: asyncio.Task[Listing]) -> Listing:
        await asyncio.wait([running])
        self._following = None
        return await (self._running or self._start())

    async def _read(self) -> Listing:
        began = self._clock()
        try:
            lists = await self._fetch()
        finally:
            self._running = None
        if self._known is None or lists is not self._lists:
            self._known, self._lists = _listing(*lists), lists
        self._as_of = began
        return self._known


def _listing(currencies: Iterable[Currency], markets: Iterable[Market]) -> Listing:
    return Listing(
        {currency.code: currency for currency in currencies},
        {market.symbol: Listed(market, _units(market)) for market in markets},
    )


def is_opened(market: Market) -> bool:
    return market.status not in ("opening", "rejected")


def _units(market: Market) -> money.MarketUnits:
    return money.market_units(market.tick_size, market.lot_size, market.base_scale, market.quote_scale)
