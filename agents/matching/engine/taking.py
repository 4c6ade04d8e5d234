"""Meeting the book: which makers a taker gets, in price-time order, and where the self-trade rule stops it.

`take` does it, `can_fill` only asks, under the same rules. A test compares the two on every stream.
"""

import itertools

from agents.matching.engine.book import Book, Level, Order, Side
from schemas.commands import SelfTrade

# A maker and the lots it gave; no lots: the self-trade rule took it out.
Match = tuple[Order, int]


class Taker:
    """Who comes, against which side, and how far. `lots` are still wanted; 0 means that it has all it can have.

    With a `budget` (in ticks times lots) the order is for a sum of money: it wants as many lots as the rest of the
    budget buys at the price it meets.
    """

    __slots__ = ("against", "budget", "lots", "reach", "self_trade", "stopped", "user_id")

    def __init__(
        self, user_id: int, against: Side, price: int, lots: int, budget: int | None, self_trade: SelfTrade
    ) -> None:
        self.user_id = user_id
        self.against = against
        self.reach = price * against.direction
        self.lots = lots
        self.budget = budget
        self.self_trade = self_trade
        self.stopped = False


def take(book: Book, taker: Taker) -> list[Match]:
    """Trade until the taker has enough, nothing is left within its reach, or it meets an own order that stops it."""
    matches: list[Match] = []
    against, reach, user_id = taker.against, taker.reach, taker.user_id
    budget, wanted = taker.budget, taker.lots
    while (level := against.best) is not None and level.key <= reach:
        if budget is not None:
            wanted = budget // level.price
        if not wanted:
            break
        maker = level.first
        assert maker is not None
        if maker.user_id == user_id:
            if taker.self_trade != "expire_taker":
                book.remove(maker)
                matches.append((maker, 0))
            if taker.self_trade != "expire_maker":
                taker.stopped = True
                break
            continue
        lots = maker.lots
        if lots > wanted:
            lots = wanted
            book.shrink(maker, lots)
        else:
            book.remove(maker)
            maker.lots = 0
        matches.append((maker, lots))
        wanted -= lots
        if budget is not None:
            budget -= lots * level.price
    taker.lots, taker.budget = wanted, budget
    return matches


def can_fill(book: Book, taker: Taker) -> bool:
    """Whether `take` would give all that is wanted. A level counts as a whole, unless own orders stand in it."""
    own_lots = _own_lots(book, taker)
    budget, wanted = taker.budget, taker.lots
    for level in taker.against:
        if level.key > taker.reach:
            break
        if budget is not None:
            wanted = budget // level.price
        if not wanted:
            break
        stops = level in own_lots and taker.self_trade != "expire_maker"
        offered = _lots_ahead(level, taker.user_id) if stops else level.lots - own_lots.get(level, 0)
        lots = min(offered, wanted)
        wanted -= lots
        if stops:
            break
        if budget is not None:
            budget -= lots * level.price
    return not wanted


def _own_lots(book: Book, taker: Taker) -> dict[Level, int]:
    """How much of each opposite level is the taker's own."""
    own_lots: dict[Level, int] = {}
    for order in book.by_user.get(taker.user_id, {}).values():
        if order.level.side is taker.against:
            own_lots[order.level] = own_lots.get(order.level, 0) + order.lots
    return own_lots


def _lots_ahead(level: Level, user_id: int) -> int:
    """What stands before this user's first order at a price."""
    return sum(order.lots for order in itertools.takewhile(lambda order: order.user_id != user_id, level))
