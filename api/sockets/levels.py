"""A book as a client of the deltas has it: the levels by price, kept in order, and the proof that they are right."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice

from schemas.checksum import LEVELS, checksum
from schemas.views import Level


class Side:
    """One side, best first. Prices are known by their text; their order is the numbers'."""

    __slots__ = ("_amounts", "_prices", "_sign")

    def __init__(self, levels: Iterable[Level], sign: int) -> None:
        self._sign = sign
        self._amounts = {sign * Decimal(price): (price, amount) for price, amount in levels}
        self._prices = sorted(self._amounts)

    def __iter__(self) -> Iterator[Level]:
        return map(self._amounts.__getitem__, self._prices)

    def put(self, price: str, amount: str) -> None:
        key = self._sign * Decimal(price)
        if amount == "0":
            if self._amounts.pop(key, None) is not None:
                del self._prices[bisect_left(self._prices, key)]
            return
        if key not in self._amounts:
            insort(self._prices, key)
        self._amounts[key] = (price, amount)


class Levels:
    """Both sides."""

    __slots__ = ("asks", "bids")

    def __init__(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.bids = Side(bids, -1)
        self.asks = Side(asks, 1)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Amounts as they are now; "0" takes a level away."""
        for price, amount in bids:
            self.bids.put(price, amount)
        for price, amount in asks:
            self.asks.put(price, amount)

    def checksum(self) -> int:
        return checksum(islice(self.bids, LEVELS), islice(self.asks, LEVELS))
