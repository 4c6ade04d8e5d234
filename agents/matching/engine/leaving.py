"""Orders leave the book, or shrink in it, because their user says so. Whose order it is not finds no such order.

Only a halted market holds everything as it is.
"""

from agents.matching.engine.admission import refused
from agents.matching.engine.book import Order
from agents.matching.engine.state import State
from schemas.commands import CancelAll, CancelOrder, ReduceOrder
from schemas.executions import AllCanceled, Canceled, Event, Reduced, Reject


def cancel(state: State, command: CancelOrder) -> list[Event]:
    """One order out of the book."""
    if state.terms.status == "halted":
        return [refused(command, Reject.MARKET_HALTED)]
    order = _own(state, command.order_id, command.user_id)
    if order is None:
        return [refused(command, Reject.UNKNOWN_ORDER)]
    return [_canceled(state, order)]


def cancel_all(state: State, command: CancelAll) -> list[Event]:
    """All orders of a user, by rising id, so that the outcome does not depend on how the book came about."""
    if state.terms.status == "halted":
        return [refused(command, Reject.MARKET_HALTED)]
    own = state.book.by_user.get(command.user_id, {})
    events: list[Event] = [_canceled(state, own[order_id]) for order_id in sorted(own)]
    events.append(AllCanceled(command.user_id, len(events)))
    return events


def reduce(state: State, command: ReduceOrder) -> list[Event]:
    """A smaller order in the same place of the queue."""
    if state.terms.status == "halted":
        return [refused(command, Reject.MARKET_HALTED)]
    order = _own(state, command.order_id, command.user_id)
    if order is None:
        return [refused(command, Reject.UNKNOWN_ORDER)]
    if command.lots <= order.total - order.lots:
        return [refused(command, Reject.NOT_ABOVE_FILLED)]
    cut = order.total - command.lots
    if cut <= 0:
        return [refused(command, Reject.NOT_SMALLER)]
    order.total = command.lots
    state.book.shrink(order, cut)
    side, price = order.side.name, order.price
    released = state.terms.hold_atoms(side, price, cut)
    return [Reduced(order.order_id, order.user_id, side, price, cut, order.lots, order.total, released)]


def _own(state: State, order_id: int, user_id: int) -> Order | None:
    order = state.book.orders.get(order_id)
    return order if order is not None and order.user_id == user_id else None


def _canceled(state: State, order: Order) -> Canceled:
    state.book.remove(order)
    side, price, lots = order.level.side.name, order.level.price, order.lots
    released = state.terms.hold_atoms(side, price, lots)
    return Canceled(order.order_id, order.user_id, side, price, lots, released)
