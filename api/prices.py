"""What a market's price is, as far as the door knows; remembered for a quarter of a second per market.

The best prices come from the view in Redis, which may be missing; the last trade from the books.
"""

import time
from collections.abc import Awaitable, Callable

import msgspec

from api.admission import Reference
from api.catalogue import Listed
from schemas import money

OLD_S = 0.25
ReadBook = Callable[[str], Awaitable[bytes | None]]
ReadLast = Callable[[str], Awaitable[int | None]]


class Sides(msgspec.Struct):
    """The part of the book's view that matters here: price and amount, best first."""

    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


_decoder = msgspec.json.Decoder(Sides)


class Prices:
    """Asks for a market's price when an order needs it."""

    def __init__(self, read_book: ReadBook, read_last: ReadLast, clock: Callable[[], float] = time.monotonic) -> None:
        self._read_book = read_book
        self._read_last = read_last
        self._clock = clock
        self._known: dict[str, tuple[float, Reference]] = {}

    async def reference(self, listed: Listed) -> Reference:
        symbol = listed.market.symbol
        known = self._known.get(symbol)
        if known is not None and self._clock() - known[0] < OLD_S:
            return known[1]
        asked_at = self._clock()
        bid, ask = best(await self._read_book(symbol), listed.units)
        last = await self._read_last(symbol)
        found = Reference(bid, ask, last, listed.market.house_price_ticks)
        self._known[symbol] = (asked_at, found)
        return found


def best(view: bytes | None, units: money.MarketUnits) -> tuple[int | None, int | None]:
    """The best bid and ask of a view; a view that cannot be read is as good as none."""
    if view is None:
        return None, None
    try:
        sides = _decoder.decode(view)
        bid = units.ticks(sides.bids[0][0]) if sides.bids else None
        ask = units.ticks(sides.asks[0][0]) if sides.asks else None
    except (msgspec.DecodeError, money.MoneyError):
        return None, None
    return bid, ask
