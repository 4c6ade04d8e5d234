"""The book: orders waiting by price, then by time. It knows nothing of money, rules or users' wishes.

Orders of one price and prices of one side are linked lists, so that the best price, the first order and the removal
of any order cost the same in a book of ten orders and of a million. Buy and sell are one code: a level's `key` is its
price times the side's direction, and the smaller key is always the better one.
"""

from collections.abc import Iterator
from typing import Final, Literal

from agents.matching.engine.ladder import Ladder


class Order:
    """An order that rests, or is about to. `row` is its encoded form for the snapshot, empty when it has to be made."""

    __slots__ = ("ahead", "behind", "level", "lots", "order_id", "price", "row", "side", "total", "user_id")

    level: "Level"
    ahead: "Order | None"
    behind: "Order | None"

    def __init__(self, order_id: int, user_id: int, side: "Side", price: int, lots: int, total: int) -> None:
        self.order_id = order_id
        self.user_id = user_id
        self.side = side
        self.price = price
        self.lots = lots
        self.total = total
        self.row = b""


class Level:
    """All orders at one price, oldest first, and the sum of their lots."""

    __slots__ = ("better", "first", "key", "last", "lots", "price", "worse")

    def __init__(self, price: int, key: int) -> None:
        self.price = price
        self.key = key
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
        level = Level(price, price * self.direction)
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
    """Both sides, and every resting order by its id and by its user."""

    __slots__ = ("asks", "bids", "by_user", "orders")

    def __init__(self) -> None:
        self.bids = Side("buy", -1)
        self.asks = Side("sell", 1)
        self.orders: dict[int, Order] = {}
        self.by_user: dict[int, dict[int, Order]] = {}

    def rest(self, order: Order) -> None:
        """Put an order behind all others of its price."""
        level = order.side.levels.get(order.price) or order.side.open(order.price)
        last = level.last
        order.level, order.ahead, order.behind = level, last, None
        if last is None:
            level.first = order
        else:
            last.behind = order
        level.last = order
        level.lots += order.lots
        self.orders[order.order_id] = order
        own = self.by_user.get(order.user_id)
        if own is None:
            self.by_user[order.user_id] = {order.order_id: order}
        else:
            own[order.order_id] = order

    def shrink(self, order: Order, lots: int) -> None:
        """Take lots from an order where it stands; one that has none left leaves."""
        order.lots -= lots
        order.level.lots -= lots
        order.row = b""
        if not order.lots:
            self.remove(order)

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it stands."""
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
            order.side.close(level)
        del self.orders[order.order_id]
        own = self.by_user[order.user_id]
        del own[order.order_id]
        if not own:
            del self.by_user[order.user_id]
