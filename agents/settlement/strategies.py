"""Small or large: one function of the total chooses how a purchase reaches the outside exchange.

A large one is a batch of its own. A small one joins the window, which is closed as soon as it is worth the threshold.
"""

from collections.abc import Callable

from agents.settlement.window import State, Window
from schemas.batches import BatchEvent, Closed, Dissolved, Joined, Line

Strategy = Callable[[State, Line, int], list[BatchEvent]]


def strategy(total_atoms: int, threshold_atoms: int) -> Strategy:
    """The choice, and the only place where it is made."""
    return large if total_atoms >= threshold_atoms else small


def large(state: State, line: Line, now_ms: int) -> list[BatchEvent]:
    """A batch of one, closed at once."""
    number = state.take_number()
    return [_closed(state, Window(number, now_ms, [line]))]


def small(state: State, line: Line, now_ms: int) -> list[BatchEvent]:
    """Into the window, which is opened if there is none."""
    if state.window is None:
        state.window = Window(state.take_number(), now_ms, [])
    window = state.window
    window.orders.append(line)
    joined = Joined(state.batch_id(window.number), window.number, len(window.orders), line)
    is_full = len(window.orders) >= state.terms.max_orders
    if not is_full and window.notional_atoms < state.threshold_atoms:
        return [joined]
    state.window = None
    return [joined, _closed(state, window)]


def age(state: State, now_ms: int) -> list[BatchEvent]:
    """A window that has waited too long is bought with the house's help, or dissolved."""
    window = state.window
    if window is None or now_ms - window.opened_ms < state.terms.max_age_ms:
        return []
    state.window = None
    if state.terms.when_too_old == "top_up":
        return [_closed(state, window)]
    return [Dissolved(state.batch_id(window.number), window.number, tuple(window.orders))]


def _closed(state: State, window: Window) -> Closed:
    """What is missing to the threshold is bought for the house, in whole lots at the price listed now."""
    missing = max(0, state.threshold_atoms - window.notional_atoms)
    lot_atoms = state.price_ticks * state.tick_lot_quote_atoms
    lots = -(-missing // lot_atoms) if missing else 0
    return Closed(
        batch_id=state.batch_id(window.number),
        number=window.number,
        lots=sum(line.lots for line in window.orders) + lots,
        notional_atoms=window.notional_atoms + lots * lot_atoms,
        topped_up_lots=lots,
        topped_up_atoms=lots * lot_atoms,
        opened_ms=window.opened_ms,
        orders=tuple(window.orders),
    )
