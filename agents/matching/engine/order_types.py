"""The order types, one row each: may it enter this book now, and what becomes of the part that did not trade.

A new type is a story, a name and a row. Whoever may not enter leaves the book as it was.
"""

import dataclasses
from collections.abc import Callable

from agents.matching.engine.book import Book
from agents.matching.engine.taking import Taker, can_fill
from schemas.commands import Kind, TimeInForce
from schemas.executions import Expiry, Reject


def always(_book: Book, _taker: Taker | None) -> None:
    """Anybody may come."""


def only_as_maker(_book: Book, taker: Taker | None) -> Reject | None:
    """Post-only: whoever owns the orders within its reach."""
    return None if taker is None else Reject.WOULD_TAKE


def only_whole(book: Book, taker: Taker | None) -> Expiry | None:
    """Fill-or-kill: decided by a dry pass under the same rules."""
    return None if taker is not None and can_fill(book, taker) else Expiry.WOULD_NOT_FILL


@dataclasses.dataclass(frozen=True, slots=True)
class OrderType:
    """One row. The taker is None when nothing is within its reach."""

    name: str
    may_enter: Callable[[Book, Taker | None], Reject | Expiry | None]
    rests: bool


RESTS, EXPIRES = True, False

LIMIT = OrderType("limit", always, RESTS)
POST_ONLY = OrderType("post_only", only_as_maker, RESTS)
IMMEDIATE_OR_CANCEL = OrderType("immediate_or_cancel", always, EXPIRES)
FILL_OR_KILL = OrderType("fill_or_kill", only_whole, EXPIRES)
MARKET = OrderType("market", always, EXPIRES)
MARKET_FILL_OR_KILL = OrderType("market_fill_or_kill", only_whole, EXPIRES)

# What an order's words name; words that contradict each other name nothing.
ORDER_TYPES: dict[tuple[Kind, TimeInForce, bool], OrderType] = {
    ("limit", "gtc", False): LIMIT,
    ("limit", "gtc", True): POST_ONLY,
    ("limit", "ioc", False): IMMEDIATE_OR_CANCEL,
    ("limit", "fok", False): FILL_OR_KILL,
    ("market", "gtc", False): MARKET,  # what a client means that names no time in force: it never rests
    ("market", "ioc", False): MARKET,
    ("market", "fok", False): MARKET_FILL_OR_KILL,
}
