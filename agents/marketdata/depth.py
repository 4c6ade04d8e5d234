"""The aggregated book: how many lots wait at each price, best first. Orders are not known here, only their sums."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from schemas.commands import Side

Changed = tuple[Side, int]
"""A level: its side and price in ticks."""


class Impossible(Exception):  # noqa: N818  -- the broken family, by its name
    """The executions took more from a level than was there: they and this view are not of one history."""


class Ladder:
    """The levels of one side. Keys rise from the best price on: a bid's key is its price, negated."""

    __slots__ = ("_keys", "_lots", "_sign", "side")

    def __init__(self, side: Side, levels: Iterable[tuple[int, int]] = ()) -> None:
        self.side = side
        self._sign = -1 if side == "buy" else 1
        self._lots = dict(levels)
        self._keys = sorted(self._sign * price for price in self._lots)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Price and lots, best first."""
        for key in self._keys:
            price = self._sign * key
            yield price, self._lots[price]

    def __len__(self) -> int:
        return len(self._keys)

    def lots(self, price_ticks: int) -> int:
        return self._lots.get(price_ticks, 0)

    def best(self) -> int | None:
        return self._sign * self._keys[0] if self._keys else None

    def add(self, price_ticks: int, lots: int) -> None:
        before = self._lots.get(price_ticks)
        if before is None:
            insort(self._keys, self._sign * price_ticks)
            before = 0
        self._lots[price_ticks] = before + lots

    def take(self, price_ticks: int, lots: int) -> None:
        left = self._lots.get(price_ticks, 0) - lots
        if left < 0:
            raise Impossible(f"{lots} lots left the {self.side} side at {price_ticks} ticks, where {left + lots} were")
        if left:
            self._lots[price_ticks] = left
        else:
            del self._lots[price_ticks]
            del self._keys[bisect_left(self._keys, self._sign * price_ticks)]


class Depth:
    """Both sides, and which levels have changed since somebody asked."""

    __slots__ = ("asks", "bids", "changed")

    def __init__(self, bids: Iterable[tuple[int, int]] = (), asks: Iterable[tuple[int, int]] = ()) -> None:
        self.bids = Ladder("buy", bids)
        self.asks = Ladder("sell", asks)
        self.changed: set[Changed] = set()

    def add(self, side: Side, price_ticks: int, lots: int) -> None:
        (self.bids if side == "buy" else self.asks).add(price_ticks, lots)
        self.changed.add((side, price_ticks))

    def take(self, side: Side, price_ticks: int, lots: int) -> None:
        (self.bids if side == "buy" else self.asks).take(price_ticks, lots)
        self.changed.add((side, price_ticks))

    def changes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The levels that changed since the last call, bids and asks, best first, as they are now."""
        bids = sorted((price for side, price in self.changed if side == "buy"), reverse=True)
        asks = sorted(price for side, price in self.changed if side == "sell")
        self.changed.clear()
        return [(p, self.bids.lots(p)) for p in bids], [(p, self.asks.lots(p)) for p in asks]
