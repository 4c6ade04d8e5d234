"""An order comes: it is refused, or may not enter, or trades; and then, what becomes of the rest of it.

Money is decided here: who gets what, less which fee, and what of a hold goes back.
"""

from agents.matching.engine.admission import refuse_order, refused
from agents.matching.engine.book import Level, Order, Side
from agents.matching.engine.order_types import ORDER_TYPES
from agents.matching.engine.state import State
from agents.matching.engine.taking import Match, Taker, take
from agents.matching.engine.terms import WHOLE_BPS
from schemas.commands import PlaceOrder
from schemas.executions import Event, Expired, Expiry, Filled, Reject, Rested, Traded


def place(state: State, command: PlaceOrder) -> list[Event]:
    """Everything that follows from one order."""
    order_type = ORDER_TYPES[command.kind][command.time_in_force][command.post_only]
    reason = refuse_order(state, command, order_type)
    if reason is not None:
        return [refused(command, reason)]
    price = command.price_ticks
    assert order_type is not None
    assert price is not None
    side, against = state.book.sides[command.side]
    best = against.best
    taker = None if best is None or best.key > price * against.direction else _taker(state, command, best)
    if order_type.may_enter is not None:
        barred = order_type.may_enter(state.book, taker)
        if barred is not None:
            return [_barred(command, barred)]
    if taker is None:
        if order_type.rests:
            return [_rest(state, command, side, price, taker)]
        return [_expired_whole(command, Expiry.UNFILLED)]
    events: list[Event] = []
    _trade(state, command, take(state.book, taker), events)
    if taker.stopped:
        events.append(_expired_rest(state, command, taker, Expiry.SELF_TRADE))
    elif not taker.lots:
        _satisfy(state, command, taker, events)
    elif order_type.rests:
        events.append(_rest(state, command, side, price, taker))
    else:
        events.append(_expired_rest(state, command, taker, Expiry.UNFILLED))
    return events


def _taker(state: State, command: PlaceOrder, best: Level) -> Taker | None:
    """The order as the book meets it; None when no opposite price, whoever owns it, is within its reach."""
    price, against = command.price_ticks, best.side
    assert price is not None
    if command.kind == "market":  # its price is a protection, no wish: the band does not refuse but narrow it
        price = min(price, state.band_high) if command.side == "buy" else max(price, state.band_low)
        if best.key > price * against.direction:
            return None
    if command.lots is not None:
        return Taker(command.user_id, against, price, command.lots, None, command.self_trade)
    assert command.quote_atoms is not None
    budget = command.quote_atoms // state.terms.tick_lot_quote_atoms
    return Taker(command.user_id, against, price, budget // best.price, budget, command.self_trade)


def _trade(state: State, command: PlaceOrder, matches: list[Match], events: list[Event]) -> None:
    """One event for each maker met, in order."""
    terms, buys = state.terms, command.side == "buy"
    base_each, quote_each = terms.lot_base_atoms, terms.tick_lot_quote_atoms
    improves = buys and command.quote_atoms is None
    limit, left, trade_seq = command.price_ticks or 0, command.lots, state.trade_seq
    for maker, lots in matches:
        if not lots:
            events.append(_expired_maker(state, maker))
            continue
        price = maker.level.price
        base, quote = lots * base_each, lots * price * quote_each
        taker_gets, maker_gets = (base, quote) if buys else (quote, base)
        if left is not None:
            left -= lots
        trade_seq += 1
        state.last_price_ticks = price
        events.append(
            Traded(
                trade_seq=trade_seq,
                price_ticks=price,
                lots=lots,
                base_atoms=base,
                quote_atoms=quote,
                taker_side=command.side,
                maker_order_id=maker.order_id,
                maker_user_id=maker.user_id,
                maker_fee_atoms=maker_gets * terms.maker_fee_bps // WHOLE_BPS,
                maker_left_lots=maker.lots,
                taker_order_id=command.order_id,
                taker_user_id=command.user_id,
                taker_fee_atoms=taker_gets * terms.taker_fee_bps // WHOLE_BPS,
                taker_left_lots=left,
                taker_released_atoms=(limit - price) * lots * quote_each if improves else 0,
            )
        )
    state.trade_seq = trade_seq
    state.measure_band()


def _rest(state: State, command: PlaceOrder, side: Side, price: int, taker: Taker | None) -> Rested:
    """Into the book, with what did not trade."""
    order_id, user_id, total = command.order_id, command.user_id, command.lots
    assert total is not None
    lots = total if taker is None else taker.lots
    state.book.rest(side, price, order_id, user_id, lots, total)
    return Rested(order_id, user_id, command.side, price, lots)


def _satisfy(state: State, command: PlaceOrder, taker: Taker, events: list[Event]) -> None:
    """The taker has all that it can have. By lots its last trade said so; by a sum of money, this does."""
    if command.quote_atoms is None:
        return
    if any(isinstance(event, Traded) for event in events):
        events.append(Filled(command.order_id, command.user_id, _unspent(state, command, taker)))
    else:
        events.append(_expired_rest(state, command, taker, Expiry.BELOW_ONE_LOT))


def _expired_whole(command: PlaceOrder, reason: Expiry) -> Expired:
    """It ends as it came."""
    return _expired(command, command.lots, command.hold.atoms, reason)


def _expired_rest(state: State, command: PlaceOrder, taker: Taker, reason: Expiry) -> Expired:
    """It ends with what did not trade."""
    if taker.budget is not None:
        return _expired(command, None, _unspent(state, command, taker), reason)
    released = state.terms.hold_atoms(command.side, command.price_ticks or 0, taker.lots)
    return _expired(command, taker.lots, released, reason)


def _expired(command: PlaceOrder, lots: int | None, released: int, reason: Expiry) -> Expired:
    price = command.price_ticks
    assert price is not None
    return Expired(command.order_id, command.user_id, command.side, price, lots, released, reason, was_resting=False)


def _unspent(state: State, command: PlaceOrder, taker: Taker) -> int:
    """What is left of the sum, with the crumbs that are less than a tick times a lot."""
    each = state.terms.tick_lot_quote_atoms
    assert command.quote_atoms is not None
    assert taker.budget is not None
    return taker.budget * each + command.quote_atoms % each


def _expired_maker(state: State, maker: Order) -> Expired:
    side = maker.side.name
    released = state.terms.hold_atoms(side, maker.price, maker.lots)
    return Expired(
        maker.order_id, maker.user_id, side, maker.price, maker.lots, released, Expiry.SELF_TRADE, was_resting=True
    )


def _barred(command: PlaceOrder, reason: Reject | Expiry) -> Event:
    """The type does not let it in. Its whole hold goes back."""
    if isinstance(reason, Reject):
        return refused(command, reason)
    return _expired_whole(command, reason)
