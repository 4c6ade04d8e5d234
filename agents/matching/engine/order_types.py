"""The order types, one row each: may it enter this book now, and what becomes of the part that did not trade.

A new type is a story, a name and a row. Whoever may not enter leaves the book as it was.
"""

import enum
from collections.abc import Callable
from typing import NamedTuple

from agents.matching.engine.book import Book
from agents.matching.engine.taking import Taker, can_fill
from schemas.commands import Kind, PlaceOrder, TimeInForce
from schemas.executions import Expiry, Reject


class Remainder(enum.Enum):
    """What becomes of the part that did not trade."""

    RESTS = "rests"
    EXPIRES = "expires"


def always(_book: Book, _taker: Taker) -> None:
    """Anybody may come."""


def only_as_maker(_book: Book, taker: Taker) -> Reject | None:
    """Post-only: decided against the best opposite price, whoever owns it."""
    return Reject.WOULD_TAKE if taker.crosses else None


def only_whole(book: Book, taker: Taker) -> Expiry | None:
    """Fill-or-kill: decided by a dry pass under the same rules."""
    return None if can_fill(book, taker) else Expiry.WOULD_NOT_FILL


class OrderType(NamedTuple):
    """One row."""

    name: str
    may_enter: Callable[[Book, Taker], Reject | Expiry | None]
    remainder: Remainder


LIMIT = OrderType("limit", always, Remainder.RESTS)
POST_ONLY = OrderType("post_only", only_as_maker, Remainder.RESTS)
IMMEDIATE_OR_CANCEL = OrderType("immediate_or_cancel", always, Remainder.EXPIRES)
FILL_OR_KILL = OrderType("fill_or_kill", only_whole, Remainder.EXPIRES)
MARKET = OrderType("market", always, Remainder.EXPIRES)
MARKET_FILL_OR_KILL = OrderType("market_fill_or_kill", only_whole, Remainder.EXPIRES)

_TYPES: dict[tuple[Kind, TimeInForce, bool], OrderType] = {
    ("limit", "gtc", False): LIMIT,
    ("limit", "gtc", True): POST_ONLY,
    ("limit", "ioc", False): IMMEDIATE_OR_CANCEL,
    ("limit", "fok", False): FILL_OR_KILL,
    ("market", "gtc", False): MARKET,  # what a client means that names no time in force: it never rests
    ("market", "ioc", False): MARKET,
    ("market", "fok", False): MARKET_FILL_OR_KILL,
}


def order_type(command: PlaceOrder) -> OrderType | None:
    """The row that an order's words name; None when they contradict each other."""
    return _TYPES.get((command.kind, command.time_in_force, command.post_only))
