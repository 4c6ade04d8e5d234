"""Bugs planted one at a time, to see that the auditor is no ornament: each is a small change to the product.

Every seed passes without them; with one of them some seed must fail, and the violated invariant says what was noticed.
"""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from agents.matching.engine import leaving, snapshot
from agents.matching.engine.book import Book
from agents.matching.engine.window import Admission, Window
from agents.settlement import agent as settlement_agent
from ledger import batch_rules, hold_rules, settle_rules
from runtime.journal import sink
from runtime.journal.outlet import Acks
from runtime.journal.partition import Partition
from runtime.journal.watermark import Verdict
from tests.simulation.books import Books
from tests.simulation.desk import Line
from tests.simulation.door import Door
from tests.simulation.workers import Store

Plant = Callable[[], AbstractContextManager[Any]]


def _admit(window: Window, number: int) -> Admission:
    window.highest = max(window.highest, number)
    return Admission.NEW


def _forgetful(*arguments: Any) -> Window:
    return Window(arguments[0]) if arguments else Window()


_rest = Book.rest


def _rest_in_front(book: Book, *order_given: Any) -> Any:
    order: Any = _rest(book, *order_given)
    level, ahead = order.level, order.ahead
    if ahead is not None:
        ahead.behind, level.last = None, ahead
        order.ahead, order.behind = None, level.first
        level.first.ahead = level.first = order
    return order


_numbered = Partition._numbered


def _skip_a_number(partition: Any, stream: Any, track: Any, *more: Any) -> Any:
    track.seq += track.seq == 9
    return _numbered(partition, stream, track, *more)


_told = Partition._told


def _swallow(partition: Any, applied: Any) -> Any:
    """A parked record without an outcome."""
    return _told(partition, [one for one in applied if one[3] is not None])


async def _settle_afterwards(store: Store, run: Any) -> None:
    await store._attempt(lambda: _move_marks(store.books, run))
    store._announce(await store._attempt(lambda: store.books.apply(dataclasses.replace(run, before=run.after))))


def _move_marks(books: Books, run: Any) -> None:
    with books.transaction("marks"):
        books.move_marks(run)


_credit = settle_rules._Books.credit


def _credit_buyers(books: Any, user_id: int, asset: str, atoms: int) -> None:
    if asset == books.assets.base:
        _credit(books, user_id, asset, atoms)


def _forget_the_wallet(_books: Any, order: Any, atoms: int) -> None:
    order.held_remaining -= atoms


def _no_fence(_books: Books, _run: Any) -> None:
    """Lets another worker's run be applied again."""


_refund = batch_rules._refund


def _refund_half(*arguments: Any) -> Any:
    transfer = _refund(*arguments)
    return dataclasses.replace(transfer, legs=transfer.legs[2:])


async def _never_heard_of_it(_line: Any, _request: Any) -> None:
    """Asks nobody what became of a batch before it is sent again."""


async def _send_whenever(line: Any, request: Any) -> Any:
    return await _buy(line, request._replace(expires_ms=1 << 60))


_buy = Line.buy_from_exchange
_windows = settlement_agent.snapshot


def _without_window(state: Any, place: Any) -> bytes:
    return _windows(dataclasses.replace(state, window=None), place)


async def _at_once(*_: Any) -> bool:
    """Says that the command is decided, and has not even sent it."""
    return True


async def _never(*_: Any) -> None:
    """Does nothing."""


def _hold_nothing(books: Books, new: Any) -> Any:
    placed = _hold(books, new)
    books._move(new.user_id, new.hold_asset, available=new.hold_atoms)
    return placed


_hold = Books._hold
_place = Door.place


async def _new_key_each_time(door: Door, new: Any) -> Any:
    door.retries = getattr(door, "retries", 0) + 1
    return await _place(door, dataclasses.replace(new, key=f"{new.key}/{door.process.name}/{door.retries}"))


PLANTED: dict[str, tuple[Plant, str]] = {
    "dedupe off": (lambda: patch.object(Window, "admit", _admit), "I7 I12"),
    "dedupe forgotten by a snapshot": (lambda: patch.object(snapshot, "Window", _forgetful), "I7 I12"),
    "last in, first out": (lambda: patch.object(Book, "rest", _rest_in_front), "I11"),
    "cancel all in the order of the book": (lambda: patch.object(leaving, "sorted", list, create=True), "I11 I12"),
    "a skipped sequence": (lambda: patch.object(Partition, "_numbered", _skip_a_number), "I10"),
    "poison swallowed": (lambda: patch.object(Partition, "_told", _swallow), "I5"),
    "a manifest before its outputs": (lambda: patch.object(Acks, "settled", _never), "I5 I10"),
    "repeats settled again": (lambda: patch.object(sink, "judge", lambda *_: Verdict.NEW), "I9 I10 I14"),
    "the offset before the database": (lambda: patch.object(Store, "apply", _settle_afterwards), "I4 I8 I9 I15"),
    "two wallets at once, unfenced": (lambda: patch.object(Books, "_fence", _no_fence), "I4 I8 I9 I10 I14"),
    "one leg settled": (lambda: patch.object(settle_rules._Books, "credit", _credit_buyers), "I1 I3"),
    "hold not released": (lambda: patch.object(settle_rules._Books, "release", _forget_the_wallet), "I3 I4"),
    "hold not taken": (lambda: patch.object(Books, "_hold", _hold_nothing), "I1 I3"),
    "the same key twice": (lambda: patch.object(hold_rules, "_decide", lambda order, *_: order), "I2 I7 I14"),
    "the key not kept": (lambda: patch.object(Door, "place", _new_key_each_time), "I5 I7"),
    "the answer before the journal": (lambda: patch.object(Door, "_send", _at_once), "I5"),
    "a batch settled twice": (lambda: patch.object(batch_rules, "SETTLED", frozenset()), "I3 I9 I14 I15"),
    "a refund that keeps the crypto pending": (lambda: patch.object(batch_rules, "_refund", _refund_half), "I1 I3 I9"),
    "a batch sent again without a question": (lambda: patch.object(Line, "ask", _never_heard_of_it), "I15"),
    "a request that never expires": (lambda: patch.object(Line, "buy_from_exchange", _send_whenever), "I15"),
    "a window forgotten by a snapshot": (
        lambda: patch.object(settlement_agent, "snapshot", _without_window),
        "I12 I15",
    ),
    "nothing sent again": (lambda: patch.object(Door, "_relay", _never), "I14"),
}
"""What is planted, and the invariants of which one must be found violated first."""
