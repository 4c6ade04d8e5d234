"""The book: orders waiting by price, then by time. It knows nothing of money, rules or users' wishes.

Orders of one price and prices of one side are linked lists, so that the best price, the first order and the removal
of any order cost the same in a book of ten orders and of a million. Buy and sell are one code: a level's `key` is its
price times the side's direction, and the smaller key is always the better one.
"""

from collections.abc import Iterator
from typing import Final, Literal

from agents.matching.engine.ladder import Ladder


class Order:
    """An order that rests. `row` is its encoded form for the snapshot, empty when it has to be made."""

    __slots__ = ("ahead", "behind", "level", "lots", "order_id", "own", "row", "total", "user_id")

    order_id: int
    user_id: int
    lots: int
    total: int
    row: bytes
    level: "Level"
    ahead: "Order | None"
    behind: "Order | None"
    own: "dict[int, Order]"

    @property
    def price(self) -> int:
        return self.level.price

    @property
    def side(self) -> "Side":
        return self.level.side


class Level:
    """All orders at one price, oldest first, and the sum of their lots."""

    __slots__ = ("better", "first", "key", "last", "lots", "price", "side", "worse")

    def __init__(self, side: "Side", price: int) -> None:
        self.side = side
        self.price = price
        self.key = price * side.direction
        self.lots = 0
        self.first: Order | None = None
        self.last: Order | None = None
        self.better: Level | None = None
        self.worse: Level | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.behind


class Side:
    """Bids or asks: the levels, best first. `direction` is what makes one code of the two."""

    __slots__ = ("best", "direction", "ladder", "levels", "name")

    def __init__(self, name: Literal["buy", "sell"], direction: int) -> None:
        self.name: Final = name
        self.direction: Final = direction
        self.best: Level | None = None
        self.levels: dict[int, Level] = {}
        self.ladder = Ladder()

    def __iter__(self) -> Iterator[Level]:
        level = self.best
        while level is not None:
            yield level
            level = level.worse

    def open(self, price: int) -> Level:
        """A new, empty level in its place among the others."""
        level = Level(self, price)
        below = self.ladder.add(level.key)
        better = None if below is None else self.levels[below * self.direction]
        worse = self.best if better is None else better.worse
        level.better, level.worse = better, worse
        if better is None:
            self.best = level
        else:
            better.worse = level
        if worse is not None:
            worse.better = level
        self.levels[price] = level
        return level

    def close(self, level: Level) -> None:
        """Take an empty level out."""
        better, worse = level.better, level.worse
        if better is None:
            self.best = worse
        else:
            better.worse = worse
        if worse is not None:
            worse.better = better
        del self.levels[level.price]
        self.ladder.discard(level.key)


class Book:
    """Both sides, and every resting order by its id and by its user.

    `sides` has for the side of an order where it rests and what it meets.
    """

    __slots__ = ("asks", "bids", "by_user", "orders", "sides")

    def __init__(self) -> None:
        self.bids, self.asks = bids, asks = Side("buy", -1), Side("sell", 1)
        self.sides = {"buy": (bids, asks), "sell": (asks, bids)}
        self.orders: dict[int, Order] = {}
        self.by_user: dict[int, dict[int, Order]] = {}

    def rest(self, side: Side, price: int, order_id: int, user_id: int, lots: int, total: int) -> Order:
        """A new order behind all others of its price."""
        order = Order()  # filled here and not in a constructor: the call would cost a fifth of the whole
        order.order_id = order_id
        order.user_id = user_id
        order.lots = lots
        order.total = total
        order.row = b""
        order.level = level = side.levels.get(price) or side.open(price)
        order.ahead = last = level.last
        order.behind = None
        if last is None:
            level.first = order
        else:
            last.behind = order
        level.last = order
        level.lots += lots
        try:
            order.own = own = self.by_user[user_id]
        except KeyError:
            order.own = own = self.by_user[user_id] = {}
        self.orders[order_id] = own[order_id] = order
        return order

    def shrink(self, order: Order, lots: int) -> None:
        """Take some of an order's lots, but not all, where it stands."""
        assert 0 < lots < order.lots
        order.lots -= lots
        order.level.lots -= lots
        order.row = b""

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it stands, with the lots that it has."""
        level, ahead, behind = order.level, order.ahead, order.behind
        if ahead is None:
            level.first = behind
        else:
            ahead.behind = behind
        if behind is None:
            level.last = ahead
        else:
            behind.ahead = ahead
        level.lots -= order.lots
        if level.first is None:
            level.side.close(level)
        own, order_id = order.own, order.order_id
        del self.orders[order_id], own[order_id]
        if not own:
            del self.by_user[order.user_id]
