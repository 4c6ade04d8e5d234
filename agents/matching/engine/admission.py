"""What is refused before an order meets the book: one check after the other, in the order of `Reject`, the first wins.

The checks read the market and change nothing.
"""

from agents.matching.engine.order_types import POST_ONLY, OrderType
from agents.matching.engine.state import State
from agents.matching.engine.terms import MAX_ATOMS, MAX_PRICE_TICKS, Terms
from schemas.commands import BuyFromHouse, CancelOrder, Hold, Numbered, PlaceOrder, ReduceOrder, Side, Status
from schemas.executions import Declined, Reject, Rejected

CLOSED: dict[Status, Reject] = {
    "halted": Reject.MARKET_HALTED,
    "cancel_only": Reject.MARKET_CANCEL_ONLY,
    "post_only": Reject.MARKET_POST_ONLY,
}


def refused(command: Numbered, reason: Reject) -> Rejected | Declined:
    """The answer to a command that is refused: an order's hold goes back, any other leaves everything as it is."""
    match command:
        case PlaceOrder() | BuyFromHouse():
            return Rejected(command.order_id, command.user_id, command.hold.atoms, reason)
        case CancelOrder() | ReduceOrder():
            return Declined(command.command_id, command.order_id, reason)
        case _:
            return Declined(command.command_id, None, reason)


def refuse_order(state: State, command: PlaceOrder, order_type: OrderType | None) -> Reject | None:
    """Why this order may not come near the book; None when it may."""
    terms, lots, price = state.terms, command.lots, command.price_ticks
    if command.order_id in state.book.orders:
        return Reject.DUPLICATE_ORDER
    if terms.status != "open" and not (terms.status == "post_only" and order_type is POST_ONLY):
        return CLOSED[terms.status]
    if order_type is None:
        return Reject.INVALID_ORDER
    if lots is None or command.quote_atoms is not None:
        return _refuse_sum(state, command)
    if lots < 1:
        return Reject.INVALID_AMOUNT
    if price is None or not state.band_low <= price <= state.band_high:
        reason = _refuse_price(command)
        if reason is not None:
            return reason
        assert price is not None
    value, base = price * lots * terms.tick_lot_quote_atoms, lots * terms.lot_base_atoms
    return _refuse_money(terms, command.side, value, base, command.hold)


def _refuse_sum(state: State, command: PlaceOrder) -> Reject | None:
    """Only a market buy may be by a sum of money, and then it names no lots."""
    budget = command.quote_atoms
    if budget is None or command.lots is not None or command.kind != "market" or command.side != "buy":
        return Reject.INVALID_ORDER
    if budget < 1:
        return Reject.INVALID_AMOUNT
    return _refuse_price(command) or _refuse_money(state.terms, "buy", budget, 0, command.hold)


def _refuse_price(command: PlaceOrder) -> Reject | None:
    """A limit price that is not within the band is refused; a protective one, when nothing can cost that."""
    price = command.price_ticks
    if price is None:
        return Reject.NO_PRICE if command.kind == "market" else Reject.INVALID_PRICE
    if not 1 <= price <= MAX_PRICE_TICKS:
        return Reject.INVALID_PRICE
    return Reject.OUTSIDE_BAND if command.kind == "limit" else None


def refuse_purchase(state: State, command: BuyFromHouse) -> Reject | None:
    """Why the house does not sell to this order; None when it does."""
    terms, price = state.terms, command.price_ticks
    if terms.status != "open":
        return CLOSED[terms.status]
    if command.lots < 1:
        return Reject.INVALID_AMOUNT
    if state.house_price_ticks is None:
        return Reject.NO_PRICE
    if not 1 <= price <= MAX_PRICE_TICKS:
        return Reject.INVALID_PRICE
    value, base = terms.quote_atoms(price, command.lots), terms.base_atoms(command.lots)
    if reason := _refuse_money(terms, "buy", value, base, command.hold):
        return reason
    return Reject.PRICE_CHANGED if state.house_price_ticks > price else None


def _refuse_money(terms: Terms, side: Side, value: int, base: int, hold: Hold) -> Reject | None:
    if value > MAX_ATOMS or base > MAX_ATOMS:
        return Reject.TOO_LARGE
    needed, asset = (value, terms.quote) if side == "buy" else (base, terms.base)
    if hold.atoms != needed or hold.asset != asset:
        return Reject.HOLD_MISMATCH
    return Reject.BELOW_MIN_NOTIONAL if value < terms.min_notional_atoms else None
