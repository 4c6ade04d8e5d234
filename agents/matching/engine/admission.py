"""What is refused before an order meets the book: one check after the other, in the order of `Reject`, the first wins.

The checks read and change nothing. A reject is never empty, so `or` is what joins them.
"""

from agents.matching.engine.order_types import POST_ONLY, OrderType
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


def refuse_order(
    terms: Terms, command: PlaceOrder, order_type: OrderType | None, reference_ticks: int | None
) -> Reject | None:
    """Why this order may not come near the book; None when it may."""
    return (
        _refuse_status(terms.status, may_only_rest=order_type is POST_ONLY)
        or _refuse_words(command, order_type)
        or _refuse_price(terms, command, reference_ticks)
        or _refuse_money(terms, command.side, command.price_ticks or 0, command.lots, command.quote_atoms, command.hold)
    )


def refuse_purchase(terms: Terms, command: BuyFromHouse, house_price_ticks: int | None) -> Reject | None:
    """Why the house does not sell to this order; None when it does."""
    if refused := _refuse_status(terms.status, may_only_rest=False):
        return refused
    if command.lots < 1:
        return Reject.INVALID_AMOUNT
    if house_price_ticks is None:
        return Reject.NO_PRICE
    if not 1 <= command.price_ticks <= MAX_PRICE_TICKS:
        return Reject.INVALID_PRICE
    if refused := _refuse_money(terms, "buy", command.price_ticks, command.lots, None, command.hold):
        return refused
    return Reject.PRICE_CHANGED if house_price_ticks > command.price_ticks else None


def refuse_removal(terms: Terms) -> Reject | None:
    """Why nothing may leave the book or shrink: only a halted market holds everything as it is."""
    return Reject.MARKET_HALTED if terms.status == "halted" else None


def _refuse_status(status: Status, *, may_only_rest: bool) -> Reject | None:
    if status == "open" or (may_only_rest and status == "post_only"):
        return None
    return CLOSED[status]


def _refuse_words(command: PlaceOrder, order_type: OrderType | None) -> Reject | None:
    lots, budget = command.lots, command.quote_atoms
    if order_type is None or (lots is None) == (budget is None):
        return Reject.INVALID_ORDER
    if budget is not None and (command.kind != "market" or command.side != "buy"):
        return Reject.INVALID_ORDER
    if (lots is not None and lots < 1) or (budget is not None and budget < 1):
        return Reject.INVALID_AMOUNT
    return None


def _refuse_price(terms: Terms, command: PlaceOrder, reference_ticks: int | None) -> Reject | None:
    price = command.price_ticks
    if price is None:
        return Reject.NO_PRICE if command.kind == "market" else Reject.INVALID_PRICE
    if not 1 <= price <= MAX_PRICE_TICKS:
        return Reject.INVALID_PRICE
    if terms.band_bps and command.kind == "limit":
        low, high = terms.band(reference_ticks)
        if not low <= price <= high:
            return Reject.OUTSIDE_BAND
    return None


def _refuse_money(
    terms: Terms, side: Side, price_ticks: int, lots: int | None, budget: int | None, hold: Hold
) -> Reject | None:
    if lots is None:
        value = needed = budget or 0
    else:
        value, base = terms.quote_atoms(price_ticks, lots), terms.base_atoms(lots)
        if base > MAX_ATOMS:
            return Reject.TOO_LARGE
        needed = value if side == "buy" else base
    if value > MAX_ATOMS:
        return Reject.TOO_LARGE
    if hold.atoms != needed or hold.asset != terms.hold_asset(side):
        return Reject.HOLD_MISMATCH
    return Reject.BELOW_MIN_NOTIONAL if value < terms.min_notional_atoms else None
