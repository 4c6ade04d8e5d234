"""The order types, one row each: may it enter this book now, and what becomes of the part that did not trade.

A new type is a story, a name and a row. Whoever may not enter leaves the book as it was.
"""

import dataclasses
from collections.abc import Callable

from agents.matching.engine.book import Book
from agents.matching.engine.taking import Taker, can_fill
from schemas.commands import Kind, TimeInForce
from schemas.executions import Expiry, Reject


def only_as_maker(_book: Book, taker: Taker | None) -> Reject | None:
    """Post-only: whoever owns the orders within its reach."""
    return None if taker is None else Reject.WOULD_TAKE


def only_whole(book: Book, taker: Taker | None) -> Expiry | None:
    """Fill-or-kill: decided by a dry pass under the same rules."""
    return None if taker is not None and can_fill(book, taker) else Expiry.WOULD_NOT_FILL


@dataclasses.dataclass(frozen=True, slots=True)
class OrderType:
    """One row. The taker is None when nothing is within its reach; a type that asks nothing enters in any case."""

    name: str
    may_enter: Callable[[Book, Taker | None], Reject | Expiry | None] | None
    rests: bool


ALWAYS = None
RESTS, EXPIRES = True, False

LIMIT = OrderType("limit", ALWAYS, RESTS)
POST_ONLY = OrderType("post_only", only_as_maker, RESTS)
IMMEDIATE_OR_CANCEL = OrderType("immediate_or_cancel", ALWAYS, EXPIRES)
FILL_OR_KILL = OrderType("fill_or_kill", only_whole, EXPIRES)
MARKET = OrderType("market", ALWAYS, EXPIRES)
MARKET_FILL_OR_KILL = OrderType("market_fill_or_kill", only_whole, EXPIRES)

# What an order's words name, and what they name when it is post-only; words that contradict each other name nothing.
ORDER_TYPES: dict[Kind, dict[TimeInForce, tuple[OrderType | None, OrderType | None]]] = {
    "limit": {
        "gtc": (LIMIT, POST_ONLY),
        "ioc": (IMMEDIATE_OR_CANCEL, None),
        "fok": (FILL_OR_KILL, None),
    },
    "market": {
        "gtc": (MARKET, None),  # what a client means that names no time in force: it never rests
        "ioc": (MARKET, None),
        "fok": (MARKET_FILL_OR_KILL, None),
    },
}
